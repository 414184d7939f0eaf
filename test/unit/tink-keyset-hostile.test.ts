import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEncryptedKeyset, decodeEncryptedKeysetJson } from '../../src/crypto/tink-encrypted-keyset.ts'
import { decodeKeyset, encodeKeyset } from '../../src/crypto/tink-keyset.ts'
import { decodeKeysetJson, encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import { key, keyset, refusal } from './tink-fixtures.ts'

describe('hostile input', () => {
  const whole = keyset(key(1), key(2, { algorithm: 'X-AES-256-GCM' }), key(3, { status: 'DISABLED' }))
  const outcome = (run: () => unknown) => {
    try {
      run()
    } catch (error) {
      expect(error).toMatchObject({ name: 'KeywrightError', code: 'ERR_KEYSET_INVALID' })
    }
  }

  it('cut short at any byte is refused, or is a keyset of fewer keys', () => {
    const bytes = encodeKeyset(whole)
    for (let length = 0; length < bytes.length; length++) {
      outcome(() => expect(decodeKeyset(bytes.subarray(0, length)).keys.length).toBeLessThan(3))
    }
    const text = encodeKeysetJson(whole)
    for (let length = 0; length < text.length; length++)
      refusal(() => decodeKeysetJson(text.slice(0, length)))
  })

  it('changed anywhere is refused or is a valid keyset', () => {
    const bytes = encodeKeyset(whole)
    const text = Buffer.from(encodeKeysetJson(whole))
    const mutated = (source: Uint8Array, changes: [number, number][]) => {
      const copy = Uint8Array.from(source)
      for (const [at, value] of changes) copy[at % copy.length] = value
      return copy
    }
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(changes, (list) => {
        outcome(() => encodeKeyset(decodeKeyset(mutated(bytes, list))))
        outcome(() => encodeKeysetJson(decodeKeysetJson(Buffer.from(mutated(text, list)).toString('utf8'))))
        outcome(() => decodeEncryptedKeyset(mutated(bytes, list)))
      }),
      { numRuns: 1000 },
    )
  })

  it('of any kind is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.json(), fc.string(), (bytes, json, text) => {
        refusal(() => decodeKeyset(bytes))
        refusal(() => decodeKeysetJson(json))
        refusal(() => decodeKeysetJson(text))
        outcome(() => decodeEncryptedKeyset(bytes))
        refusal(() => decodeEncryptedKeysetJson(json))
      }),
    )
  })

  it('nested a hundred thousand deep is refused', () => {
    refusal(() => decodeKeysetJson('['.repeat(100_000) + ']'.repeat(100_000)))
    refusal(() => decodeKeysetJson(`{"key":${'['.repeat(100_000)}${']'.repeat(100_000)}}`))
  })
})
