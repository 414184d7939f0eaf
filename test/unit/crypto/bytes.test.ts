/** Bytes at the door, canonical base64 and base64url, comparison and wiping. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { assertBytes, equalBytes, fromBase64, fromBase64url, wipe } from '../../../src/crypto/bytes.ts'
import { KeywrightError } from '../../../src/errors.ts'

describe('assertBytes', () => {
  it.each([
    [new Uint8Array(4), undefined],
    [Buffer.alloc(0), 0],
    [new Uint8Array(32), 32],
  ])('takes bytes of the right length', (value, length) => {
    expect(() => assertBytes(value, 'key', length)).not.toThrow()
  })

  it.each<[string, unknown, number | undefined]>([
    ['a string', 'secret', undefined],
    ['null', null, undefined],
    ['an array', [1, 2], 2],
    ['an ArrayBuffer', new ArrayBuffer(2), 2],
    ['a Float64Array', new Float64Array(2), 2],
    ['too short', new Uint8Array(31), 32],
    ['too long', new Uint8Array(33), 32],
  ])('refuses %s, naming the argument and not the content', (_, value, length) => {
    const run = () => assertBytes(value, 'dataKey', length)
    expect(run).toThrow(KeywrightError)
    expect(run).toThrow(/"dataKey" expected/)
    expect(run).not.toThrow(/secret/)
  })
})

describe('fromBase64url', () => {
  it('is the reverse of the one spelling', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = randomBytes(length)
      expect(fromBase64url(bytes.toString('base64url'))).toEqual(bytes)
    }
  })

  it.each([
    'A',
    'AAAAA',
    'AB',
    'AAB',
    'AA==',
    'AA=',
    'A+AA',
    'A/AA',
    ' AAAA',
    'AAAA\n',
    'AŁAA',
    'A\u{10041}A',
    '=',
  ])('refuses %j', (text) => {
    expect(fromBase64url(text)).toBeUndefined()
  })
})

describe('fromBase64', () => {
  it('is the reverse of the one spelling', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = randomBytes(length)
      expect(fromBase64(bytes.toString('base64'))).toEqual(bytes)
    }
  })

  it.each(['AA', 'AA=', 'AB==', 'AAB=', 'A-AA', 'A_AA', 'AAAA ', 'AAAA\n', 'AŁAA', '=', 'AA==AAAA'])(
    'refuses %j',
    (text) => {
      expect(fromBase64(text)).toBeUndefined()
    },
  )
})

describe('equalBytes', () => {
  it('compares content and length', () => {
    const bytes = randomBytes(32)
    expect(equalBytes(bytes, Uint8Array.from(bytes))).toBe(true)
    expect(equalBytes(bytes, bytes.subarray(0, 31))).toBe(false)
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true)
    for (let at = 0; at < 32; at++) {
      const other = Uint8Array.from(bytes)
      other[at] = (other[at] ?? 0) ^ 1
      expect(equalBytes(bytes, other)).toBe(false)
    }
  })
})

describe('wipe', () => {
  it('fills with zeros and passes over what is not there', () => {
    const bytes = randomBytes(32)
    wipe(bytes, undefined)
    expect(bytes.equals(Buffer.alloc(32))).toBe(true)
  })
})
