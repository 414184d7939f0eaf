import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FieldEntry, readFields, writeFields } from '../../src/crypto/protobuf.ts'

class Malformed extends Error {}
const malformed = () => new Malformed()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const read = (text: string) => readFields(Buffer.from(text.replaceAll(' ', ''), 'hex'), malformed)

describe('writeFields', () => {
  it.each<[string, FieldEntry[], string]>([
    ['a varint (example of the specification)', [[1, 150]], '089601'],
    ['a string (example of the specification)', [[2, 'testing']], '120774657374696e67'],
    ['an embedded message (example of the specification)', [[3, [[1, 150]]]], '1a03089601'],
    ['bytes', [[3, Uint8Array.of(0, 255)]], '1a0200ff'],
    ['the largest uint32', [[1, 2 ** 32 - 1]], '08ffffffff0f'],
    ['a field number of two bytes', [[16, 1]], '800101'],
    ['text outside ASCII', [[1, 'ä🔑']], '0a06c3a4f09f9491'],
    [
      'repeated fields in order',
      [
        [2, 'b'],
        [1, 1],
        [2, 'a'],
      ],
      '120162080112' + '0161',
    ],
    [
      'no zero, empty text or empty bytes',
      [
        [1, 0],
        [2, ''],
        [3, new Uint8Array(0)],
      ],
      '',
    ],
    ['an empty embedded message', [[2, []]], '1200'],
    [
      'zeros inside a message',
      [
        [
          2,
          [
            [1, 0],
            [2, 5],
          ],
        ],
      ],
      '12021005',
    ],
  ])('writes %s', (_title, fields, expected) => {
    expect(hex(writeFields(fields))).toBe(expected)
  })

  it('leaves no second copy of the bytes in its buffer', () => {
    const message = writeFields([[1, new Uint8Array(20).fill(7)]])
    expect(message.buffer.byteLength).toBe(message.length)
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses %s', (value) => {
    expect(() => writeFields([[1, value]])).toThrow(RangeError)
  })
})

describe('readFields', () => {
  it('gives the defaults of proto3 for absent fields', () => {
    const fields = read('')
    expect([fields.uint32(1), fields.string(1), fields.bytes(1), fields.message(1), fields.all(1)]).toEqual([
      0,
      '',
      undefined,
      undefined,
      [],
    ])
  })

  it('takes the last of several values', () => {
    const fields = read('0801 0802 1201 61 1201 62')
    expect(fields.uint32(1)).toBe(2)
    expect(fields.string(2)).toBe('b')
    expect(fields.bytes(2)).toEqual(Buffer.from('b'))
  })

  it('gives all values of a repeated field, in order', () => {
    expect(read('1201 61 0801 1200 1201 62').all(2).map(hex)).toEqual(['61', '', '62'])
  })

  it('merges an embedded message that came in pieces', () => {
    const message = read('0a04 0801 1002 0a02 0803').message(1)
    expect([message?.uint32(1), message?.uint32(2)]).toEqual([3, 2])
  })

  it('skips unknown fields of every wire type', () => {
    const fields = read('5001 59 0102030405060708 6201 ff 6d 01020304 082a')
    expect(fields.uint32(1)).toBe(42)
  })

  it('treats a field of another wire type as unknown', () => {
    const fields = read('0a01 05 10 07')
    expect(fields.uint32(1)).toBe(0)
    expect(fields.bytes(2)).toBeUndefined()
  })

  it('accepts an explicit zero and a varint that is longer than needed', () => {
    expect(read('0800').uint32(1)).toBe(0)
    expect(read('08 aa80 00').uint32(1)).toBe(42)
    expect(read('50 ffffffffffffffffff01 082a').uint32(1)).toBe(42) // 2^64 - 1 in an unknown field
  })

  it('gives views, not copies', () => {
    const message = Uint8Array.of(0x0a, 1, 9)
    expect(readFields(message, malformed).bytes(1)?.buffer).toBe(message.buffer)
  })

  it.each([
    ['a tag cut short', '80'],
    ['a tag without its value', '08'],
    ['a varint cut short', '0880'],
    ['a varint of eleven bytes', '08 80808080808080808080 01'],
    ['a varint over 64 bits', '08 ffffffffffffffffff 02'],
    ['bytes cut short', '0a05 01020304'],
    ['a length of 2^64 - 1', '0a ffffffffffffffffff01 00'],
    ['a fixed64 cut short', '09 01020304050607'],
    ['a fixed32 cut short', '0d 010203'],
    ['the start of a group', '0b 0c'],
    ['the end of a group', '0c'],
    ['wire type 6', '0e'],
    ['wire type 7', '0f'],
    ['field number 0', '0001'],
    ['a field number over 2^29 - 1', '80808080 1001'],
  ])('refuses %s', (_title, text) => {
    expect(() => read(text)).toThrow(Malformed)
  })

  it('refuses a uint32 over 32 bits and text that is not UTF-8 when they are asked for', () => {
    const fields = read('08 8080808010 1202 c328')
    expect(() => fields.uint32(1)).toThrow(Malformed)
    expect(() => fields.string(2)).toThrow(Malformed)
  })

  it('refuses a malformed embedded message when it is asked for', () => {
    expect(() => read('0a01 08').message(1)).toThrow(Malformed)
  })

  it('refuses messages over 1 MiB or 20 000 fields', () => {
    const large = (size: number) => writeFields([[1, new Uint8Array(size)]])
    expect(readFields(large(1024 * 1024 - 4), malformed).bytes(1)?.length).toBe(1024 * 1024 - 4)
    expect(() => readFields(large(1024 * 1024), malformed)).toThrow(Malformed)
    const many = (count: number) => new Uint8Array(2 * count).fill(8) // field 1 = 8, each
    expect(readFields(many(20_000), malformed).uint32(1)).toBe(8)
    expect(() => readFields(many(20_001), malformed)).toThrow(Malformed)
  })
})

describe('writing and reading', () => {
  const number = fc.integer({ min: 1, max: 2 ** 29 - 1 })

  it('are inverse for one field of every kind', () => {
    const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const text = fc.string({ unit: 'grapheme' }).filter((value) => value.isWellFormed())
    fc.assert(
      fc.property(number, uint32, text, fc.uint8Array({ minLength: 1 }), (field, integer, string, bytes) => {
        expect(readFields(writeFields([[field, integer]]), malformed).uint32(field)).toBe(integer)
        expect(readFields(writeFields([[field, string]]), malformed).string(field)).toBe(string)
        const nested = readFields(writeFields([[field, [[field, bytes]]]]), malformed).message(field)
        expect(nested?.bytes(field)).toEqual(bytes)
      }),
    )
  })

  it('reading any bytes ends, with fields or with the given error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), number, (bytes, field) => {
        try {
          const fields = readFields(bytes, malformed)
          fields.uint32(field)
          fields.string(field)
          fields.message(field)
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed)
        }
      }),
      { numRuns: 500 },
    )
  })
})
