/** `migrate run`, `migrate verify` and `migrate reverse`. */
import { KeywrightError } from '../../errors.ts'
import type { MigrationReport } from '../../jobs/migrate/run.ts'
import type { VerificationReport } from '../../jobs/migrate/verify.ts'
import type { ColumnCounts } from '../../jobs/values/counts.ts'
import type { Keywright } from '../../keywright.ts'
import { type Call, wrongUse } from '../call.ts'
import { reportFile } from '../job-call.ts'
import { foreignOf, paceOf, sampleOf, selectionOf } from '../migrate-call.ts'
import { withKeywright } from '../opened.ts'
import { count } from '../text.ts'
import { ValueProgressLine } from '../value-progress.ts'
import { tellPlan } from './migrate-plan.ts'

export async function runMigration(call: Call): Promise<number> {
  const { io, options, output } = call
  const file = await reportFile(call)
  const isDry = io.stdout.isTTY === true && !output.json && !options.flag('yes')
  const from = options.text('from')
  const work = withKeywright(call, async (keywright) => {
    if (isDry) return dryRun(call, keywright)
    const { progress, run } = await runOptionsOf(call)
    const report = await keywright.jobs.migrate({ ...run, ...(from === undefined ? {} : { from }) })
    await progress.end()
    return tell(call, report, file)
  })
  return call.orderly(work)
}

async function dryRun(call: Call, keywright: Keywright): Promise<number> {
  const { problems } = await tellPlan(call, keywright)
  await call.output.note('nothing was written: run it again with --yes to encrypt')
  return problems === 0 ? 0 : 1
}

export async function verifyMigration(call: Call): Promise<number> {
  const { io, output } = call
  const file = await reportFile(call)
  const asked = { ...selectionOf(call), ...paceOf(call), ...sampleOf(call) }
  const progress = new ValueProgressLine(output)
  const reason = call.options.text('reason')
  const work = withKeywright(call, async ({ jobs }) => {
    const report = await jobs.verifyMigration({
      ...asked,
      signal: io.signal,
      onProgress: progress.show,
      ...(reason === undefined ? {} : { reason }),
    })
    await progress.end()
    await file.write(report)
    await output.result(report, verifiedText(call, report))
    if (report.outcome === 'verified') return 0
    throw new KeywrightError(
      'ERR_JOB_INCOMPLETE',
      'not every value is a ciphertext that opens where it stands',
      {
        hint: 'run `keywright migrate run` for what is left; values that failed were made under another context or key',
      },
    )
  })
  return call.orderly(work)
}

export async function reverseMigration(call: Call): Promise<number> {
  const { options } = call
  const file = await reportFile(call)
  const to = options.required('to', 'write --to plain or --to fernet') as 'plain' | 'fernet'
  if (!options.flag('undoEncryption')) {
    throw wrongUse("this takes Keywright's protection off the values", 'pass --undo-encryption to do so')
  }
  const work = withKeywright(call, async ({ jobs }) => {
    const { progress, run } = await runOptionsOf(call)
    const report = await jobs.reverseMigration({ ...run, to, undoEncryption: true })
    await progress.end()
    return tell(call, report, file)
  })
  return call.orderly(work)
}

async function runOptionsOf(call: Call) {
  const { io, options, output } = call
  const progress = new ValueProgressLine(output)
  const reason = options.text('reason')
  const run = {
    ...selectionOf(call),
    ...(await foreignOf(call)),
    ...paceOf(call),
    restart: options.flag('restart'),
    takeOver: options.flag('takeOver'),
    signal: io.signal,
    onProgress: progress.show,
    ...(reason === undefined ? {} : { reason }),
  }
  return { progress, run }
}

async function tell(
  call: Call,
  report: MigrationReport,
  file: Awaited<ReturnType<typeof reportFile>>,
): Promise<number> {
  const { output } = call
  await file.write(report)
  await output.result(report, reportText(call, report))
  for (const warning of report.warnings) await output.warn(warning)
  if (report.outcome === 'finished') return 0
  const { changed } = report.counts
  throw new KeywrightError('ERR_JOB_INCOMPLETE', 'some values stayed as they were', {
    hint:
      changed > 0
        ? `${count(changed, 'row')} went on changing: run it again; the table above tells the others`
        : 'the table above tells how many and why; `keywright migrate plan` shows the formats',
    details: { changed },
  })
}

const COLUMNS = [
  { title: 'source' },
  { title: 'column' },
  { title: 'total', align: 'right' },
  { title: 'done', align: 'right' },
  { title: 'as it should be', align: 'right' },
  { title: 'null', align: 'right' },
  { title: 'plain', align: 'right' },
  { title: 'foreign', align: 'right' },
  { title: 'skipped', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'why' },
] as const

function reportText({ output }: Call, { outcome, places }: MigrationReport): string {
  const rows = places.flatMap(({ counts, place }) =>
    Object.entries(counts.columns).map(([column, of]) => cells(place, column, counts.rows, of.done, of)),
  )
  return `${output.table(COLUMNS, rows)}${outcome}\n`
}

function verifiedText({ output }: Call, { outcome, places, sample }: VerificationReport): string {
  const titles = COLUMNS.map((one) => (one.title === 'done' ? { ...one, title: 'opened' } : one))
  const rows = places.flatMap(({ columns, place }) =>
    columns.map(({ column, counts, opened, total }) => cells(place, column, total, opened, counts)),
  )
  const share = sample < 1 ? `, ${sample * 100}% of the values opened` : ''
  return `${output.table(titles, rows)}${outcome}${share}\n`
}

function cells(place: string, column: string, total: number, did: number, counts: ColumnCounts): string[] {
  const { current, empty, failed, failures, foreign, plain, skipped } = counts
  const numbers = [total, did, current, empty, plain, foreign, skipped, failed]
  const why = Object.entries(failures).map(([code, number]) => `${code} ${number.toLocaleString('en-US')}`)
  return [place, column, ...numbers.map((number) => number.toLocaleString('en-US')), why.join(', ')]
}
