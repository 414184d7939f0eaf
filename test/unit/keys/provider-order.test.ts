/** Keys wrapped twice: a provider that is known to be down is asked last, and comes back into its place by itself. */
import { afterEach, expect, it, vi } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestProvider } from '../../kit/provider.ts'
import { policyWith, World } from '../../kit/world.ts'

const BREAK_MS = 40
const MINUTE = 60_000
/** A busy machine must not make this fail. */
const PATIENT = { timeout: 20_000 }
let world = new World()
afterEach(() => world.end())

/** Every call of a keyring is a call of a provider: keys serve once. */
async function redundant(
  breakMs = BREAK_MS,
  providerTimeoutMs = 30,
): Promise<{ kw: Keywright; sealed: string; second: TestProvider }> {
  const pii = { furtherProviders: ['second'], minWraps: 2, cache: { uses: 1 } }
  world = new World({ policy: policyWith({ pii }) })
  const second = new TestProvider('second')
  const kw = world.open({
    providers: [second],
    providerTimeoutMs,
    resilience: { attempts: 1, breakAfter: 2, breakMs, rememberFailureMs: 0 },
  })
  const sealed = await kw.encrypt('pii', 'x')
  await kw.decrypt(sealed)
  world.provider.resetCounts()
  second.resetCounts()
  return { kw, sealed, second }
}

it('is not waited for once its circuit is open', async () => {
  const { kw, sealed, second } = await redundant(60_000)
  world.provider.mode = 'hang'
  for (let n = 0; n < 2; n++) expect(await kw.decrypt(sealed)).toBe('x')
  expect(world.provider.unwraps).toBe(2)
  for (let n = 0; n < 10; n++) expect(await kw.decrypt(sealed)).toBe('x')
  expect(world.provider.unwraps, 'asked though it is down').toBe(2)
  expect(second.unwraps).toBe(12)
})

it('is asked behind the caller’s back whether it is back, one question at a time', async () => {
  const { kw, sealed } = await redundant(BREAK_MS, 3000)
  let asked = 0
  world.provider.before = (call) => {
    if (call === 'describe') asked++
  }
  world.provider.mode = 'down'
  for (let n = 0; n < 2; n++) await kw.decrypt(sealed)
  world.provider.mode = 'hang'
  const before = world.provider.unwraps
  await vi.waitUntil(async () => {
    await Promise.all([kw.decrypt(sealed), kw.decrypt(sealed)])
    return asked > 0
  }, PATIENT)
  // The question hangs now, for longer than all of this takes.
  for (let n = 0; n < 20; n++) await kw.decrypt(sealed)
  expect([asked, world.provider.unwraps]).toEqual([1, before])
})

it('comes first again when it is back, by decryption alone', async () => {
  const { kw, sealed, second } = await redundant()
  world.provider.mode = 'down'
  for (let n = 0; n < 4; n++) await kw.decrypt(sealed)
  world.provider.mode = 'up'
  await vi.waitUntil(async () => {
    const before = second.unwraps
    await kw.decrypt(sealed)
    return second.unwraps === before
  }, PATIENT)
  expect(await kw.decrypt(sealed)).toBe('x')
})

it('is tried all the same when nobody else opens the key', async () => {
  const { kw, sealed, second } = await redundant()
  world.provider.mode = 'down'
  for (let n = 0; n < 4; n++) await kw.decrypt(sealed)
  second.mode = 'denied'
  await world.clock.pass(3 * 60 * MINUTE) // beyond everything that may be served stale
  await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_CIRCUIT_OPEN', 'ERR_PROVIDER_UNAVAILABLE')
  world.provider.mode = 'up'
  await vi.waitUntil(async () => {
    const opened = await kw.decrypt(sealed).catch(() => undefined)
    return opened === 'x'
  }, PATIENT)
})
