/** Records are bound to their row, path and tenant, and what is no ciphertext is never given back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keywright, PlainRecord, RecordOptions } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

describe('binding', () => {
  it.each<[string, RecordOptions['row'], RecordOptions['row']]>([
    ['a member', 'id', 'id'],
    ['a function', (record) => String(record['id']), 'id'],
    ['a member that is a number', 'no', (record) => String(record['no'])],
    ['a member that is a bigint', 'big', (record) => String(record['big'])],
  ])('to the row, by %s', async (_, row, same) => {
    const record = { id: 'a-1', no: 7, big: 2n ** 64n, email: 'x' }
    const sealed = await kw.encryptRecord(record, { table: 'users', row: row ?? 'id' })
    expect(await kw.decryptRecord(sealed, { table: 'users', row: same ?? 'id' })).toEqual(record)
    const moved = { ...sealed, id: 'a-2', no: 8, big: 1n }
    const error = await expectCode(
      kw.decryptRecord(moved, { table: 'users', row: row ?? 'id' }),
      'ERR_DECRYPTION_FAILED',
    )
    expect(error.details['field']).toBe('email')
    await expectCode(kw.decryptRecord(sealed, { table: 'users' }), 'ERR_DECRYPTION_FAILED')
    await expectCode(kw.decryptRecord(sealed, { row: row ?? 'id' }), 'ERR_DECRYPTION_FAILED')
  })

  it.each<[string, PlainRecord]>([
    ['missing', {}],
    ['empty', { id: '' }],
    ['null', { id: null }],
    ['a fraction', { id: 1.5 }],
    ['NaN', { id: Number.NaN }],
    ['an object', { id: {} }],
    ['beyond exact integers', { id: 2 ** 53 }],
  ])('refuses a row id that is %s', async (_, record) => {
    const options = { row: 'id' }
    await expectCode(kw.encryptRecord({ email: 'x', ...record }, options), 'ERR_CONTEXT_INVALID')
    await expectCode(kw.decryptRecord({ email: 'x', ...record }, options), 'ERR_CONTEXT_INVALID')
  })

  it('to its path: values cannot change places', async () => {
    const sealed = await kw.encryptRecord({ email: 'a', phone: 'b', contact: { email: 'c' } })
    const { email, phone, contact } = sealed
    for (const swapped of [
      { email: phone, phone: email },
      { email: contact.email },
      { contact: { email } },
    ]) {
      await expectCode(kw.decryptRecord(swapped), 'ERR_DECRYPTION_FAILED')
    }
  })

  it('is that of the field by the same table and column', async () => {
    const sealed = await kw.encryptRecord({ id: '1', email: 'x' }, { table: 'users', row: 'id' })
    expect(await kw.field('users.email').decrypt(sealed.email, { row: '1' })).toBe('x')
    const email = await kw.field('users.email').encrypt('y', { row: '1' })
    expect(await kw.decryptRecord({ id: '1', email }, { table: 'users', row: 'id' })).toEqual({
      id: '1',
      email: 'y',
    })
  })
})

describe('decrypting what is no ciphertext', () => {
  it.each<[string, unknown, 'ERR_NOT_CIPHERTEXT' | 'ERR_CIPHERTEXT_EMPTY' | 'ERR_CIPHERTEXT_MALFORMED']>([
    ['text', 'alice@example.org', 'ERR_NOT_CIPHERTEXT'],
    ['empty text', '', 'ERR_CIPHERTEXT_EMPTY'],
    ['a cut ciphertext', 'kw1.AAAA', 'ERR_CIPHERTEXT_MALFORMED'],
    ['a number', 42, 'ERR_NOT_CIPHERTEXT'],
    ['an object', { a: 1 }, 'ERR_NOT_CIPHERTEXT'],
    ['bytes', Buffer.from('alice'), 'ERR_NOT_CIPHERTEXT'],
  ])('never gives back %s', async (_, value, code) => {
    const codec = kw.records()
    const error = await expectCode(codec.decrypt({ contact: { email: value } }), code)
    expect(error.details['field']).toBe('contact.email')
    expect(JSON.stringify([error, error.message])).not.toContain('alice')
    await expectCode(() => codec.decryptSync({ contact: { email: value } }), code)
  })

  it('refuses a field of another tenant and of another keyring', async () => {
    const sealed = await kw.encryptRecord({ email: 'x' }, { tenant: 't1' })
    await expectCode(kw.decryptRecord(sealed, { tenant: 't2' }), 'ERR_KEYRING_MISMATCH')
    await expectCode(kw.decryptRecord({ iban: sealed.email }, { tenant: 't1' }), 'ERR_KEYRING_MISMATCH')
    expect(await kw.decryptRecord(sealed, { tenant: 't1' })).toEqual({ email: 'x' })
  })
})
