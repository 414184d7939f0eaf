/** `queue reencrypt | wait | status | pause | resume | cancel`. */
import { KeywrightError } from '../../errors.ts'
import type { FlowEvent } from '../../jobs/queue/follow.ts'
import type { QueueRequest, WorkQueue } from '../../jobs/queue/queue.ts'
import type { FlowReport } from '../../jobs/queue/report.ts'
import type { FlowStatus, QueueStatus } from '../../jobs/queue/status.ts'
import { countOf } from '../../jobs/values/counts.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { progressText } from '../progress-bar.ts'
import { queueOptionsOf, warnOfPassword } from '../queue-call.ts'
import { count, relative } from '../text.ts'
import { parseCount } from '../values.ts'

async function withQueue<T>(call: Call, use: (queue: WorkQueue) => Promise<T>): Promise<T> {
  const options = queueOptionsOf(call)
  await warnOfPassword(call)
  const work = withKeywright(call, async ({ jobs }) => {
    const queue = await jobs.queue(options)
    try {
      for (const warning of queue.server.warnings) await call.output.warn(warning)
      return await use(queue)
    } finally {
      await queue.close()
    }
  })
  return call.orderly(work)
}

export function reencrypt(call: Call): Promise<number> {
  const request = requestOf(call)
  return withQueue(call, async (queue) => {
    const id = await queue.reencrypt(request)
    if (call.options.flag('wait')) {
      await call.output.note(`handed to the workers as ${id}`)
      return follow(call, queue, id)
    }
    await call.output.result({ id }, `${id}\n`)
    return 0
  })
}

function requestOf({ args, options }: Call): QueueRequest {
  const places = options.list('source')
  const given = {
    tenant: options.text('tenant'),
    batch: parseCount('batch', options.text('batch')),
    rangeRows: parseCount('range-rows', options.text('rangeRows')),
    attempts: parseCount('attempts', options.text('attempts')),
    reason: options.text('reason'),
    places: places.length === 0 ? undefined : places,
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { keyType: args[0] ?? '', ...Object.fromEntries(set) }
}

export function wait(call: Call): Promise<number> {
  return withQueue(call, (queue) => follow(call, queue, call.args[0] ?? ''))
}

async function follow(call: Call, queue: WorkQueue, id: string): Promise<number> {
  const { io, output } = call
  const { workers } = await queue.status()
  if (workers === 0) await output.warn('no worker is connected', 'start one with: keywright worker')
  const startedAt = performance.now()
  const report = await queue.wait(id, {
    signal: io.signal,
    onEvent: (event) => void tell(output, startedAt, event),
  })
  await output.status('')
  await output.result(report, `${reportText(report)}\n`)
  for (const { code, number, place } of report.failedRanges)
    await output.warn(`range ${number} of ${place} failed in every attempt (${code})`)
  if (report.outcome === 'incomplete') throw incomplete(report)
  return report.outcome === 'finished' ? 0 : 1
}

async function tell(output: Call['output'], startedAt: number, event: FlowEvent): Promise<void> {
  await output.event(event)
  if (event.event === 'unreachable') await output.warn('Redis is not reachable; trying again')
  if (event.event !== 'progress') return
  const { done, keyType, ranges } = event.status
  const rate = (done / Math.max(performance.now() - startedAt, 1)) * 1_000
  await output.status(progressText({ title: keyType, done, total: ranges, noun: 'ranges', rate }))
}

function reportText({ counts, id, left = 0, outcome }: FlowReport): string {
  const told = [
    count(counts.rows, 'row'),
    `${count(countOf(counts, 'done'), 'value')} re-encrypted`,
    `${countOf(counts, 'current').toLocaleString('en-US')} were current`,
    ...(countOf(counts, 'failed') === 0 ? [] : [`${countOf(counts, 'failed')} failed`]),
    ...(left === 0 ? [] : [`${left} left under older keys`]),
  ]
  return `${outcome}: ${id}: ${told.join(', ')}`
}

function incomplete({ counts, failedRanges, id, left = 0 }: FlowReport): KeywrightError {
  const failed = countOf(counts, 'failed')
  const what = `${count(failedRanges.length, 'range')} and ${count(failed, 'value')} failed, ${count(left, 'value')} left under older keys`
  return new KeywrightError('ERR_JOB_INCOMPLETE', `the re-encryption is not complete: ${what}`, {
    hint: 'see to what the report says, then start it again: what is done stays done',
    details: { id, failed, left },
  })
}

export function status(call: Call): Promise<number> {
  return withQueue(call, async (queue) => {
    const found = await queue.status()
    await call.output.result(found, statusText(call, found))
    return 0
  })
}

const COLUMNS = [
  { title: 'id' },
  { title: 'key type' },
  { title: 'state' },
  { title: 'step' },
  { title: 'ranges', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'started' },
] as const

function statusText({ io, output }: Call, { flows, location, paused, workers }: QueueStatus): string {
  const facts = output.facts([
    ['queue', location],
    ['state', paused ? { text: 'paused', style: 'yellow' } : 'running'],
    ['workers', String(workers)],
  ])
  const row = ({
    done,
    failed,
    id,
    keyType,
    ranges,
    startedAt,
    state,
    step,
    tenant,
  }: FlowStatus): string[] => [
    id,
    tenant === undefined ? keyType : `${keyType}/${tenant}`,
    state,
    step,
    `${done} of ${ranges}`,
    String(failed),
    relative(Date.parse(startedAt), io.now()),
  ]
  return flows.length === 0 ? facts : `${facts}\n${output.table(COLUMNS, flows.map(row))}`
}

export function pauseQueue(call: Call): Promise<number> {
  return withQueue(call, async (queue) => {
    await queue.pause()
    await call.output.result({ paused: true }, 'paused: workers finish what they have begun\n')
    return 0
  })
}

export function resumeQueue(call: Call): Promise<number> {
  return withQueue(call, async (queue) => {
    await queue.resume()
    await call.output.result({ paused: false }, 'resumed\n')
    return 0
  })
}

export function cancel(call: Call): Promise<number> {
  const [id = ''] = call.args
  return withQueue(call, async (queue) => {
    await queue.cancel(id)
    await call.output.result(
      { id, state: 'cancelling' },
      `cancelling: ${id}; workers stop between two pages\n`,
    )
    return 0
  })
}
