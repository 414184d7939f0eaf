/** `lifecycle run | watch | report`. */
import { KeywrightError } from '../../errors.ts'
import type { LifecycleReport } from '../../jobs/lifecycle/lifecycle.ts'
import type { LifecycleEvent, LifecycleStep, LifecycleTask } from '../../jobs/lifecycle/task.ts'
import type { WatchEvent, WatchLifecycleOptions } from '../../jobs/lifecycle/watch-options.ts'
import { type Call, wrongUse } from '../call.ts'
import { reportFile } from '../job-call.ts'
import { withKeywright } from '../opened.ts'
import { Cadence } from '../progress.ts'
import { progressText } from '../progress-bar.ts'
import { parseCount } from '../values.ts'

/** What both commands take. */
function commonOptions({
  options,
}: Call): Pick<WatchLifecycleOptions, 'batch' | 'workers' | 'rate' | 'reason'> {
  const given = {
    batch: parseCount('batch', options.text('batch')),
    workers: parseCount('workers', options.text('workers')),
    rate: parseCount('rate', options.text('rate')),
    reason: options.text('reason'),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

export async function runLifecycle(call: Call): Promise<number> {
  const { io, options, output } = call
  const tasks = options.list('task') as readonly LifecycleTask[]
  const keyType = options.text('keyType')
  const file = await reportFile(call)
  const line = new TaskLine(output)
  const work = withKeywright(call, async ({ jobs }) => {
    const report = await jobs.runLifecycle({
      ...commonOptions(call),
      ...(tasks.length === 0 ? {} : { tasks }),
      ...(keyType === undefined ? {} : { keyType }),
      force: options.flag('force'),
      takeOver: options.flag('takeOver'),
      signal: io.signal,
      onEvent: line.show,
    })
    await output.status('')
    await file.write(report)
    await output.result(report, output.table(COLUMNS, report.steps.map(stepRow)))
    await warnOf(call, report.steps)
    if (report.outcome === 'incomplete') throw incomplete(report)
    return 0
  })
  return call.orderly(work)
}

const COLUMNS = [{ title: 'task' }, { title: 'outcome' }, { title: 'what' }] as const
const stepRow = ({ outcome, summary, task }: LifecycleStep): string[] => [task, outcome, summary]

/** The line that tells how far the tasks are. */
class TaskLine {
  readonly #output: Call['output']
  readonly #cadence: Cadence
  #title = ''
  #startedAt = 0

  constructor(output: Call['output']) {
    this.#output = output
    this.#cadence = new Cadence(output)
  }

  readonly show = (event: LifecycleEvent): void => {
    if (event.event === 'begun') void this.#output.status(`${event.task} …`)
    if (event.event !== 'progress') return
    const { done, place, task, total } = event
    const title = `${task} ${place}`
    if (title !== this.#title) this.#startedAt = performance.now()
    this.#title = title
    if (!this.#cadence.isDue()) return
    const rate = (done / Math.max(performance.now() - this.#startedAt, 1)) * 1_000
    void this.#output.status(progressText({ title, done, total, noun: 'rows', rate }))
    void this.#output.event({ progress: { task, place, done, total, rate: Math.round(rate) } })
  }
}

async function warnOf({ output }: Pick<Call, 'output'>, steps: readonly LifecycleStep[]): Promise<void> {
  for (const { failures, task } of steps) {
    for (const { code, hint, message, what } of failures)
      await output.warn(`${task}${what === '' ? '' : ` (${what})`}: ${message} (${code})`, hint)
  }
}

function incomplete({ steps }: LifecycleReport): KeywrightError {
  const failed = steps.filter(({ failures }) => failures.length > 0).map(({ task }) => task)
  return new KeywrightError(
    'ERR_JOB_INCOMPLETE',
    `not everything that was due is done: ${failed.join(', ')}`,
    {
      hint: 'see to what the report says, then run it again; what is done stays done',
      details: { tasks: failed },
    },
  )
}

export async function watchLifecycle(call: Call): Promise<number> {
  const { io, options, output } = call
  const schedules = schedulesOf(options.list('schedule'))
  const timeZone = options.text('timeZone')
  const work = withKeywright(call, async ({ jobs }) => {
    await jobs.watchLifecycle({
      ...commonOptions(call),
      ...(schedules === undefined ? {} : { schedules }),
      ...(timeZone === undefined ? {} : { timeZone }),
      signal: io.signal,
      onEvent: (event) => void tell(call, event),
    })
    return 0
  })
  await output.note('watching; Ctrl-C or SIGTERM ends it in order')
  return call.orderly(work)
}

/** 'rotate-due=0 3 * * *' … */
function schedulesOf(texts: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (texts.length === 0) return undefined
  const schedules: Record<string, string> = Object.create(null)
  for (const text of texts) {
    const at = text.indexOf('=')
    const task = text.slice(0, at)
    if (at < 1 || Object.hasOwn(schedules, task)) {
      throw wrongUse(
        '--schedule is not task=cron, or names a task twice',
        "write --schedule 'rotate-due=0 3 * * *'",
      )
    }
    schedules[task] = text.slice(at + 1)
  }
  return schedules
}

async function tell(call: Call, event: WatchEvent): Promise<void> {
  const { output } = call
  if (event.event === 'step') {
    if (event.step.event === 'progress') return
    if (output.json) await output.item(event, '')
    return
  }
  await output.item(event, watchText(event))
  if (event.event === 'finished') await warnOf(call, event.steps)
}

function watchText(event: Exclude<WatchEvent, { event: 'step' }>): string {
  switch (event.event) {
    case 'leading': {
      const next = Object.entries(event.next).map(([task, at]) => `${task} at ${at}`)
      return `leading: ${next.join(', ')}`
    }
    case 'standby':
      return 'standing by: another process leads'
    case 'started':
      return `started: ${event.task}${event.missed === 0 ? '' : `, making up for ${event.missed} missed dates`}`
    case 'finished': {
      const did = event.steps.map(({ outcome, task }) => `${task} ${outcome}`).join(', ')
      return `${event.outcome}: ${event.task} (${did})${event.next === undefined ? '' : `; next at ${event.next}`}`
    }
    case 'trouble':
      return `trouble: ${event.message} (${event.code}); trying again`
    case 'stopped':
      return 'stopped'
  }
}

export async function reportLifecycle(call: Call): Promise<number> {
  const { output } = call
  return withKeywright(call, async ({ jobs }) => {
    const { steps } = await jobs.runLifecycle({ tasks: ['report'] })
    const [step] = steps
    await output.result(step?.details, output.table(COLUMNS, steps.map(stepRow)))
    await warnOf(call, steps)
    return step?.failures.length === 0 ? 0 : 1
  })
}
