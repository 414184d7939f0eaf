/**
 * Moving data keys from one provider to another while the application runs. Data and data keys stay as they are.
 *
 * For each key: add a wrap by the new provider, unwrap it there and compare with the record's commitment, prefer it,
 * and after a window remove the old one. Every step is one compare-and-set that leaves the key openable, and what is
 * left to do is told by the wraps: a move that was killed at any moment goes on when it is run again.
 */
import type { AuditDetails } from '../audit/event.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyServices } from '../keys/services.ts'
import { type JobAbout, type JobOptions, type JobReport, type RunningJob, runJob } from './job.ts'
import type { KeyLog, KeyReport } from './key-log.ts'
import { forgetOpposite, MoveMemo } from './move-memo.ts'
import {
  type MoveCounts,
  type MoveRequest,
  type MoveSettings,
  moveSettings,
  moveWarnings,
  planMove,
  removeFromOf,
  stillWrapping,
  surveyMove,
} from './move-plan.ts'
import { assertMayRemove, type MoveOutcome, MoveRun, type MoveStep } from './move-run.ts'
import type { KeySelection } from './selection.ts'

export interface MoveOptions extends MoveRequest, JobOptions {
  /**
   * How far to go. 'all' waits for a window of at most a minute; a longer one ends it with the outcome 'waiting'.
   * @default 'all'
   */
  readonly step?: MoveStep
}

/** What a move did. Look at `outcome`: only 'finished' means that the old provider is not needed any more. */
export interface MoveReport extends JobReport {
  readonly job: 'move'
  readonly from: string
  readonly to: string
  readonly selection: KeySelection
  readonly step: MoveStep
  readonly outcome: MoveOutcome
  readonly windowMs: number
  /** ISO 8601: from when the last step may run. */
  readonly removeFrom?: string
  /** Where the keys are now. */
  readonly counts: MoveCounts
  /** Keys this run did something to. */
  readonly done: { readonly added: number; readonly preferred: number; readonly removed: number }
  readonly failed: number
  /** Key types whose policy still wraps new keys under `from`. */
  readonly stillWrapping: readonly string[]
  readonly warnings: readonly string[]
  /** What was done to each key, and checked, and when. */
  readonly keys: readonly KeyReport[]
}

const STEPS: readonly MoveStep[] = ['all', 'add', 'prefer', 'remove']

/**
 * Moves, or goes on with a move. Throws ERR_ARGUMENT_INVALID, ERR_PROVIDER_UNKNOWN, ERR_JOB_REFUSED (nothing to
 * move; `step: 'remove'` before its time), ERR_JOB_RUNNING, ERR_ABORTED, ERR_MASTER_KEY_DISABLED, and what the new
 * provider or the store fail with; every key opens all the same.
 */
export async function move(services: KeyServices, options: MoveOptions): Promise<MoveReport> {
  const { step = 'all' } = options
  if (!STEPS.includes(step)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', '"step" of the move is no step', {
      hint: `one of ${STEPS.join(', ')}`,
    })
  }
  const settings = moveSettings(services, options)
  await planMove(services, options) // refuses before anything is announced
  if (step === 'remove') assertMayRemove(services, settings)
  return runJob(services, aboutMove('move', settings, { step }), options, (job) =>
    moveKeys(job, settings, step),
  )
}

/** What the audit log tells of a move or a way back. */
export function aboutMove(job: string, settings: MoveSettings, more: AuditDetails): JobAbout {
  const { from, to, selection } = settings
  return {
    title: `${job} ${from} to ${to}`,
    details: { job, from, to, ...selection.filter, ...more },
    changes: true,
  }
}

async function moveKeys(
  job: RunningJob,
  settings: MoveSettings,
  step: MoveStep,
): Promise<Omit<MoveReport, keyof JobReport> & { readonly outcome: MoveOutcome }> {
  const { services } = job
  const { from, to, selection, windowMs } = settings
  await assertEnabled(services, to)
  const now = services.clock.now()
  const memo = await MoveMemo.open(services.store, from, to, selection, now)
  await forgetOpposite(services.store, from, to, selection)
  await memo.begin(now)
  const run = new MoveRun(job, settings, memo)
  const outcome = await run.run(step)
  if (outcome === 'finished') await memo.note({ finishedAt: services.clock.now() })
  const at = removeFromOf(memo, windowMs)
  const { counts } = await surveyMove(services, settings)
  return {
    job: 'move',
    from,
    to,
    selection: selection.filter,
    step,
    outcome,
    windowMs,
    ...(at === undefined || outcome === 'finished' ? {} : { removeFrom: new Date(at).toISOString() }),
    counts,
    done: doneIn(run.log),
    failed: run.log.failed,
    stillWrapping: stillWrapping(services, settings),
    warnings: moveWarnings(services, settings, memo),
    keys: run.log.report(),
  }
}

/** How many keys a job did what to. */
export const doneIn = (log: KeyLog): MoveReport['done'] => ({
  added: log.count('add-wrap'),
  preferred: log.count('prefer-wrap'),
  removed: log.count('remove-wrap'),
})

/** Throws ERR_MASTER_KEY_DISABLED, and what a provider that does not answer fails with. */
async function assertEnabled({ calls }: KeyServices, provider: string): Promise<void> {
  const { id, state } = await calls.describe(provider)
  if (state === 'enabled') return
  throw new KeywrightError('ERR_MASTER_KEY_DISABLED', `master key ${id} of ${provider} is ${state}`, {
    hint: 'nothing was changed; enable it in the service, or move to another provider',
    details: { provider },
  })
}
