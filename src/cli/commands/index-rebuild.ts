/** `index rebuild`: search tokens under the active index keys. */
import { KeywrightError } from '../../errors.ts'
import type { ReindexReport } from '../../jobs/search/reindex.ts'
import type { Call } from '../call.ts'
import { reportFile } from '../job-call.ts'
import { paceOf, selectionOf } from '../migrate-call.ts'
import { withKeywright } from '../opened.ts'
import { ValueProgressLine } from '../value-progress.ts'

const COLUMNS = [
  { title: 'source' },
  { title: 'tokens in' },
  { title: 'rows', align: 'right' },
  { title: 'made', align: 'right' },
  { title: 'as it should be', align: 'right' },
  { title: 'null', align: 'right' },
  { title: 'left', align: 'right' },
  { title: 'why' },
] as const

export async function rebuildIndex(call: Call): Promise<number> {
  const { io, options, output } = call
  const file = await reportFile(call)
  const progress = new ValueProgressLine(output)
  const reason = options.text('reason')
  const asked = {
    ...selectionOf(call),
    ...paceOf(call),
    restart: options.flag('restart'),
    takeOver: options.flag('takeOver'),
    ...(reason === undefined ? {} : { reason }),
  }
  const work = withKeywright(call, async ({ jobs }) => {
    const report = await jobs.reindex({ ...asked, signal: io.signal, onProgress: progress.show })
    await progress.end()
    await file.write(report)
    await output.result(report, output.table(COLUMNS, report.places.flatMap(rowsOf)))
    if (report.outcome === 'finished') return 0
    throw new KeywrightError('ERR_JOB_INCOMPLETE', 'some values have no current search token', {
      hint: 'the table tells why; `keywright migrate run` encrypts what is in clear, then run this again',
    })
  })
  return call.orderly(work)
}

function rowsOf({ counts, place }: ReindexReport['places'][number]): string[][] {
  return Object.entries(counts.columns).map(([column, of]) => {
    const { current, done, empty, failed, failures, foreign, plain } = of
    const numbers = [counts.rows, done, current, empty, failed + foreign + plain]
    const why = [
      ...(plain > 0 ? [`${plain} in clear`] : []),
      ...(foreign > 0 ? [`${foreign} foreign`] : []),
      ...Object.entries(failures).map(([code, number]) => `${code} ${number}`),
    ]
    return [place, column, ...numbers.map((number) => number.toLocaleString('en-US')), why.join(', ')]
  })
}
