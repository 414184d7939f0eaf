import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encrypted, encryptedSync } from '../../src/integrations/functions.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

const last4 = (ssn: string): string => ssn.slice(-4)

describe('encrypted', () => {
  it('decrypts parameters on the way in and encrypts the result on the way out', async () => {
    const mask = encrypted(kw, last4, { params: ['users.ssn'], returns: 'pii' })
    const ssn = await kw.field('users.ssn').encrypt('078-05-1120')
    const result: string = await mask(ssn)
    expect(result).toMatch(/^kw1\./)
    expect(await kw.decrypt(result, { keyType: 'pii' })).toBe('1120')
    expect(mask.name).toBe('last4')
  })

  it.each<[string, unknown, 'number' | 'json' | 'bytes' | 'date' | 'boolean' | 'bigint']>([
    ['number', 41.5, 'number'],
    ['bigint', 2n ** 70n, 'bigint'],
    ['date', new Date(0), 'date'],
    ['boolean', false, 'boolean'],
    ['json', { a: [1, null] }, 'json'],
    ['bytes', Buffer.from([0, 1, 255]), 'bytes'],
  ])('keeps the type: %s', async (_, value, as) => {
    const same = encrypted(kw, async (one: unknown) => one, {
      params: [{ field: 'pii', as }],
      returns: { field: 'pii', as },
    })
    const field = kw.field('pii', { as })
    const out = await same(await field.encrypt(value as never))
    expect(await field.decrypt(out as string)).toEqual(value)
  })

  it('leaves null, undefined and undeclared parameters alone, and keeps `this`', async () => {
    const fn = encrypted(
      kw,
      function (this: { id: string }, ...args: [string | null, number, string?]) {
        return [this.id, ...args]
      },
      { params: ['pii', undefined, 'pii'] },
    )
    expect(await fn.call({ id: 'x' }, null, 7)).toEqual(['x', null, 7])
    const nothing = encrypted(kw, () => null, { returns: 'pii' })
    expect(await nothing()).toBeNull()
  })

  it('encrypts the members of records', async () => {
    const users = { table: 'users', fields: { email: 'pii' }, row: 'id' }
    const load = encrypted(kw, (id: number) => ({ id, email: 'a@b.c' }), { returns: { record: users } })
    const user = await load(7)
    expect(user.id).toBe(7)
    expect(user.email).toMatch(/^kw1\./)
    const send = encrypted(kw, ({ email }: { id: number; email: string }) => email, {
      params: [{ record: users }],
    })
    expect(await send(user)).toBe('a@b.c')
    await expect(send({ ...user, id: 8 })).rejects.toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
      message: expect.stringContaining('parameter 1'),
    })
  })

  it('does not call the function when a parameter does not open', async () => {
    let called = false
    const fn = encrypted(
      kw,
      (_a: number, _b: string) => {
        called = true
      },
      { params: [undefined, 'users.ssn'] },
    )
    const foreign = await kw.field('users.email').encrypt('a@b.c')
    await expect(fn(1, foreign)).rejects.toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
      message: 'parameter 2: decryption failed',
    })
    await expect(fn(1, '078-05-1120')).rejects.toMatchObject({ code: 'ERR_NOT_CIPHERTEXT' })
    await expect(fn(1, '078-05-1120')).rejects.not.toMatchObject({ message: expect.stringContaining('078') })
    expect(called).toBe(false)
  })

  it('passes errors of the function on as they are', async () => {
    const boom = new Error('boom')
    const fails = encrypted(
      kw,
      () => {
        throw boom
      },
      { returns: 'pii' },
    )
    await expect(fails()).rejects.toBe(boom)
  })

  it('refuses a result of another type than declared, and an unknown key type', async () => {
    const wrong = encrypted(kw, () => 5 as unknown, { returns: 'pii' })
    await expect(wrong()).rejects.toMatchObject({
      code: 'ERR_VALUE_TYPE',
      message: expect.stringMatching(/^the result: /),
      hint: expect.stringContaining('"as"'),
    })
    await expect(encrypted(kw, last4, { params: ['pie'] })('x')).rejects.toMatchObject({
      code: 'ERR_KEY_TYPE_UNKNOWN',
    })
  })

  it('keeps tenants apart', async () => {
    const of = (tenant: string) =>
      encrypted(kw, (ssn: string) => ssn, { params: ['pii'], returns: 'pii', tenant })
    const make = encrypted(kw, () => 'x', { returns: 'pii', tenant: 'a' })
    const value = await make()
    expect(await of('a')(value)).toMatch(/^kw1\./)
    await expect(of('b')(value)).rejects.toMatchObject({ code: 'ERR_KEYRING_MISMATCH' })
  })
})

describe('encryptedSync', () => {
  it('needs loaded keys, and works without waiting then', async () => {
    const mask = encryptedSync(() => kw, last4, { params: ['users.ssn'], returns: 'pii' })
    const cold = world.open()
    const ssn = await cold.field('users.ssn').encrypt('078-05-1120')
    expect(() => mask(ssn)).toThrow(expect.objectContaining({ code: 'ERR_KEY_NOT_LOADED' }))
    await kw.ready(['pii'], { all: true })
    expect(kw.decryptSync(mask(ssn), { keyType: 'pii' })).toBe('1120')
  })

  it('refuses a promise', async () => {
    await kw.ready(['pii'])
    const fn = encryptedSync(kw, async () => 'x', { returns: 'pii' })
    expect(() => fn()).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_TYPE', hint: expect.stringContaining('encrypted ') }),
    )
  })
})
