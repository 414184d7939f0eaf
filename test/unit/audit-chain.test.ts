import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CHAIN_START,
  canonicalJson,
  chainRecord,
  encodeRecord,
  hashRecord,
  MAX_LINE_BYTES,
  parseRecord,
} from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/event.ts'

const parse = (text: string) => parseRecord(Buffer.from(text))

/** The first record of a log, as it is written for ever. A change of the format needs another `v`. */
const LINE =
  '{"actor":"cli","details":{"count":3,"ratio":0.5},"event":"key.create","hash":"HASH","keyId":7,' +
  '"keyVersion":1,"keyring":"pii","prev":"0000000000000000000000000000000000000000000000000000000000000000",' +
  '"reason":"first\\nkey","seq":1,"time":"2026-01-01T00:00:00.000Z","v":1}'
const EVENT: AuditEvent = {
  event: 'key.create',
  keyring: 'pii',
  keyId: 7,
  keyVersion: 1,
  actor: 'cli',
  reason: 'first\nkey',
  details: { ratio: 0.5, count: 3 },
}

describe('the bytes of a record', () => {
  const record = chainRecord(EVENT, CHAIN_START, Date.UTC(2026, 0, 1))

  it('are these, member by member', () => {
    expect(encodeRecord(record)).toBe(LINE.replace('HASH', record.hash))
  })

  it('are hashed without the hash', () => {
    expect(record.hash).toBe('25fda19d41b72abef987de007f580ecee6477100c6128cc9cd03a10d2d5af6a2')
    const text = encodeRecord(record).replace(`"hash":"${record.hash}",`, '')
    expect(record.hash).toBe(createHash('sha256').update(text, 'utf8').digest('hex'))
    expect(hashRecord(record)).toBe(record.hash)
  })

  it('are read back', () => {
    expect(parse(encodeRecord(record))).toEqual({ record })
  })
})

describe('canonicalJson', () => {
  it('sorts by UTF-16 code units', () => {
    expect(canonicalJson({ '\ufb33': 1, '😀': 2, a: 3, A: 4 })).toBe('{"A":4,"a":3,"😀":2,"\ufb33":1}')
  })

  it.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    undefined,
    [1],
    Symbol.iterator,
    '\ud800',
    { a: { b: { c: 1 } } },
  ])('refuses %s', (value) => {
    expect(() => canonicalJson({ value })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }))
  })

  it('is the same for every order of members, and JSON', () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    )
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.string(), value), { selector: ([name]) => name }), (entries) => {
        const text = canonicalJson(Object.fromEntries(entries))
        expect(canonicalJson(Object.fromEntries(entries.toReversed()))).toBe(text)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
      }),
    )
  })
})

describe('parseRecord', () => {
  const line = encodeRecord(chainRecord(EVENT, CHAIN_START, 0))

  it.each<[string, string, string]>([
    ['nothing', '', 'is not a record'],
    ['no JSON', '{', 'is not a record'],
    ['other JSON', '[]', 'is not a record'],
    ['null', 'null', 'is not a record'],
    ['another version', line.replace('"v":1', '"v":2'), 'is not a record'],
    ['seq 0', line.replace('"seq":1', '"seq":0'), 'is not a record'],
    [
      'an upper-case hash',
      line.replace(/"hash":"[^"]*"/, (found) => `"hash":"${found.slice(8).toUpperCase()}`),
      'is not a record',
    ],
    ['a space', line.replace(':', ': '), 'is not in canonical form'],
    ['a CR', `${line}\r`, 'is not in canonical form'],
    ['a repeated member', line.replace('{', '{"actor":"x",'), 'is not in canonical form'],
    ['another spelling of a number', line.replace('"count":3', '"count":3.0'), 'is not in canonical form'],
    ['another value', line.replace('"count":3', '"count":4'), 'has a hash that does not fit its content'],
    ['an extra member', line.replace('"v":1', '"v":1,"w":1'), 'has a hash that does not fit its content'],
    ['a byte order mark', `\ufeff${line}`, 'is not a record'],
    ['deep nesting', '['.repeat(60_000), 'is not a record'],
    [
      'deep objects',
      line.replace('"count":3', `"count":${'{"a":'.repeat(8000)}1${'}'.repeat(8000)}`),
      'is not a record',
    ],
    ['too many bytes', 'x'.repeat(MAX_LINE_BYTES + 1), 'is too long for a record'],
  ])('finds %s', (_, text, fault) => {
    expect(parse(text).fault).toBe(fault)
  })

  it('finds bytes that are not UTF-8', () => {
    const bytes = Buffer.from(line)
    bytes[20] = 0xff
    expect(parseRecord(bytes)).toEqual({ fault: 'is not UTF-8' })
  })
})

it('encodeRecord refuses a line that readers would not take', () => {
  const details = Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`n${n}`, 'x'.repeat(1000)]))
  const record = chainRecord({ event: 'key.create', details }, CHAIN_START, 0)
  expect(() => encodeRecord(record)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }))
})
