import { afterEach, beforeEach, expect, it } from 'vitest'
import { models } from '../../src/integrations/models.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'

let world: World
let kw: Keywright

class User {
  id = 7
  email: string | null = 'Ada@Example.com'
  emailToken: string | null = null
  address = { street: 'Lovelace Row 1', city: 'London' }
  get domain(): string | undefined {
    return this.email?.split('@')[1]
  }
}

const open = () =>
  models(() => kw, {
    User: {
      table: 'users',
      row: 'id',
      fields: { email: 'pii', 'address.street': 'pii' },
      tokens: { emailToken: { of: 'email', normaliser: 'email' } },
    },
    Order: { table: 'orders', fields: { total: { keyType: 'financial_data', as: 'number' } } },
  })

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

it('encrypts instances, which keep their class, and fills in tokens', async () => {
  const { User: model } = open()
  const sealed = await model.encrypt(new User())
  expect(sealed).toBeInstanceOf(User)
  expect(sealed.email).toMatch(/^kw1\./)
  expect(sealed.address).toEqual({ street: expect.stringMatching(/^kw1\./), city: 'London' })
  expect(await model.tokens('emailToken', 'ada@example.com')).toEqual([sealed.emailToken])
  const opened = await model.decrypt(sealed)
  expect(opened.domain).toBe('Example.com')
  expect(opened.address.street).toBe('Lovelace Row 1')
})

it('leaves the original as it was, and null null', async () => {
  const { User: model } = open()
  const user = Object.freeze(Object.assign(new User(), { email: null }))
  const sealed = await model.encrypt(user)
  expect([sealed.email, sealed.emailToken]).toEqual([null, null])
  expect(user.address.street).toBe('Lovelace Row 1')
})

it('gives both live tokens while the index key rotates', async () => {
  const { User: model } = open()
  const before = (await model.encrypt(new User())).emailToken
  await kw.keys.rotate('blind_index', { force: true, now: true })
  const after = (await model.encrypt(new User())).emailToken
  expect(after).not.toBe(before)
  expect((await model.tokens('emailToken', 'ADA@example.com')).sort()).toEqual([before, after].sort())
})

it('binds to the row, and names the field that does not open', async () => {
  const { User: model, Order } = open()
  const sealed = await model.encrypt({ id: 1, email: 'a@b.c' })
  await expect(model.decrypt({ ...sealed, id: 2 })).rejects.toMatchObject({
    code: 'ERR_DECRYPTION_FAILED',
    message: 'field "email": decryption failed',
  })
  const order = await Order.encrypt({ id: 1, total: 9.5 })
  expect(await Order.decrypt(order)).toEqual({ id: 1, total: 9.5 })
})

it('works without waiting once it is ready', async () => {
  const { User: model } = open()
  expect(() => model.encryptSync(new User())).toThrow(expect.objectContaining({ code: 'ERR_KEY_NOT_LOADED' }))
  await model.ready()
  expect(model.decryptSync(model.encryptSync(new User())).email).toBe('Ada@Example.com')
})

it('takes many', async () => {
  const { Order } = open()
  const orders = [1, 2, 3].map((id) => ({ id, total: id }))
  expect(await Order.decryptAll(await Order.encryptAll(orders))).toEqual(orders)
})

it('refuses what is no record, no text and no token', async () => {
  const { User: model } = open()
  await expect(model.encrypt([new User()])).rejects.toMatchObject({
    code: 'ERR_ARGUMENT_INVALID',
    hint: expect.stringContaining('encryptAll'),
  })
  await expect(model.encrypt({ id: 1, email: 5 })).rejects.toMatchObject({ code: 'ERR_VALUE_TYPE' })
  await expect(model.tokens('phoneToken', 'x')).rejects.toMatchObject({
    code: 'ERR_ARGUMENT_INVALID',
    hint: expect.stringContaining('emailToken'),
  })
})
