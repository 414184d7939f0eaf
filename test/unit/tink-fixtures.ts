/**
 * What the tests of Tink keysets share: a known key, Tink's files, the shape of every refusal, any keyset.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { TinkAlgorithm, TinkKey, TinkKeyset } from '../../src/crypto/tink-keyset.ts'
import { KeywrightError } from '../../src/errors.ts'

export const TYPE_URL = 'type.googleapis.com/google.crypto.tink.'
export const KEY_HEX = '56c947c68189374534618ff2c85334ae7485a5ca309fb423b2a53af48c23522e'
export const KEY_BASE64 = Buffer.from(KEY_HEX, 'hex').toString('base64')

export const unhex = (text: string) => Buffer.from(text, 'hex')
export const key = (id: number, more: Partial<TinkKey> = {}): TinkKey => ({
  id,
  status: 'ENABLED',
  prefix: 'TINK',
  algorithm: 'AES-256-GCM',
  key: new Uint8Array(unhex(KEY_HEX)),
  ...more,
})
export const keyset = (...keys: TinkKey[]): TinkKeyset => ({ primaryKeyId: keys[0]?.id ?? 0, keys })

export function readText(path: string): string {
  return readFileSync(new URL(`../vectors/tink/${path}`, import.meta.url), 'utf8')
}

export function readVectors<T>(path: string): T[] {
  return (JSON.parse(readText(path)) as { vectors: T[] }).vectors
}

/** The error, which must be ours, say what to do and hold no key material in any spelling. */
export function refusal(run: () => unknown): KeywrightError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(KeywrightError)
    const refused = error as KeywrightError
    expect(refused.code).toBe('ERR_KEYSET_INVALID')
    expect(refused.hint).toBeTruthy()
    expect(refused.cause).toBeUndefined()
    const shown = JSON.stringify(refused) + refused.stack
    for (const secret of [KEY_HEX.slice(0, 12), KEY_BASE64.slice(0, 8), 'GiBWyUfG']) {
      expect(shown).not.toContain(secret)
    }
    return refused
  }
  throw new Error('expected a refusal')
}

const arbitraryKey: fc.Arbitrary<Omit<TinkKey, 'id'>> = fc
  .constantFrom<[TinkAlgorithm, TinkKey['prefix'][]]>(
    ['AES-256-GCM', ['TINK', 'RAW', 'CRUNCHY', 'LEGACY']],
    ['X-AES-256-GCM', ['TINK', 'RAW']],
    ['HMAC-SHA-256', ['RAW']],
  )
  .chain(([algorithm, prefixes]) =>
    fc.record({
      status: fc.constantFrom('ENABLED', 'DISABLED', 'DESTROYED'),
      prefix: fc.constantFrom(...prefixes),
      algorithm: fc.constant(algorithm),
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    }),
  )

export const arbitraryKeyset: fc.Arbitrary<TinkKeyset> = fc
  .uniqueArray(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 5 })
  .chain((ids) =>
    fc
      .tuple(fc.nat({ max: ids.length - 1 }), fc.tuple(...ids.map(() => arbitraryKey)))
      .map(([primary, keys]) => ({
        primaryKeyId: ids[primary] ?? 0,
        keys: keys.map((one, i) => ({
          ...one,
          id: ids[i] ?? 0,
          status: i === primary ? 'ENABLED' : one.status,
        })),
      })),
  )
