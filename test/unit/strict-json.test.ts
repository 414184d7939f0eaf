import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStrictJson } from '../../src/crypto/strict-json.ts'

class Malformed extends Error {}
const parse = (text: string) => parseStrictJson(text, () => new Malformed())

describe('parseStrictJson', () => {
  it.each([
    ['{"a":"\\"b\\":1","b":[{"a":1},{"a":1}],"c":{"a":":"}}'],
    ['{"a\\\\":1,"a":"}{","\\"a":2}'],
    ['{"":{"":[]}}'],
    ['"a:b"'],
    [`${'['.repeat(64)}${']'.repeat(64)}`],
  ])('takes %s as JSON.parse does', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text))
  })

  it('takes what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value)
        expect(parse(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  it.each([
    ['{"a":1,"a":1}'],
    ['{"a":1,"b":{},"\\u0061":1}'],
    ['[{"x":{"a":"a","b":[{"a":1}],"a":2}}]'],
    ['{"__proto__":1,"__proto__":2}'],
    [`${'['.repeat(65)}${']'.repeat(65)}`],
    ['{"a":1,}'],
    ["{'a':1}"],
    [''],
    ['1 2'],
  ])('refuses %s', (text) => {
    expect(() => parse(text)).toThrow(Malformed)
  })

  it('passes on nothing of what it read', () => {
    try {
      parse('{"secret":hunter2}')
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(Malformed)
      expect((error as Error).cause).toBeUndefined()
    }
  })
})
