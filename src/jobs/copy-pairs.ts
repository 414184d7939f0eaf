/** Two stores side by side, and what tells a copy from its original. */
import { isDeepStrictEqual } from 'node:util'
import { eachRecord } from '../keys/services.ts'
import type { KeyRecord, KeyStore } from '../store.ts'

/** The records of both stores in the same place; at least one of them. */
export interface Pair {
  readonly source: KeyRecord | undefined
  readonly target: KeyRecord | undefined
}

/** What a copy of `source` would need: nothing, its usage, a newer revision, everything, or it is another key's. */
export type Difference = 'none' | 'usage' | 'behind' | 'missing' | 'conflict'

/** An update counts the revision up by one, so a copy that is further behind than any real key is none. */
const LARGEST_GAP = 10_000

/** Every place where either store has a record, in the order of listings (keyring by its UTF-8 bytes, then version). */
export async function* pairs(from: KeyStore, to: KeyStore): AsyncGenerator<Pair> {
  const [sources, targets] = [eachRecord(from), eachRecord(to)]
  try {
    let [source, target] = [await nextOf(sources), await nextOf(targets)]
    while (source !== undefined || target !== undefined) {
      const order = compare(source, target)
      yield { source: order <= 0 ? source : undefined, target: order >= 0 ? target : undefined }
      if (order <= 0) source = await nextOf(sources)
      if (order >= 0) target = await nextOf(targets)
    }
  } finally {
    await sources.return(undefined)
    await targets.return(undefined)
  }
}

async function nextOf(records: AsyncGenerator<KeyRecord>): Promise<KeyRecord | undefined> {
  const { done, value } = await records.next()
  return done === true ? undefined : (value as KeyRecord)
}

/** What is not there comes last. */
function compare(a: KeyRecord | undefined, b: KeyRecord | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return Buffer.compare(Buffer.from(a.keyring), Buffer.from(b.keyring)) || a.version - b.version
}

/**
 * How `target` differs from `source`. A copy only ever lags behind: one that is ahead, or whose key was put out of use
 * while that of the source was not, has been changed by somebody else.
 */
export function differenceOf({ source, target }: Pair): Difference {
  if (source === undefined) return 'conflict'
  if (target === undefined) return 'missing'
  if (!isDeepStrictEqual(identityOf(source), identityOf(target))) return 'conflict'
  if (target.revision > source.revision) return 'conflict'
  if (target.revision < source.revision) return mayFollow(source, target) ? 'behind' : 'conflict'
  if (!isDeepStrictEqual(contentOf(source), contentOf(target))) return 'conflict'
  const { messages, bytes } = missingUsage(source, target)
  return messages + bytes > 0 ? 'usage' : 'none'
}

/** What the copy has to add. It is never lowered: a limit that is reached too early is safe, one too late is not. */
export function missingUsage(source: KeyRecord, target: KeyRecord): { messages: number; bytes: number } {
  return {
    messages: Math.max(0, source.usage.messages - target.usage.messages),
    bytes: Math.max(0, source.usage.bytes - target.usage.bytes),
  }
}

function mayFollow(source: KeyRecord, target: KeyRecord): boolean {
  if (source.revision - target.revision > LARGEST_GAP || target.statusAt > source.statusAt) return false
  const isFinal = target.status === 'destroyed' || target.status === 'compromised'
  return !isFinal || source.status === 'destroyed' || source.status === target.status
}

/** Members that never change. Byte arrays of different classes are not deep-equal, so they become text. */
function identityOf(record: KeyRecord) {
  const { id, keyring, version, algorithm, createdAt } = record
  return {
    id,
    keyring,
    version,
    algorithm,
    createdAt,
    commitment: hex(record.commitment),
    mac: hex(record.mac),
  }
}

function contentOf({ activatesAt, status, statusAt, statusReason, wraps }: KeyRecord) {
  const texts = wraps.map((wrap) => [
    wrap.provider,
    wrap.masterKeyId,
    wrap.masterKeyVersion,
    wrap.algorithm,
    hex(wrap.ciphertext),
  ])
  return { activatesAt, status, statusAt, statusReason, wraps: texts }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
