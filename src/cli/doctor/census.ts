/** What the last census found: ciphertexts under keys of nobody are data that nobody can read. */
import type { Keywright } from '../../keywright.ts'
import type { Call } from '../call.ts'
import { count, instant, relative } from '../text.ts'
import { type Finding, failed, findingOf, ok, warning } from './finding.ts'

/** After this time a census says little of what is stored now. */
const OLD_MS = 90 * 86_400_000

/** Nothing where no place is declared. */
export async function checkCensus({ io }: Call, { jobs, keys }: Keywright): Promise<Finding[]> {
  if (jobs.places.length === 0) return []
  try {
    const census = await jobs.lastCensus()
    if (census === undefined) {
      return [warning('census', 'none was taken', 'keywright census: it shows what is under each key')]
    }
    const known = new Map((await keys.list()).map(({ id, state }) => [id, state]))
    const full = [...census.keys].filter(([, { count: found }]) => found > 0)
    const orphans = full.filter(([id]) => !known.has(id))
    const lost = full.filter(([id]) => known.get(id) === 'destroyed')
    const when = instant(census.startedAt, io.now())
    const findings = [
      ...faults(
        orphans,
        'no record knows',
        'they come from another key store, or were damaged: keywright census --report',
      ),
      ...faults(lost, 'were destroyed', 'restore the key store from a backup, or accept that they are lost'),
    ]
    if (!census.complete) {
      findings.push(warning('census', `the one of ${when} did not read every source`, 'keywright census'))
    } else if (io.now() - census.startedAt > OLD_MS) {
      findings.push(
        warning(
          'census',
          `the last one was taken ${relative(census.startedAt, io.now())}`,
          'keywright census',
        ),
      )
    }
    return findings.length > 0 ? findings : [ok('census', `${when}: every ciphertext is under a known key`)]
  } catch (error) {
    return [findingOf('census', error)]
  }
}

function faults(
  keys: readonly (readonly [number, { readonly count: number }])[],
  what: string,
  hint: string,
): Finding[] {
  if (keys.length === 0) return []
  const total = keys.reduce((sum, [, one]) => sum + one.count, 0)
  const found = `${count(total, 'ciphertext')} under ${count(keys.length, 'key')} that ${what}`
  return [failed('census', found, hint, 'ERR_KEY_UNKNOWN')]
}
