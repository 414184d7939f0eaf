/** Old text becomes the plaintext of its type, or is refused: nothing is rounded, cut or guessed. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODECS, type FieldType } from '../../../../src/data/codecs.ts'
import { typedPlaintext } from '../../../../src/data/foreign/typed.ts'
import { expectCode } from '../../../kit/failures.ts'

const read = (as: FieldType, text: string): unknown =>
  CODECS[as].decode(Buffer.from(typedPlaintext(as, Buffer.from(text))))

describe('what a program prints comes back', () => {
  it('numbers', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(read('number', Object.is(value, -0) ? '-0' : String(value))).toBe(value)
        if (value !== 0) expect(read('number', value.toExponential().toUpperCase())).toBe(value)
      }),
    )
  })

  it('decimals, with zeros at either end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 0, max: 6 }), (digits, places) => {
        const text = (digits / 10 ** places).toFixed(places)
        expect(read('number', `+00${text}${text.includes('.') ? '00' : '.'}`)).toBe(Number(text))
      }),
    )
  })

  it('whole numbers, dates and JSON', () => {
    fc.assert(fc.property(fc.bigInt(), (value) => read('bigint', String(value)) === value))
    const date = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z') })
    fc.assert(
      fc.property(date, (value) => {
        const text = value.toISOString()
        for (const written of [text, text.replace('Z', '+00:00'), text.replace('T', ' ').replace('Z', '+00')])
          expect(read('date', written)).toEqual(value)
      }),
    )
    fc.assert(fc.property(fc.json(), (text) => void expect(read('json', text)).toEqual(JSON.parse(text))))
  })
})

it.each([
  ['number', ['', ' ', '.', '1,5', '0x10', 'NaN', 'Infinity', '1e400', '--1', '1 2', '12345678901234567890']],
  ['bigint', ['', '1.0', '1e3', '0x10', '１２']],
  ['boolean', ['', 'yes', '2', 'truee']],
  ['date', ['', '2024', '2024-5-1', '24-05-01', '2024-05-01T24:30Z', '2024-05-01T10:00', 'now', '20240501']],
  ['json', ['', '{', "{'a': 1}", 'undefined']],
] as const)('%s refuses what is none', async (as, texts) => {
  for (const text of texts) await expectCode(() => typedPlaintext(as, Buffer.from(text)), 'ERR_VALUE_TYPE')
})

it('text that is not UTF-8 is refused, bytes are taken as they are', async () => {
  const bytes = Buffer.from([0xff, 0xfe])
  for (const as of ['string', 'number', 'json'] as const)
    await expectCode(() => typedPlaintext(as, bytes), 'ERR_VALUE_TYPE')
  expect(typedPlaintext('bytes', bytes)).toEqual(bytes)
})
