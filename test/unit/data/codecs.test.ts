/** Values become plain bytes and come back as their type; what would be lost or mistaken is refused. */
import { describe, expect, it } from 'vitest'
import { CODECS, codecFor, type FieldType } from '../../../src/data/codecs.ts'
import { expectCode } from '../../kit/failures.ts'

const bytesOf = (encoded: string | Uint8Array): Buffer => Buffer.from(encoded as string)

function roundTrip(as: FieldType, value: unknown): unknown {
  const codec = codecFor(as)
  return codec.decode(bytesOf(codec.encode(value as never)))
}

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic
let deep: unknown = 'x'
for (let level = 0; level < 100_000; level++) deep = [deep]

describe('what is encrypted is plain', () => {
  it.each<[FieldType, unknown, string]>([
    ['string', 'Łódź 🔑', 'Łódź 🔑'],
    ['string', '', ''],
    ['number', 42, '42'],
    ['number', -0, '-0'],
    ['number', 1e21, '1e+21'],
    ['bigint', -(2n ** 70n), '-1180591620717411303424'],
    ['boolean', false, 'false'],
    ['date', new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 7)), '2026-02-03T04:05:06.007Z'],
    ['json', { b: [1, 'x', null], a: true }, '{"b":[1,"x",null],"a":true}'],
  ])('%s %o is %s', (as, value, text) => {
    expect(bytesOf(codecFor(as).encode(value as never)).toString('utf8')).toBe(text)
  })
})

describe('a round trip keeps type and value', () => {
  it.each<[FieldType, unknown]>([
    ['string', '\ufeffwith a byte order mark'],
    ['string', 'a\0b'],
    ['string', 'null'],
    ['string', '\u{10ffff}'],
    ['number', -0],
    ['number', 0],
    ['number', Number.MAX_VALUE],
    ['number', Number.MIN_VALUE],
    ['number', 0.1 + 0.2],
    ['number', Number.MAX_SAFE_INTEGER],
    ['number', -1e-7],
    ['bigint', 0n],
    ['bigint', -1n],
    ['bigint', 2n ** 4096n],
    ['boolean', true],
    ['boolean', false],
    ['date', new Date(0)],
    ['date', new Date(8.64e15)],
    ['date', new Date(-8.64e15)],
    ['date', new Date(-62198755200000)], // year -1: a six-digit year with a sign
    ['json', null],
    ['json', ''],
    ['json', 0],
    ['json', []],
    ['json', {}],
    ['json', { a: { b: [[], [{ c: null }]] } }],
    ['json', JSON.parse('{"__proto__":{"admin":true},"constructor":1,"toString":"x"}')],
    ['json', '🔑'],
    ['json', Object.assign(Object.create(null) as object, { a: 1 })],
  ])('%s %o', (as, value) => {
    const back = roundTrip(as, value)
    expect(back).toEqual(value)
    expect(typeof back).toBe(typeof value)
  })

  it('does not touch any prototype on the way', () => {
    roundTrip('json', JSON.parse('{"__proto__":{"admin":true}}'))
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
  })

  it('gives bytes back as they were, all 256 values', () => {
    const value = Uint8Array.from({ length: 256 }, (_, at) => at)
    expect(Uint8Array.from(roundTrip('bytes', value) as Uint8Array)).toEqual(value)
    expect((roundTrip('bytes', new Uint8Array(0)) as Uint8Array).length).toBe(0)
  })
})

