/** `migrate plan`: what there is, by column, and what stands in the way. */
import type { ColumnMigrationPlan, MigrationPlan } from '../../jobs/migrate/plan.ts'
import type { Keywright } from '../../keywright.ts'
import type { Call } from '../call.ts'
import { reportFile } from '../job-call.ts'
import { foreignOf, paceOf, selectionOf } from '../migrate-call.ts'
import { withKeywright } from '../opened.ts'
import { count } from '../text.ts'
import { ValueProgressLine } from '../value-progress.ts'

export async function planMigration(call: Call): Promise<number> {
  const file = await reportFile(call)
  const work = withKeywright(call, async (keywright) => {
    const plan = await tellPlan(call, keywright)
    await file.write(plan)
    return plan.problems === 0 ? 0 : 1
  })
  return call.orderly(work)
}

/** Plans and prints. */
export async function tellPlan(call: Call, { jobs }: Keywright): Promise<MigrationPlan> {
  const { io, options, output } = call
  const progress = new ValueProgressLine(output)
  const from = options.text('from')
  const plan = await jobs.planMigration({
    ...selectionOf(call),
    ...(await foreignOf(call)),
    ...paceOf(call),
    ...(from === undefined ? {} : { from }),
    signal: io.signal,
    onProgress: progress.show,
  })
  await progress.end()
  await output.result(plan, planText(call, plan))
  for (const { columns, place, warnings } of plan.places) {
    for (const warning of warnings) await output.warn(`${place}: ${warning}`)
    for (const { problem } of columns)
      if (problem !== undefined) await output.warn(problem.message, problem.hint)
  }
  return plan
}

const COLUMNS = [
  { title: 'source' },
  { title: 'column' },
  { title: 'key type' },
  { title: 'to encrypt', align: 'right' },
  { title: 'encrypted', align: 'right' },
  { title: 'null', align: 'right' },
  { title: 'left', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'needs', align: 'right' },
  { title: 'type' },
] as const

function planText({ output }: Call, plan: MigrationPlan): string {
  const rows = plan.places.flatMap(({ columns, place }) => columns.map((column) => row(place, column)))
  const formats = plan.places.flatMap(({ columns, place }) =>
    columns.flatMap((column) => formatsLine(place, column) ?? []),
  )
  return `${output.table(COLUMNS, rows)}${formats.join('')}`
}

function row(place: string, { column, counts, keyType, needs, type = '' }: ColumnMigrationPlan): string[] {
  const { current, done, empty, failed, foreign, plain, skipped } = counts
  const numbers = [done, current, empty, foreign + plain + skipped, failed]
  const cells = numbers.map((number) => number.toLocaleString('en-US'))
  return [place, column, keyType, ...cells, needs === 0 ? '' : needs.toLocaleString('en-US'), type]
}

/** 'users.email: 3 plain, 1,200 fernet; the window is open until …' */
function formatsLine(
  place: string,
  { column, counts, formats, until }: ColumnMigrationPlan,
): string | undefined {
  const found = Object.entries(formats).map(
    ([format, number]) => `${number.toLocaleString('en-US')} ${format}`,
  )
  const failed = Object.entries(counts.failures).map(([code, number]) => `${count(number, 'value')} ${code}`)
  const parts = [...found, ...failed, ...(until === undefined ? [] : [`window until ${until}`])]
  return parts.length === 0 ? undefined : `${place}.${column}: ${parts.join(', ')}\n`
}
