/** `census`: what is under each key, and what is no ciphertext. */
import { KeywrightError } from '../../errors.ts'
import type { CensusReport } from '../../jobs/values/census.ts'
import type { Call } from '../call.ts'
import { reportFile } from '../job-call.ts'
import { STATE_STYLES } from '../key-view.ts'
import { withKeywright } from '../opened.ts'
import { relative } from '../text.ts'
import { ValueProgressLine } from '../value-progress.ts'
import { parseCount } from '../values.ts'

export async function census(call: Call): Promise<number> {
  const { io, options, output } = call
  const file = await reportFile(call)
  const progress = new ValueProgressLine(output)
  const startedAt = performance.now()
  const places = options.list('source')
  const given = {
    ...(places.length === 0 ? {} : { places }),
    batch: parseCount('batch', options.text('batch')),
    rate: parseCount('rate', options.text('rate')),
    reason: options.text('reason'),
  }
  const asked = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const work = withKeywright(call, async ({ jobs }) => {
    const report = await jobs.census({
      ...asked,
      signal: io.signal,
      onProgress: ({ place, done, total }) => {
        const rate = (done / Math.max(performance.now() - startedAt, 1)) * 1000
        progress.show({ place, step: 'census', done, rate, ...(total === undefined ? {} : { total }) })
      },
    })
    await progress.end()
    await file.write(report)
    await output.result(report, reportText(call, report))
    for (const warning of report.warnings) await output.warn(warning)
    return outcomeOf(report)
  })
  return call.orderly(work)
}

function outcomeOf({ outcome, orphans }: CensusReport): number {
  if (outcome === 'incomplete') {
    throw new KeywrightError('ERR_JOB_INCOMPLETE', 'not every source could be read', {
      hint: '`keywright doctor` looks at each of them; then take the census again',
    })
  }
  if (orphans === 0) return 0
  throw new KeywrightError('ERR_KEY_UNKNOWN', `ciphertexts under keys that no record knows: ${orphans}`, {
    hint: 'they come from another key store, or their first characters were changed; --report names rows',
    details: { orphans },
  })
}

const KEYS = [
  { title: 'keyring' },
  { title: 'version', align: 'right' },
  { title: 'id', align: 'right' },
  { title: 'state' },
  { title: 'values', align: 'right' },
  { title: 'tokens', align: 'right' },
  { title: 'found empty' },
] as const
const COLUMNS = [
  { title: 'source' },
  { title: 'column' },
  { title: 'rows', align: 'right' },
  { title: 'ciphertexts', align: 'right' },
  { title: 'null', align: 'right' },
  { title: 'no ciphertext', align: 'right' },
  { title: 'damaged', align: 'right' },
  { title: 'orphans', align: 'right' },
] as const

const number = (value: number): string => value.toLocaleString('en-US')

function reportText({ io, output }: Call, { keys, places }: CensusReport): string {
  const keyRows = keys.map(({ keyId, keyring, version, state, values, tokens, emptySince }) => [
    keyring,
    String(version),
    String(keyId),
    { text: state, style: STATE_STYLES[state] },
    number(values),
    number(tokens),
    emptySince === undefined ? '-' : `since ${relative(Date.parse(emptySince), io.now())}`,
  ])
  const columnRows = places.flatMap(({ place, rows, columns, failure }) => {
    if (failure !== undefined) return [[place, failure, ...new Array<string>(COLUMNS.length - 2).fill('?')]]
    return columns.map(({ column, keys: found, empty, plain, foreign, malformed, orphans }) => {
      const ciphertexts = Object.values(found).reduce((sum, one) => sum + one, 0)
      return [place, column, ...[rows, ciphertexts, empty, plain + foreign, malformed, orphans].map(number)]
    })
  })
  return `${output.table(COLUMNS, columnRows)}\n${output.table(KEYS, keyRows)}`
}
