/** Records: what the policy or the caller claims is encrypted, all else is left alone, nothing slips through in clear. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isEncrypted, type Keywright, type PlainRecord, type RecordOptions } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

/** Paths of the values that are ciphertexts. */
function encryptedPaths(value: unknown, path = ''): string[] {
  if (isEncrypted(value)) return [path]
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return []
  return Object.entries(value).flatMap(([name, inner]) => encryptedPaths(inner, `${path}/${name}`))
}

async function roundTrip(record: PlainRecord, options: RecordOptions = {}): Promise<string[]> {
  const codec = kw.records(options)
  const before = { ...record }
  const sealed = await codec.encrypt(record)
  expect(record).toEqual(before)
  expect(await codec.decrypt(sealed)).toEqual(record)
  await codec.ready()
  expect(codec.decryptSync(sealed)).toEqual(record)
  expect(codec.decryptSync(codec.encryptSync(record))).toEqual(record)
  expect(await kw.records(options).decrypt(sealed)).toEqual(record) // and for a codec that has seen nothing
  return encryptedPaths(sealed)
}

describe('the policy chooses', () => {
  it('by the default selectors, in any spelling of a name', async () => {
    const paths = await roundTrip({
      id: 7,
      email: 'a@b.example',
      firstName: 'Ann',
      'last-name': 'Lee',
      SSN: '000-00-0000',
      dateOfBirth: '1990-01-01',
      homePhone: '1',
      IBAN: 'DE00',
      apiKey: 'k',
      name: 'Ann Lee',
      city: 'Ulm',
      fileName: 'x.txt',
    })
    expect(paths).toEqual(
      ['email', 'firstName', 'last-name', 'SSN', 'dateOfBirth', 'homePhone', 'IBAN', 'apiKey'].map(
        (p) => `/${p}`,
      ),
    )
  })

  it('within objects and arrays of objects, and arrays within arrays', async () => {
    const paths = await roundTrip({
      contact: { email: 'a@b.example', note: 'x' },
      people: [{ email: 'c@d.example' }, { email: null }, 'text', null, 3],
      grid: [[{ email: 'e@f.example' }], [[{ email: 'g@h.example' }]]],
      empty: [[], {}, [{}]],
    })
    expect(paths).toEqual(['/contact/email', '/people/0/email', '/grid/0/0/email', '/grid/1/0/0/email'])
  })

  it('each field under its own key type', async () => {
    const sealed = await kw.encryptRecord({ email: 'a', iban: 'b' })
    await expectCode(kw.decrypt(sealed.email, { keyType: 'financial_data' }), 'ERR_KEYRING_MISMATCH')
    const types = (await kw.keys.list()).map((key) => key.keyType)
    expect(types.sort()).toEqual(['financial_data', 'pii'])
  })

  it('the whole value of a claimed member that is an object or an array', async () => {
    const paths = await roundTrip({ address: { street: 'A', zip: 1 }, phone: ['1', '2'] })
    expect(paths).toEqual(['/address', '/phone'])
  })
})

describe('values', () => {
  it.each<[string, unknown]>([
    ['text', 'x'],
    ['empty text', ''],
    ['text that looks like a number', '42'],
    ['text that looks like JSON', '{"a":1}'],
    ['text that looks like null', 'null'],
    ['a number', 42.5],
    ['zero', 0],
    ['true', true],
    ['false', false],
    ['an object', { a: [1, { b: null }] }],
    ['an array', ['a', 1]],
    ['an empty object', {}],
  ])('%s comes back as what it was, without a declaration', async (_, value) => {
    expect(await roundTrip({ email: value })).toEqual(['/email'])
  })

  it('null and undefined stay', async () => {
    const record = { email: null, phone: undefined, iban: 'x' }
    const sealed = await kw.encryptRecord(record)
    expect([sealed.email, sealed.phone, 'phone' in sealed]).toEqual([null, undefined, true])
    expect(await kw.decryptRecord(sealed)).toStrictEqual(record)
  })

  it('a number is not taken for the text that reads the same', async () => {
    const codec = kw.records()
    const sealed = await codec.encryptAll([{ email: 1 }, { email: '1' }, { email: 1 }, { email: '1' }])
    expect(await codec.decryptAll(sealed)).toEqual([
      { email: 1 },
      { email: '1' },
      { email: 1 },
      { email: '1' },
    ])
  })

  it.each<[string, unknown]>([
    ['a Date', new Date(0)],
    ['a bigint', 1n],
    ['bytes', Buffer.from('x')],
    ['NaN', Number.NaN],
    ['a Map', new Map()],
    ['a Promise', Promise.resolve('x')],
    ['a lone surrogate', '\ud800'],
    ['an object with undefined', { a: undefined }],
  ])('%s is refused without a declaration, naming the field', async (_, value) => {
    const error = await expectCode(kw.encryptRecord({ contact: { email: value } }), 'ERR_VALUE_TYPE')
    expect(error.details['field']).toBe('contact.email')
    expect(error.message).toContain('"contact.email"')
  })

  it('with a declaration they are of that type', async () => {
    const fields = {
      born: { keyType: 'pii', as: 'date' },
      account: { keyType: 'financial_data', as: 'bigint' },
      photo: { keyType: 'pii', as: 'bytes' },
      income: { as: 'number' },
      active: { keyType: 'pii', as: 'boolean' },
      email: { as: 'string' },
      extra: { keyType: 'pii', as: 'json' },
      note: 'pii',
    } as const
    const record = {
      born: new Date(0),
      account: 2n ** 70n,
      photo: Buffer.from([0, 255]),
      income: -0,
      active: false,
      email: 'x',
      extra: 'text',
      note: [1],
      left: 'alone',
    }
    const paths = await roundTrip(record, { fields })
    expect(paths).toEqual(Object.keys(fields).map((name) => `/${name}`))
    await expectCode(kw.encryptRecord({ born: '1990-01-01' }, { fields }), 'ERR_VALUE_TYPE')
  })
})

