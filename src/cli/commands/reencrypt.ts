/** `reencrypt`: its plan, and the work itself. */
import { KeywrightError } from '../../errors.ts'
import type { ColumnCounts, ValueCounts } from '../../jobs/values/counts.ts'
import type { ReencryptOptions, ReencryptReport } from '../../jobs/values/reencrypt.ts'
import type { ReencryptPlan } from '../../jobs/values/reencrypt-plan.ts'
import type { ValueSelection } from '../../jobs/values/selection.ts'
import type { Keywright } from '../../keywright.ts'
import { durationHint, formatDuration, readDuration } from '../../policy/duration.ts'
import { type Call, wrongUse } from '../call.ts'
import { reportFile } from '../job-call.ts'
import { withKeywright } from '../opened.ts'
import { count } from '../text.ts'
import { ValueProgressLine } from '../value-progress.ts'
import { parseCount } from '../values.ts'

export async function reencrypt(call: Call): Promise<number> {
  const options = optionsOf(call)
  const work = withKeywright(call, (keywright) =>
    call.options.flag('dryRun') ? tellPlan(call, keywright, options) : run(call, keywright, options),
  )
  return call.orderly(work)
}

function optionsOf({ io, options }: Call): ReencryptOptions {
  const given = {
    ...listed({ places: options.list('source'), keyTypes: options.list('keyType') }),
    ...listed({ keyrings: options.list('keyring') }),
    batch: parseCount('batch', options.text('batch')),
    workers: parseCount('workers', options.text('workers')),
    rate: parseCount('rate', options.text('rate')),
    maxLatencyMs: latencyOf(options.text('maxLatency')),
    reason: options.text('reason'),
    restart: options.flag('restart'),
    takeOver: options.flag('takeOver'),
    signal: io.signal,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const listed = (lists: Readonly<Record<string, readonly string[]>>): ValueSelection =>
  Object.fromEntries(Object.entries(lists).filter(([, names]) => names.length > 0))

function latencyOf(text: string | undefined): number | undefined {
  const ms = readDuration(text)
  if (text !== undefined && ms === undefined) throw wrongUse('--max-latency is not a time', durationHint())
  return ms
}

async function tellPlan(call: Call, { jobs }: Keywright, options: ReencryptOptions): Promise<number> {
  const { output } = call
  const plan = await jobs.planReencrypt(options)
  await output.result(plan, planText(call, plan))
  for (const warning of plan.warnings) await output.warn(warning)
  await output.note('nothing was written')
  return 0
}

const PLAN_COLUMNS = [
  { title: 'source' },
  { title: 'column' },
  { title: 'key type' },
  { title: 'rows', align: 'right' },
  { title: 'looked at', align: 'right' },
  { title: 'to do, about', align: 'right' },
  { title: 'current', align: 'right' },
  { title: 'null', align: 'right' },
  { title: 'no ciphertext', align: 'right' },
  { title: 'failed', align: 'right' },
] as const

const number = (value: number | undefined): string => value?.toLocaleString('en-US') ?? '?'

function planText({ output }: Call, { places, folders, estimateMs }: ReencryptPlan): string {
  const rows = places.flatMap(({ columns, place, rows: all, sampled }) =>
    columns.map(({ column, keyType, sample, toDo }) => [
      place,
      column,
      keyType,
      ...[all, sampled, toDo, sample.current, sample.empty, sample.plain + sample.foreign, sample.failed].map(
        number,
      ),
    ]),
  )
  const unfinished = places.filter((one) => one.unfinished).map(({ place }) => place)
  const facts = output.facts([
    ['folders', folders.length === 0 ? undefined : folders.join(', ')],
    ['time', estimateMs === undefined ? undefined : `about ${formatDuration(estimateMs)} in one thread`],
    ['begun', unfinished.length === 0 ? undefined : `${unfinished.join(', ')}: the next run goes on there`],
  ])
  return `${output.table(PLAN_COLUMNS, rows)}${facts === '' ? '' : `\n${facts}`}`
}

async function run(call: Call, { jobs }: Keywright, options: ReencryptOptions): Promise<number> {
  const { output } = call
  const file = await reportFile(call)
  const progress = new ValueProgressLine(output)
  const report = await jobs.reencrypt({ ...options, onProgress: progress.show })
  await progress.end()
  await file.write(report)
  await output.result(report, reportText(call, report))
  for (const warning of report.warnings) await output.warn(warning)
  if (report.outcome === 'finished') return 0
  throw new KeywrightError('ERR_JOB_INCOMPLETE', 'some values stayed under the keys they were under', {
    hint: 'the warnings tell which and why; see to them, then run it again',
  })
}

const COLUMNS = [
  { title: 'source' },
  { title: 'column' },
  { title: 'rows', align: 'right' },
  { title: 're-encrypted', align: 'right' },
  { title: 'current', align: 'right' },
  { title: 'null', align: 'right' },
  { title: 'no ciphertext', align: 'right' },
  { title: 'skipped', align: 'right' },
  { title: 'failed', align: 'right' },
] as const

function reportText({ output }: Call, { outcome, places }: ReencryptReport): string {
  const rows = places.flatMap(({ counts, place }) =>
    Object.entries(counts.columns).map(([column, of]) => [place, column, ...cells(counts, of)]),
  )
  const [resumed, gone] = [places.filter((one) => one.resumed).length, sum(places, 'gone')]
  const more = [
    ...(resumed === 0 ? [] : [`${count(resumed, 'source')} went on from an earlier run`]),
    ...(gone === 0 ? [] : [`${count(gone, 'row')} deleted meanwhile`]),
  ]
  return `${output.table(COLUMNS, rows)}${[outcome, ...more].join('; ')}\n`
}

const sum = (places: ReencryptReport['places'], name: 'gone' | 'changed'): number =>
  places.reduce((total, { counts }) => total + counts[name], 0)

const cells = ({ rows }: ValueCounts, of: ColumnCounts): string[] =>
  [rows, of.done, of.current, of.empty, of.plain + of.foreign, of.skipped, of.failed].map(number)
