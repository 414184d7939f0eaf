/** Decrypting values under old keys and encrypting them under the active one: the innermost loop, and nothing else. */
import type { KeyObject } from 'node:crypto'
import { SUITES, type Suite, type SuiteName } from '../../crypto/aead.ts'
import type { Context } from '../../crypto/canonical.ts'
import { keyIdOf, parseCiphertext, toText } from '../../crypto/ciphertext.ts'
import { decryptionFailed, type ErrorCode, KeywrightError } from '../../errors.ts'
import { loopAad } from './row-aad.ts'

export interface BatchKey {
  readonly id: number
  readonly key: KeyObject
  readonly suite: SuiteName
}

/** Values of one column and keyring. */
export interface Batch {
  readonly active: BatchKey
  /** The keys under which the values are. */
  readonly keys: readonly BatchKey[]
  /** What the values are bound to but for their row; JSON of an undeclared type has one more member. */
  readonly context: Context
  /** The AAD of such JSON is tried first: a column has one type, mostly. */
  readonly jsonFirst: boolean
  readonly values: readonly (string | Uint8Array)[]
  /** The ids of their rows, for values that are bound to rows. */
  readonly rows: readonly string[] | undefined
}

export interface BatchResult {
  /** In the order of the values; undefined for one that failed. */
  readonly values: readonly (string | Uint8Array | undefined)[]
  /** Why values failed, by where they stand. */
  readonly failures: readonly (readonly [at: number, code: ErrorCode])[]
  /** Which AAD fitted last. */
  readonly jsonFirst: boolean
  /** Bytes of plaintext that were encrypted. */
  readonly bytes: number
}

/** Re-encrypts the values of one batch. What fails is reported, value by value. */
export function reencryptBatch({ active, keys, context, values, rows, ...batch }: Batch): BatchResult {
  const textAad = loopAad(context)
  const jsonAad = loopAad({ ...context, as: 'json' })
  const { seal }: Suite = SUITES[active.suite]
  const made: (string | Uint8Array | undefined)[] = []
  const failures: [number, ErrorCode][] = []
  let { jsonFirst } = batch
  let bytes = 0
  let last = keys[0]
  const one = (value: string | Uint8Array, row: string | undefined): string | Uint8Array => {
    const wire = parseCiphertext(value)
    const id = keyIdOf(wire)
    if (last?.id !== id) last = keys.find((key) => key.id === id)
    if (last === undefined) throw decryptionFailed()
    const { key, suite } = last
    const { open }: Suite = SUITES[suite]
    let aad = jsonFirst ? jsonAad(row) : textAad(row)
    let plaintext: Buffer
    try {
      plaintext = open(key, wire, aad)
    } catch {
      aad = jsonFirst ? textAad(row) : jsonAad(row)
      plaintext = open(key, wire, aad)
      jsonFirst = !jsonFirst
    }
    bytes += plaintext.length
    const sealed = seal(active.key, active.id, plaintext, aad)
    plaintext.fill(0)
    return typeof value === 'string' ? toText(sealed) : sealed
  }
  for (let at = 0; at < values.length; at++) {
    try {
      made.push(one(values[at] as string | Uint8Array, rows?.[at]))
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
      failures.push([at, error.code])
      made.push(undefined)
    }
  }
  return { values: made, failures, jsonFirst, bytes }
}
