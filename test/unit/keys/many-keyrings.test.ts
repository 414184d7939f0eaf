/** Ten thousand tenants and more: memory is bounded, and whoever holds on to a field does not notice. */
import { afterAll, expect, it } from 'vitest'
import { policyWith, World } from '../../kit/world.ts'

const MAX_LOADED = 10_000
const world = new World({ policy: policyWith() })
afterAll(() => world.end())

it('unloads the keyring that was used longest ago, which then loads again', async () => {
  const kw = world.open()
  const field = await kw.field('pii', { tenant: 'first' }).ready()
  const sealed = field.encryptSync('x')
  for (let n = 0; n < MAX_LOADED; n++) kw.field('pii', { tenant: `t${n}` })
  expect(await kw.decrypt(sealed)).toBe('x')
  expect(await field.decrypt(await field.encrypt('y'))).toBe('y')
  for (let n = 0; n < 3; n++) {
    await world.clock.jump(60_000)
    expect(await field.decrypt(await field.encrypt('y'))).toBe('y')
  }
  await kw.close()
  const [key] = await world.open().keys.list({ keyring: 'pii/first' })
  expect(key?.usage.messages).toBe(5)
})
