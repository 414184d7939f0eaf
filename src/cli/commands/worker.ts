/** `worker`. */
import type { WorkerEvent, WorkerOptions } from '../../jobs/queue/worker-options.ts'
import { type Call, wrongUse } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { parseSpan, queueOptionsOf, warnOfPassword } from '../queue-call.ts'
import { count } from '../text.ts'
import { parseCount } from '../values.ts'

export async function work(call: Call): Promise<number> {
  const options = optionsOf(call)
  await warnOfPassword(call)
  return call.orderly(
    withKeywright(call, ({ jobs }) => run(call, (more) => jobs.work({ ...options, ...more }))),
  )
}

type Start = (more: Pick<WorkerOptions, 'onEvent'>) => Promise<{ close(): Promise<void> }>

/** Until it is interrupted; then it ends in order. */
async function run({ io, output }: Call, start: Start): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve()
    io.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const alive = setInterval(() => undefined, 60_000)
  const worker = await start({ onEvent: (event) => void tell(output, event) })
  await stopped
  clearInterval(alive)
  await worker.close()
  return 0
}

function optionsOf(call: Call): WorkerOptions {
  const { options } = call
  const given = {
    name: options.text('name'),
    concurrency: parseCount('concurrency', options.text('concurrency')),
    rate: parseCount('rate', options.text('rate')),
    maxLatencyMs: parseSpan('max-latency', options.text('maxLatency')),
    ranges: limitOf(options.text('limit')),
    lockMs: parseSpan('lock', options.text('lock')),
    stalledMs: parseSpan('stalled', options.text('stalled')),
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...queueOptionsOf(call), ...Object.fromEntries(set) }
}

/** '10/1m' */
function limitOf(text: string | undefined): WorkerOptions['ranges'] {
  if (text === undefined) return undefined
  const [most, time] = text.split('/')
  const max = parseCount('limit', most)
  const perMs = parseSpan('limit', time)
  if (max !== undefined && perMs !== undefined) return { max, perMs }
  throw wrongUse('--limit is not a number of ranges and a time', 'write --limit 10/1m')
}

async function tell(output: Call['output'], event: WorkerEvent): Promise<void> {
  if (event.event === 'ready') for (const warning of event.warnings) await output.warn(warning)
  await output.item(event, textOf(event))
}

function textOf(event: WorkerEvent): string {
  switch (event.event) {
    case 'ready':
      return `ready: ${event.name}`
    case 'begun':
      return `begun: range ${event.number} of ${event.place} (${event.flow})`
    case 'done':
      return `done: range ${event.number} of ${event.place} (${event.flow}): ${count(event.rows, 'row')}, ${count(event.done, 'value')} re-encrypted`
    case 'failed':
      return `failed: ${event.job}: ${event.message} (${event.code})`
    case 'lost':
      return `lost: ${event.job} was taken over by another worker`
    case 'taken-over':
      return `taken over: ${event.job} of a worker that does not answer`
    case 'report':
      return `${event.report.outcome}: ${event.report.id}`
    case 'unreachable':
      return 'Redis is not reachable; trying again'
  }
}