describe('encode refuses', () => {
  it.each<[FieldType, string, unknown]>([
    ['string', 'a number', 1],
    ['string', 'null', null],
    ['string', 'undefined', undefined],
    ['string', 'a String object', Object('x')],
    ['string', 'bytes', new Uint8Array(1)],
    ['string', 'a lone high surrogate', 'a\ud83d'],
    ['string', 'a lone low surrogate', '\udd11'],
    ['number', 'NaN', Number.NaN],
    ['number', 'Infinity', Number.POSITIVE_INFINITY],
    ['number', '-Infinity', Number.NEGATIVE_INFINITY],
    ['number', 'a numeric string', '1'],
    ['number', 'a bigint', 1n],
    ['number', 'a Number object', Object(1)],
    ['bigint', 'a number', 1],
    ['bigint', 'a string', '1'],
    ['boolean', 'a number', 1],
    ['boolean', 'a string', 'true'],
    ['date', 'an invalid Date', new Date(Number.NaN)],
    ['date', 'a string', '2026-01-01'],
    ['date', 'a number', 0],
    ['bytes', 'a string', 'x'],
    ['bytes', 'an ArrayBuffer', new ArrayBuffer(1)],
    ['bytes', 'an array', [1]],
    ['json', 'undefined', undefined],
    ['json', 'a function', () => 1],
    ['json', 'a symbol', Symbol('x')],
    ['json', 'a bigint', 1n],
    ['json', 'NaN', Number.NaN],
    ['json', 'undefined inside', { a: undefined }],
    ['json', 'a hole in an array', new Array(2)],
    ['json', 'NaN inside', [Number.NaN]],
    ['json', 'a bigint inside', { a: [1n] }],
    ['json', 'a function inside', { a: () => 1 }],
    ['json', 'a Date inside', { a: new Date(0) }],
    ['json', 'a Date', new Date(0)],
    ['json', 'bytes inside', { a: Buffer.from('x') }],
    ['json', 'a Map inside', { a: new Map() }],
    ['json', 'a Set inside', [new Set()]],
    ['json', 'a Promise, somebody forgot to await', Promise.resolve('x')],
    ['json', 'a RegExp inside', { a: /x/ }],
    ['json', 'a URL inside', { a: new URL('https://example.org') }],
    [
      'json',
      'an instance of a class',
      new (class {
        a = 1
      })(),
    ],
    ['json', 'a lone surrogate inside', { a: ['\ud800'] }],
    ['json', 'what holds itself', cyclic],
    ['json', 'what is nested too deeply', deep],
  ])('%s: %s', async (as, _, value) => {
    await expectCode(() => codecFor(as).encode(value as never), 'ERR_VALUE_TYPE')
  })

  it('without telling the value or the names of members', async () => {
    const holder: Record<string, unknown> = { hunter2: 1 }
    holder['secretName'] = holder
    const error = await expectCode(() => CODECS.json.encode(holder as never), 'ERR_VALUE_TYPE')
    expect(error.message).not.toMatch(/secretName|hunter2/)
    const text = await expectCode(() => CODECS.number.encode('4111111111111111' as never), 'ERR_VALUE_TYPE')
    expect(text.message).not.toContain('4111')
  })
})

describe('decode refuses what was written as another type', () => {
  it.each<[FieldType, string]>([
    ['number', 'x'],
    ['number', '"1"'],
    ['number', ''],
    ['number', 'true'],
    ['number', '1n'],
    ['number', 'NaN'],
    ['bigint', '1.5'],
    ['bigint', '-0'],
    ['bigint', '007'],
    ['bigint', '0x10'],
    ['bigint', ''],
    ['bigint', ' 1'],
    ['boolean', '1'],
    ['boolean', 'True'],
    ['boolean', ''],
    ['date', '2026-01-01'],
    ['date', '2026-01-01T00:00:00Z'],
    ['date', '2026-01-01T00:00:00.000+00:00'],
    ['date', '2026-02-30T00:00:00.000Z'],
    ['date', ''],
    ['json', ''],
    ['json', '{'],
    ['json', "{'a':1}"],
  ])('%s %j', async (as, text) => {
    const error = await expectCode(() => codecFor(as).decode(Buffer.from(text)), 'ERR_VALUE_TYPE')
    if (text.length > 3) expect(error.message).not.toContain(text)
  })

  it.each<FieldType>(['string', 'number', 'bigint', 'boolean', 'date', 'json'])(
    '%s: bytes that are no UTF-8',
    async (as) => {
      for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0x31, 0xff]]) {
        await expectCode(() => codecFor(as).decode(Buffer.from(bytes)), 'ERR_VALUE_TYPE')
      }
    },
  )
})

it.each(['text', '', 'String', 'constructor', '__proto__', 'toString'])('"%s" is no type', async (as) => {
  await expectCode(() => codecFor(as as FieldType), 'ERR_ARGUMENT_INVALID')
})
