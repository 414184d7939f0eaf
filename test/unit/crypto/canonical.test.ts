/** The canonical form of a context: one text per map, no two maps with one text. */
import { describe, expect, it } from 'vitest'
import {
  type Context,
  canonicalBytes,
  canonicalTemplate,
  canonicalText,
} from '../../../src/crypto/canonical.ts'
import { expectCode } from '../../kit/failures.ts'

describe('canonicalText', () => {
  it('orders members by name, whatever order they were given in', () => {
    const one = canonicalText({ table: 'users', column: 'ssn', row: '42', keyring: 'pii' })
    const other = canonicalText({ keyring: 'pii', row: '42', column: 'ssn', table: 'users' })
    expect(one).toBe('{"column":"ssn","keyring":"pii","row":"42","table":"users"}')
    expect(other).toBe(one)
  })

  it('orders names that are integers as text, not as numbers', () => {
    expect(canonicalText({ '10': 'a', '9': 'b', '-': 'c', a: 'd' })).toBe(
      '{"-":"c","10":"a","9":"b","a":"d"}',
    )
  })

  it('writes strings as RFC 8785 does', () => {
    expect(canonicalText({ v: '"\\/\b\f\n\r\t\u0000\u001f\u007fé\u2028\u{1f511}' })).toBe(
      '{"v":"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u007fé\u2028\u{1f511}"}',
    )
  })

  it('tells maps apart that run together when they are just joined', () => {
    const maps: Context[] = [
      {},
      { a: '' },
      { a: 'b', c: 'd' },
      { a: 'b","c":"d' },
      { 'a.b': 'c' },
      { a: 'b.c' },
      { 'a-b': 'c' },
      { a_b: 'c' },
      { a: 'é' },
      { a: 'e\u0301' }, // not normalised: other code points are another value
      { a: 'A' },
    ]
    expect(new Set(maps.map(canonicalText)).size).toBe(maps.length)
  })

  it('keeps astral characters as one, in UTF-8', () => {
    expect(canonicalBytes({ v: '\u{1f511}' })).toEqual(Buffer.from('{"v":"🔑"}', 'utf8'))
  })

  it('takes __proto__ as a name like any other when it is an own member', () => {
    const context = JSON.parse('{"__proto__":"x","a":"y"}') as Context
    expect(canonicalText(context)).toBe('{"__proto__":"x","a":"y"}')
    expect(canonicalText({ a: 'y' })).not.toBe(canonicalText(context))
  })

  it('takes a map without a prototype', () => {
    const context = Object.assign(Object.create(null) as Record<string, string>, { a: 'b' })
    expect(canonicalText(context)).toBe('{"a":"b"}')
  })

  it.each<[string, unknown]>([
    ['a number', { row: 42 }],
    ['NaN', { row: Number.NaN }],
    ['a bigint', { row: 42n }],
    ['a boolean', { row: true }],
    ['null', { row: null }],
    ['undefined', { row: undefined }],
    ['a nested object', { row: { id: '1' } }],
    ['an array', { row: ['1'] }],
    ['a Date', { row: new Date(0) }],
    ['a String object', { row: Object('42') }],
    ['an object with toString', { row: { toString: () => '42' } }],
    ['a symbol', { row: Symbol('42') }],
    ['a lone high surrogate', { row: 'a\ud83d' }],
    ['a lone low surrogate', { row: '\udd11a' }],
    ['swapped surrogates', { row: '\udd11\ud83d' }],
  ])('refuses %s as a value', async (_, context) => {
    await expectCode(() => canonicalText(context as Context), 'ERR_CONTEXT_INVALID')
  })

  it.each<[string, unknown]>([
    ['a Map', new Map([['a', 'b']])],
    [
      'a class instance',
      new (class {
        a = 'b'
      })(),
    ],
    ['an array', ['a']],
    ['null', null],
    ['undefined', undefined],
    ['a string', 'a=b'],
    ['a number', 1],
    ['a function', () => ({ a: 'b' })],
    ['a Date', new Date(0)],
    ['an object that inherits its members', Object.create({ a: 'b' })],
    ['URLSearchParams', new URLSearchParams('a=b')],
  ])('refuses %s as a context', async (_, context) => {
    await expectCode(() => canonicalText(context as Context), 'ERR_CONTEXT_INVALID')
  })

  it.each(['', 'A', 'rowId', 'a b', 'a\n', 'ä', 'a'.repeat(65), 'a"', '\ud800', 'a/b', 'a:b'])(
    'refuses the name %j',
    async (name) => {
      await expectCode(() => canonicalText({ [name]: 'x' }), 'ERR_CONTEXT_INVALID')
      await expectCode(() => canonicalTemplate({}, name), 'ERR_CONTEXT_INVALID')
    },
  )

  it('does not repeat a value in its errors', async () => {
    const context = { row: { secret: 'hunter2' } } as unknown as Context
    const error = await expectCode(() => canonicalText(context), 'ERR_CONTEXT_INVALID')
    expect(error.message).toContain('row')
  })
})

describe('canonicalTemplate', () => {
  it.each(['a', 'row', 'z', 'keyring-', '0'])('writes what canonicalBytes writes, slot "%s"', (name) => {
    const context = { keyring: 'pii', table: 'us"ers', column: 'ssn', m: '' }
    const template = canonicalTemplate(context, name)
    for (const value of ['', '42', '"', '\u0000', '\u{1f511}', 'a'.repeat(1000)]) {
      expect(template(value)).toEqual(canonicalBytes({ ...context, [name]: value }))
    }
  })

  it('replaces a member that is there already', () => {
    expect(canonicalTemplate({ a: '1', row: 'old', z: '2' }, 'row')('new').toString()).toBe(
      '{"a":"1","row":"new","z":"2"}',
    )
  })

  it('refuses a bad value when it is given, a bad context at once', async () => {
    const template = canonicalTemplate({ a: 'b' }, 'row')
    for (const bad of [null, undefined, 1, '\ud800']) {
      await expectCode(() => template(bad as string), 'ERR_CONTEXT_INVALID')
    }
    await expectCode(() => canonicalTemplate({ a: 1 } as unknown as Context, 'row'), 'ERR_CONTEXT_INVALID')
    const map = new Map() as unknown as Context
    await expectCode(() => canonicalTemplate(map, 'row'), 'ERR_CONTEXT_INVALID')
  })
})