describe('what is not claimed', () => {
  it('is identical, by reference where it holds nothing to encrypt', async () => {
    const settings = { theme: 'dark', nested: { list: [1, { two: 2 }] } }
    const when = new Date(0)
    const instance = new (class Box {
      value = 1
    })()
    const record = { id: Symbol.for('id'), email: 'x', settings, tags: ['a', ['b']], when, instance }
    for (const sealed of [
      await kw.encryptRecord(record),
      await kw.decryptRecord(await kw.encryptRecord(record)),
    ]) {
      expect(sealed.settings).toBe(settings)
      expect(sealed.tags).toBe(record.tags)
      expect(sealed.when).toBe(when)
      expect(sealed.instance).toBe(instance)
      expect(sealed.id).toBe(record.id)
      expect(Object.keys(sealed)).toEqual(Object.keys(record))
    }
  })

  it('survives names that are special to JavaScript', async () => {
    const record = JSON.parse(
      '{"__proto__":{"email":"a","x":1},"constructor":{"email":"b"},"toString":"c","hasOwnProperty":1,' +
        '"email":{"__proto__":{"admin":true}},"people":[{"__proto__":{"phone":"1"}}]}',
    ) as PlainRecord
    const sealed = await kw.encryptRecord(record)
    expect(Object.hasOwn(sealed, '__proto__')).toBe(true)
    expect(Object.getPrototypeOf(sealed)).toBe(Object.prototype)
    expect(encryptedPaths(sealed)).toEqual([
      '/__proto__/email',
      '/constructor/email',
      '/email',
      '/people/0/__proto__/phone',
    ])
    expect(JSON.stringify(await kw.decryptRecord(sealed))).toBe(JSON.stringify(record))
    expect(({} as Record<string, unknown>)['email']).toBeUndefined()
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
  })

  it('may be nested deeply, but not without end', async () => {
    const nest = (depth: number): PlainRecord => (depth === 0 ? { email: 'x' } : { inner: nest(depth - 1) })
    expect((await roundTrip(nest(60))).length).toBe(1)
    const cyclic: Record<string, unknown> = { email: 'x' }
    cyclic['self'] = cyclic
    await expectCode(kw.encryptRecord(cyclic), 'ERR_ARGUMENT_INVALID')
    const inArray: Record<string, unknown> = { email: 'x' }
    inArray['list'] = [inArray]
    await expectCode(kw.encryptRecord(inArray), 'ERR_ARGUMENT_INVALID')
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['an array', [{ email: 'x' }]],
    ['text', 'x'],
    [
      'an instance of a class',
      new (class {
        email = 'x'
      })(),
    ],
    ['a Map', new Map([['email', 'x']])],
  ])('%s is no record', async (_, record) => {
    await expectCode(kw.encryptRecord(record as PlainRecord), 'ERR_ARGUMENT_INVALID')
    await expectCode(kw.decryptRecord(record as PlainRecord), 'ERR_ARGUMENT_INVALID')
  })
})

describe('the fields option', () => {
  it('claims exactly what it names, by path', async () => {
    const record = { email: 'x', contact: { email: 'y', note: 'z' }, list: [{ secret: 's' }] }
    const fields = { 'contact.note': 'pii', 'list.secret': 'api_keys' }
    expect(await roundTrip(record, { fields })).toEqual(['/contact/note', '/list/0/secret'])
  })

  it('fails at once for a field that nothing gives a key type', async () => {
    await expectCode(() => kw.records({ fields: { shoe_size: { as: 'number' } } }), 'ERR_FIELD_UNMATCHED')
  })

  it('fails at once for a key type, a type or a tenant that is none', async () => {
    await expectCode(() => kw.records({ fields: { a: 'nosuch' } }), 'ERR_KEY_TYPE_UNKNOWN')
    await expectCode(
      () => kw.records({ fields: { a: { keyType: 'pii', as: 'text' as never } } }),
      'ERR_ARGUMENT_INVALID',
    )
    await expectCode(() => kw.records({ fields: { a: 'pii' }, tenant: 'a/b' }), 'ERR_TENANT_INVALID')
  })
})
