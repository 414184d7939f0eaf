/** What health says of keyrings that are named in a program and not in use yet. */
import { afterEach, expect, it } from 'vitest'
import type { HealthCheck, Keywright } from '../../../src/index.ts'
import { policyWith, World } from '../../kit/world.ts'

const MINUTE = 60_000
let world = new World()
afterEach(() => world.end())

const keyringsOf = async (kw: Keywright): Promise<readonly HealthCheck[]> =>
  (await kw.check()).checks.filter(({ component }) => component === 'keyring')

it('a field that was made and not used is no failure', async () => {
  world = new World()
  const kw = world.open()
  kw.field('pii')
  expect(await keyringsOf(kw)).toEqual([
    { component: 'keyring', name: 'pii', notes: ['not loaded yet'], state: 'ok' },
  ])
  await world.clock.pass(2 * MINUTE) // the timer has read it, and made nothing
  expect(await keyringsOf(kw)).toMatchObject([{ name: 'pii', notes: ['it has no keys yet'], state: 'ok' }])
  expect(await kw.keys.list()).toEqual([])
})

it('a field that cannot be read for it is one, until it can', async () => {
  world = new World()
  const kw = world.open()
  kw.field('pii')
  world.store.down = true
  await world.clock.pass(2 * MINUTE)
  expect(await keyringsOf(kw)).toMatchObject([{ code: 'ERR_STORE_BUSY', name: 'pii', state: 'failed' }])
  world.store.down = false
  await world.clock.pass(MINUTE)
  expect(await keyringsOf(kw)).toMatchObject([{ name: 'pii', state: 'ok' }])
})

it('a keyring whose only key is suspended does not encrypt, and health says so', async () => {
  world = new World({ policy: policyWith({ pii: { rotation: { auto: false } } }) })
  const kw = world.open()
  await kw.encrypt('pii', 'x')
  const id = (await kw.keys.active('pii'))?.id ?? 0
  await kw.keys.suspend(id, 'test')
  expect(await keyringsOf(kw)).toMatchObject([{ name: 'pii', state: 'failed' }])
})
