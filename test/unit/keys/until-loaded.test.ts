/** What runs out while it is being loaded is loaded again; a failure that stays is believed. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/clock.ts'
import { type ErrorCode, KeywrightError } from '../../../src/errors.ts'
import { untilLoaded } from '../../../src/keys/until-loaded.ts'
import { Keywright } from '../../../src/keywright.ts'
import { START } from '../../kit/clock.ts'
import { expectCode } from '../../kit/failures.ts'
import { policyWith, World } from '../../kit/world.ts'

let world = new World()
afterEach(() => world.end())

describe('asynchronous calls with caches that are shorter than a call', () => {
  const changes = { pii: { cache: { refreshMs: 1000, ttlMs: 1500 }, serveStaleMs: 0 } }

  it('go on when a provider takes longer than the refresh period', async () => {
    world = new World({ policy: policyWith(changes) })
    let now = START
    // No timers: nothing but the calls themselves reads anew, as when the process was held up.
    const clock: Clock = { now: () => now, after: () => () => undefined }
    const { policy, provider, store } = world
    const kw = new Keywright({ clock, policy, provider: provider.client(), store: store.client() })
    const sealed = await kw.encrypt('pii', 'x')
    let slow = 0
    provider.before = (call) => {
      if (call === 'unwrap' && slow-- > 0) now += 1200
    }
    for (const use of [() => kw.decrypt(sealed), async () => kw.decrypt(await kw.encrypt('pii', 'x'))]) {
      now += 2000
      slow = 1
      expect(await use()).toBe('x')
    }
    await kw.close()
  })
})

describe('untilLoaded', () => {
  it.each<[ErrorCode, number]>([
    ['ERR_KEY_NOT_LOADED', 4],
    ['ERR_KEYRING_STALE', 2],
    ['ERR_PROVIDER_UNAVAILABLE', 1],
  ])('believes %s after %i attempts', async (code, attempts) => {
    let calls = 0
    const work = async (): Promise<never> => {
      calls++
      throw new KeywrightError(code, 'not now', { hint: 'later' })
    }
    await expectCode(untilLoaded(work), code)
    expect(calls).toBe(attempts)
  })
})
