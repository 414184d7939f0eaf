/** What must hold for all inputs of the cryptographic core: inverses, canonical forms, refusals. */
import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SUITES, type SuiteName } from '../../src/crypto/aead.ts'
import { canonicalBytes, canonicalTemplate, canonicalText } from '../../src/crypto/canonical.ts'
import { isCiphertext, keyIdOf, parseCiphertext, toText } from '../../src/crypto/ciphertext.ts'
import { KeywrightError } from '../../src/errors.ts'

const NAMES = Object.keys(SUITES) as SuiteName[]
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const key = () => fc.uint8Array({ minLength: 32, maxLength: 32 }).map((raw) => createSecretKey(raw))
const wellFormed = () => fc.string({ unit: 'binary' })
const name = () => fc.stringMatching(/^[a-z0-9_.-]{1,12}$/)
const context = () => fc.dictionary(name(), wellFormed(), { maxKeys: 8, noNullPrototype: false })

function codeFrom(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof KeywrightError ? error.code : String(error)
  }
  return 'opened'
}

describe.each(NAMES)('%s', (suiteName) => {
  const suite = SUITES[suiteName]

  it('opens what it sealed, bytes and text, through both forms', () => {
    fc.assert(
      fc.property(
        key(),
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.oneof(bytes(300), wellFormed()),
        bytes(60),
        (secret, id, plaintext, aad) => {
          const wire = suite.seal(secret, id, plaintext, aad)
          const expected = Buffer.from(plaintext as string)
          expect(wire.length).toBe(expected.length + suite.overheadBytes)
          expect(keyIdOf(wire)).toBe(id)
          for (const form of [wire, parseCiphertext(toText(wire)), parseCiphertext(new Uint8Array(wire))]) {
            expect(suite.open(secret, form, aad).equals(expected)).toBe(true)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('refuses any change: other bytes, another length, other associated data, another key', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(
        key(),
        key(),
        bytes(100),
        bytes(20),
        bytes(20),
        changes,
        fc.nat(),
        (one, two, text, aad, other, flips, cut) => {
          const wire = suite.seal(one, 7, text, aad)
          const changed = Buffer.from(wire)
          for (const [at, mask] of flips) {
            const place = 5 + (at % (wire.length - 5))
            changed[place] = (changed[place] ?? 0) ^ mask
          }
          if (!changed.equals(wire))
            expect(codeFrom(() => suite.open(one, changed, aad))).toBe('ERR_DECRYPTION_FAILED')
          const shorter = wire.subarray(0, cut % wire.length)
          expect(codeFrom(() => suite.open(one, shorter, aad))).toBe('ERR_DECRYPTION_FAILED')
          expect(codeFrom(() => suite.open(two, wire, aad))).toBe('ERR_DECRYPTION_FAILED')
          if (!Buffer.from(aad).equals(Buffer.from(other))) {
            expect(codeFrom(() => suite.open(one, wire, other))).toBe('ERR_DECRYPTION_FAILED')
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('parsing', () => {
  it('never throws anything but an error of ours, and agrees with isCiphertext', () => {
    const texts = fc.oneof(
      wellFormed(),
      wellFormed().map((text) => `kw1.${text}`),
      fc.stringMatching(/^kw1\.AQ[A-Za-z0-9_-]{0,60}$/),
      fc.base64String({ maxLength: 80 }).map((text) => `kw1.${text}`),
    )
    fc.assert(
      fc.property(fc.oneof(texts, bytes(80)), (value) => {
        const code = codeFrom(() => parseCiphertext(value))
        expect(code === 'opened').toBe(isCiphertext(value))
        if (code !== 'opened')
          expect(code).toMatch(/^ERR_(CIPHERTEXT_EMPTY|CIPHERTEXT_MALFORMED|NOT_CIPHERTEXT)$/)
      }),
      { numRuns: 2000 },
    )
  })

  it('has one text per bytes: whatever is accepted is written back the same', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^AQ[A-Za-z0-9_-]{42,60}$/), (body) => {
        const text = `kw1.${body}`
        if (isCiphertext(text)) expect(toText(parseCiphertext(text))).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the canonical context', () => {
  it('does not depend on the order of members, and JSON.parse gives the map back', () => {
    fc.assert(
      fc.property(context(), (map) => {
        const text = canonicalText(map)
        const reversed = Object.fromEntries(Object.entries(map).reverse())
        expect(canonicalText(reversed)).toBe(text)
        expect(JSON.parse(text)).toEqual(map)
        const names = Object.keys(JSON.parse(text) as object).filter(
          (member) => !/^(0|[1-9][0-9]*)$/.test(member),
        )
        expect(names).toEqual(names.toSorted())
      }),
    )
  })

  it('differs for different maps', () => {
    fc.assert(
      fc.property(context(), context(), (one, other) => {
        const entries = (map: object) => JSON.stringify(Object.entries(map).sort())
        expect(canonicalText(one) === canonicalText(other)).toBe(entries(one) === entries(other))
      }),
      { numRuns: 1000 },
    )
  })

  it('is the same by template', () => {
    fc.assert(
      fc.property(context(), name(), wellFormed(), (map, slot, value) => {
        const whole = canonicalBytes({ ...map, [slot]: value })
        expect(canonicalTemplate(map, slot)(value).equals(whole)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('refuses every string that is not well-formed', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }), (value) => {
        const code = codeFrom(() => canonicalText({ a: value }))
        expect(code).toBe(value.isWellFormed() ? 'opened' : 'ERR_CONTEXT_INVALID')
      }),
      { numRuns: 1000 },
    )
  })
})
