/** A field is bound to its keyring, table, column, row and what the caller adds: nowhere else does it open. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyIdOf, parseCiphertext, toText } from '../../../src/crypto/ciphertext.ts'
import type { Field, FieldType, FieldTypes, Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

describe('types', () => {
  const cases: { readonly [K in FieldType]: FieldTypes[K][] } = {
    string: ['', 'x', '🔑'],
    number: [0, -0, 1.5],
    bigint: [0n, 2n ** 80n],
    boolean: [true, false],
    date: [new Date(0), new Date(8.64e15)],
    json: [{ a: [1, null] }, 'text', null],
    bytes: [Buffer.from([0, 255]), Buffer.alloc(0)],
  }

  it.each(Object.keys(cases) as FieldType[])('%s comes back as what it was', async (as) => {
    const field = await kw.field('pii', { as }).ready()
    for (const value of cases[as]) {
      const sealed = await field.encrypt(value as never)
      expect(sealed).toMatch(/^kw1\.[\w-]+$/)
      expect(await field.decrypt(sealed)).toEqual(value)
      expect(field.decryptSync(field.encryptSync(value as never))).toEqual(value)
      const bytes = await field.encryptToBytes(value as never)
      expect(bytes[0]).toBe(1)
      expect(await field.decrypt(bytes)).toEqual(value)
      expect(field.decryptSync(toText(bytes))).toEqual(value)
    }
  })

  it('refuses a value of another type before anything is encrypted', async () => {
    const field = kw.field('pii', { as: 'number' })
    await expectCode(() => field.encrypt('1' as never), 'ERR_VALUE_TYPE')
    expect(world.provider.calls).toBe(0)
  })

  it('says that it was written as another type', async () => {
    const sealed = await kw.field('users.email').encrypt('x')
    await expectCode(kw.field('users.email', { as: 'number' }).decrypt(sealed), 'ERR_VALUE_TYPE')
  })

  it('does not know a type that is none', async () => {
    await expectCode(() => kw.field('pii', { as: 'text' as FieldType }), 'ERR_ARGUMENT_INVALID')
  })
})

describe('binding', () => {
  const FAILED = 'ERR_DECRYPTION_FAILED'

  it.each<[string, () => Field<string>, string | undefined]>([
    ['another column', () => kw.field('users.phone'), '1'],
    ['another table', () => kw.field('clients.email'), '1'],
    ['no table and column', () => kw.field('pii'), '1'],
    ['table and column run together', () => kw.field('pii', { column: 'users.email' }), '1'],
    ['another row', () => kw.field('users.email'), '2'],
    ['no row', () => kw.field('users.email'), undefined],
    ['an empty row', () => kw.field('users.email'), ''],
    ['a context more', () => kw.field('users.email', { context: { region: 'eu' } }), '1'],
  ])('does not open under %s', async (_, make, row) => {
    const sealed = await kw.field('users.email').encrypt('a@b.example', { row: '1' })
    await expectCode(make().decrypt(sealed, row === undefined ? {} : { row }), FAILED)
    expect(await kw.field('users.email').decrypt(sealed, { row: '1' })).toBe('a@b.example')
  })

  it('does not open in another row, in the synchronous form either', async () => {
    const field = await kw.field('users.email').ready()
    const sealed = field.encryptSync('x', { row: '1' })
    await expectCode(() => field.decryptSync(sealed, { row: '2' }), FAILED)
    await expectCode(() => field.decryptSync(sealed), FAILED)
    expect(field.decryptSync(sealed, { row: '1' })).toBe('x')
  })

  it('is the same place whether written as a path or as table and column', async () => {
    const sealed = await kw.field('users.email').encrypt('x', { row: '1' })
    const same = kw.field('pii', { table: 'users', column: 'email' })
    expect(await same.decrypt(sealed, { row: '1' })).toBe('x')
  })

  it('refuses the ciphertext of another key type and of another tenant', async () => {
    const pii = await kw.field('users.email').encrypt('x')
    await expectCode(kw.field('users.iban').decrypt(pii), 'ERR_KEYRING_MISMATCH')
    const tenant = await kw.field('users.email', { tenant: 't1' }).encrypt('x')
    await expectCode(kw.field('users.email', { tenant: 't2' }).decrypt(tenant), 'ERR_KEYRING_MISMATCH')
    await expectCode(kw.field('users.email').decrypt(tenant), 'ERR_KEYRING_MISMATCH')
    await expectCode(kw.field('users.email', { tenant: 't1' }).decrypt(pii), 'ERR_KEYRING_MISMATCH')
  })

  it('does not open a ciphertext that was given the id of another key of the keyring', async () => {
    const field = kw.field('users.email')
    const old = parseCiphertext(await field.encrypt('x'))
    await kw.keys.rotate('pii', { force: true, now: true })
    const forged = Buffer.from(old)
    forged.writeUInt32BE(keyIdOf(parseCiphertext(await field.encrypt('y'))), 1)
    await expectCode(field.decrypt(forged), FAILED)
    expect(await field.decrypt(old)).toBe('x')
  })

  it.each(['keyring', 'table', 'column', 'row', 'as'])(
    'keeps the context name "%s" to itself',
    async (name) => {
      await expectCode(() => kw.field('users.email', { context: { [name]: 'x' } }), 'ERR_CONTEXT_INVALID')
      await expectCode(() => kw.encrypt('pii', 'x', { context: { [name]: 'x' } }), 'ERR_CONTEXT_INVALID')
    },
  )

  it.each<[string, unknown]>([
    ['a Map', new Map([['a', 'b']])],
    ['an array', ['b']],
    ['a string', 'abc'],
    ['null', null],
    [
      'a class instance',
      new (class {
        a = 'b'
      })(),
    ],
    ['a number as value', { a: 1 }],
    ['undefined as value', { a: undefined }],
    ['a lone surrogate', { a: '\ud800' }],
  ])('refuses %s as context in every form', async (_, context) => {
    const bad = context as Record<string, string>
    await expectCode(() => kw.field('users.email', { context: bad }), 'ERR_CONTEXT_INVALID')
    await expectCode(() => kw.encrypt('pii', 'x', { context: bad }), 'ERR_CONTEXT_INVALID')
    const sealed = await kw.encrypt('pii', 'x')
    await expectCode(() => kw.decrypt(sealed, { context: bad }), 'ERR_CONTEXT_INVALID')
  })

  it.each<[string, unknown]>([
    ['a number', 1],
    ['null', null],
    ['a bigint', 1n],
    ['a lone surrogate', '\ud800'],
    ['an object', {}],
  ])('refuses %s as a row', async (_, row) => {
    const field = await kw.field('users.email').ready()
    const options = { row: row as string }
    await expectCode(() => field.encrypt('x', options), 'ERR_CONTEXT_INVALID')
    await expectCode(() => field.encryptSync('x', options), 'ERR_CONTEXT_INVALID')
    const sealed = await field.encrypt('x')
    await expectCode(() => field.decrypt(sealed, options), 'ERR_CONTEXT_INVALID')
    await expectCode(() => field.decryptSync(sealed, options), 'ERR_CONTEXT_INVALID')
  })

  it('refuses a table or column that is no string', async () => {
    for (const place of [{ table: 1 }, { column: null }, { column: ['a'] }]) {
      await expectCode(() => kw.field('pii', place as never), 'ERR_CONTEXT_INVALID')
    }
  })
})

describe('names', () => {
  it('says which key type, field or tenant it does not know', async () => {
    await expectCode(() => kw.field('nosuch'), 'ERR_KEY_TYPE_UNKNOWN')
    await expectCode(() => kw.field('users.shoe_size'), 'ERR_FIELD_UNMATCHED')
    await expectCode(() => kw.field('pii', { tenant: '../x' }), 'ERR_TENANT_INVALID')
    await expectCode(() => kw.encrypt('constructor', 'x'), 'ERR_KEY_TYPE_UNKNOWN')
    await expectCode(() => kw.encrypt('__proto__', 'x'), 'ERR_KEY_TYPE_UNKNOWN')
  })

  it('does not encrypt with a key type that makes search tokens', async () => {
    await expectCode(kw.encrypt('blind_index', 'x'), 'ERR_ARGUMENT_INVALID')
    await kw.hash('users.email', 'x')
    await expectCode(kw.encrypt('blind_index', 'x'), 'ERR_ARGUMENT_INVALID')
    await expectCode(() => kw.encryptSync('blind_index', 'x'), 'ERR_ARGUMENT_INVALID')
  })

  it('decrypts nothing with a key that makes search tokens', async () => {
    const token = await kw.hash('users.email', 'x')
    const wire = Buffer.alloc(60, 1)
    Buffer.from(token.slice(5), 'base64url').copy(wire, 1, 0, 4)
    await expectCode(kw.decrypt(wire), 'ERR_ARGUMENT_INVALID', 'ERR_DECRYPTION_FAILED')
  })
})
