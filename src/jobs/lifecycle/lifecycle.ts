/**
 * What is due in the life of keys, once: rotate, rewrap, re-encrypt, count, destroy what may go, report. A task that
 * fails does not keep the others from running; each of them may be run again at any time and does only what is due.
 */
import { KeywrightError } from '../../errors.ts'
import { type JobReport, runJob } from '../job.ts'
import { JobLease } from '../lease.ts'
import { cleanup, report, rewrap, rotateDue, rotateOne } from './key-tasks.ts'
import {
  ALL_TASKS,
  LIFECYCLE_TASKS,
  type LifecycleOptions,
  type LifecycleParts,
  type LifecycleStep,
  type LifecycleTask,
  type RunTask,
  type StepOutcome,
  stepFailure,
  stopped,
  type TaskResult,
} from './task.ts'
import { census, reencryptOld } from './value-tasks.ts'

const LEASE = { name: 'jobs/lease/lifecycle', what: 'the lifecycle of this key store' }

const TASKS: Readonly<Record<LifecycleTask, RunTask>> = {
  rotate: rotateOne,
  'rotate-due': rotateDue,
  rewrap,
  reencrypt: reencryptOld,
  census,
  cleanup,
  report,
}

/**
 * 'finished': everything that was due is done. 'incomplete': a task failed, or part of one; `steps` tells which.
 * 'stopped': by the signal; the next run goes on.
 */
export type LifecycleOutcome = 'finished' | 'incomplete' | 'stopped'

export interface LifecycleReport extends JobReport {
  readonly job: 'lifecycle'
  readonly outcome: LifecycleOutcome
  readonly steps: readonly LifecycleStep[]
}

/** Options of {@link runLifecycle}. */
export interface RunLifecycleOptions extends LifecycleOptions {
  /** Take over from another run on the same store that is known to be gone. @default false */
  readonly takeOver?: boolean
}

/**
 * Runs tasks once, all but 'rotate' unless told which, in the order of LIFECYCLE_TASKS. Throws ERR_ARGUMENT_INVALID
 * for a task that does not exist and ERR_JOB_RUNNING while another process is at it; what a task throws is in the report.
 */
export async function runLifecycle(
  parts: LifecycleParts,
  options: RunLifecycleOptions = {},
): Promise<LifecycleReport> {
  const tasks = tasksOf(options)
  const { clock, store } = parts.services
  const { reason, takeOver = false } = options
  const { documents } = store
  const lease =
    documents &&
    (await JobLease.take({ documents, clock, takeOver, ...LEASE, job: `lifecycle ${tasks.join(' ')}` }))
  const about = { title: 'lifecycle', details: { job: 'lifecycle', tasks: tasks.join(',') }, changes: false }
  try {
    return await runJob(parts.services, about, reason === undefined ? {} : { reason }, async () => {
      const steps: LifecycleStep[] = []
      for (const task of tasks) {
        lease?.assertHeld()
        steps.push(await runStep(parts, options, task))
      }
      return { job: 'lifecycle' as const, outcome: outcomeOf(steps), steps }
    })
  } finally {
    await lease?.release()
  }
}

function tasksOf({ keyType, tasks = ALL_TASKS }: LifecycleOptions): readonly LifecycleTask[] {
  const unknown = tasks.find((task) => !LIFECYCLE_TASKS.includes(task))
  if (unknown !== undefined || tasks.length === 0) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'there is no such lifecycle task', {
      hint: `the tasks are ${LIFECYCLE_TASKS.join(', ')}`,
    })
  }
  if (tasks.includes('rotate') && keyType === undefined) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the task "rotate" needs a key type', {
      hint: 'name it: --key-type pii, or rotate:pii in a schedule; "rotate-due" is for all that is due',
    })
  }
  return LIFECYCLE_TASKS.filter((task) => tasks.includes(task))
}

async function runStep(
  parts: LifecycleParts,
  options: LifecycleOptions,
  task: LifecycleTask,
): Promise<LifecycleStep> {
  const { clock } = parts.services
  const now = (): string => new Date(clock.now()).toISOString()
  const startedAt = now()
  options.onEvent?.({ event: 'begun', task })
  let step: LifecycleStep
  try {
    if (options.signal?.aborted === true) throw stopped()
    const {
      details,
      failures = [],
      outcome = 'done',
      summary,
    }: TaskResult = await TASKS[task](parts, options)
    const whole = failures.length > 0 ? 'incomplete' : outcome
    step = { task, outcome: whole, summary, failures, details, startedAt, finishedAt: now() }
  } catch (error) {
    const failure = stepFailure('', error)
    const outcome = outcomeOfFailure(failure.code, options)
    const failures = outcome === 'failed' ? [failure] : []
    step = { task, outcome, summary: failure.message, failures, details: {}, startedAt, finishedAt: now() }
  }
  options.onEvent?.({ event: 'ended', task, step })
  return step
}

function outcomeOfFailure(code: string, { signal }: LifecycleOptions): StepOutcome {
  if (code === 'ERR_ABORTED' && signal?.aborted === true) return 'stopped'
  return code === 'ERR_JOB_RUNNING' ? 'running elsewhere' : 'failed'
}

function outcomeOf(steps: readonly LifecycleStep[]): LifecycleOutcome {
  const has = (...outcomes: readonly StepOutcome[]): boolean =>
    steps.some(({ outcome }) => outcomes.includes(outcome))
  if (has('stopped')) return 'stopped'
  return has('failed', 'incomplete') ? 'incomplete' : 'finished'
}
