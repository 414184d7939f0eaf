/** `index report`: what columns of search tokens give away. */
import type { IndexReport } from '../../jobs/search/index-report.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { Progress } from '../progress.ts'
import { parseCount } from '../values.ts'

const COLUMNS = [
  { title: 'source' },
  { title: 'tokens in' },
  { title: 'of' },
  { title: 'index key' },
  { title: 'tokens', align: 'right' },
  { title: 'different', align: 'right' },
  { title: 'most frequent', align: 'right' },
  { title: 'rarest', align: 'right' },
  { title: 'in one row', align: 'right' },
  { title: 'entropy', align: 'right' },
] as const

export async function reportIndex(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const place = options.text('source')
  const batch = parseCount('batch', options.text('batch'))
  const progress = new Progress(output, 'rows')
  const work = withKeywright(call, async ({ jobs }) => {
    const reports = await jobs.reportIndexes({
      ...(place === undefined ? {} : { place }),
      ...(batch === undefined ? {} : { batch }),
      signal: io.signal,
      onProgress: (rows) => void progress.tick(rows),
    })
    await progress.end()
    await output.result(reports, output.table(COLUMNS, reports.flatMap(rowsOf)) + sentences(reports))
  })
  await call.orderly(work)
}

function rowsOf({ column, keys, of, place }: IndexReport): string[][] {
  return keys.map(({ distinct, entropyBits, keyId, largest, once, rarest, tokens }) => [
    place,
    column,
    of,
    String(keyId),
    ...[tokens, distinct, largest, rarest, once].map((number) => number.toLocaleString('en-US')),
    `${entropyBits.toFixed(1)} bits`,
  ])
}

const sentences = (reports: readonly IndexReport[]): string =>
  reports
    .flatMap(({ column, findings, place }) => findings.map((finding) => `${place}.${column}: ${finding}\n`))
    .join('')
