/** Bringing one record of a copy up to its original, each step a compare-and-set. */
import { KeywrightError } from '../errors.ts'
import type { KeyRecord, KeyStore } from '../store.ts'
import { type Difference, differenceOf, missingUsage, type Pair } from './copy-pairs.ts'

/** Both stores may be changed meanwhile; after so many tries somebody is in the way for good. */
const MOST_TRIES = 20

/**
 * Makes the copy like its original as it was read, and resolves to what was wrong. What changes meanwhile is left to
 * the next pass. Throws ERR_STORE_CONFLICT for a record that is no copy.
 */
export async function mend(from: KeyStore, to: KeyStore, pair: Pair): Promise<Difference> {
  const id = (pair.source ?? pair.target)?.id ?? 0
  let current = pair
  for (let time = 0; time < MOST_TRIES; time++) {
    const difference = differenceOf(current)
    if (difference === 'none') return 'none'
    if (difference === 'conflict' && time > 0) break // it is one still, now that both were read again
    if (await step(to, difference, current)) return difference
    current = { source: await from.get(id), target: await to.get(id) }
  }
  throw changedByOthers(current.source ?? current.target)
}

/** False when the target turned out to be another one than was read. */
async function step(to: KeyStore, difference: Difference, { source, target }: Pair): Promise<boolean> {
  if (difference === 'conflict' || source === undefined) return false
  if (target === undefined) return (await to.insert(source)) === 'inserted'
  for (let revision = target.revision + 1; revision <= source.revision; revision++) {
    if (!(await to.update({ ...source, revision }))) return false
  }
  const add = missingUsage(source, target)
  if (add.messages + add.bytes > 0) await to.addUsage(source.id, add, Number.POSITIVE_INFINITY)
  return true
}

function changedByOthers(record: KeyRecord | undefined): KeywrightError {
  const which = record === undefined ? 'a key' : `${record.keyring} v${record.version} (key ${record.id})`
  return new KeywrightError('ERR_STORE_CONFLICT', `${which} is changed in the target by somebody else`, {
    hint: 'stop what uses the target, and decide which store is the right one; the source is as it was',
    details: record === undefined ? {} : { keyId: record.id, keyring: record.keyring },
  })
}
