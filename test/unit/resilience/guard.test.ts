import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type ErrorCode, KeywrightError } from '../../../src/errors.ts'
import { ProviderGuard } from '../../../src/resilience/guard.ts'
import { type ResilienceOptions, resilienceOf } from '../../../src/resilience/options.ts'
import { expectCode } from '../../kit/failures.ts'

const FAST: ResilienceOptions = { retryDelayMs: 1, breakAfter: 4, breakMs: 40 }

function guarded(options: ResilienceOptions = {}, clock = { now: 0 }) {
  const guard = new ProviderGuard('aws', resilienceOf({ ...FAST, ...options }), () => clock.now)
  let tries = 0
  const call = (codes: readonly (ErrorCode | undefined)[], id = 'unwrap x', repeatable = true) =>
    guard.run({
      id: () => id,
      repeatable,
      signal: new AbortController().signal,
      attempt: async () => {
        const code = codes[Math.min(tries++, codes.length - 1)]
        if (code !== undefined)
          throw new KeywrightError(code, 'a failure of the service', { hint: 'look at it' })
        return 'done'
      },
    })
  const count = () => {
    const seen = tries
    tries = 0
    return seen
  }
  return { guard, call, count }
}

describe('retries', () => {
  it.each(['ERR_PROVIDER_UNAVAILABLE', 'ERR_PROVIDER_THROTTLED', 'ERR_PROVIDER_CORRUPTED'] as const)(
    'tries again after %s',
    async (code) => {
      const { guard, call, count } = guarded()
      expect(await call([code, code, undefined])).toBe('done')
      expect(count()).toBe(3)
      expect(guard.counters).toEqual({ retries: 2, refused: 0 })
      await expectCode(call([code]), code)
      expect(count()).toBe(3)
    },
  )

  it.each(['ERR_PROVIDER_DENIED', 'ERR_UNWRAP_FAILED', 'ERR_ABORTED', 'ERR_PROVIDER_TIMEOUT'] as const)(
    'does not try again after %s',
    async (code) => {
      const { call, count } = guarded()
      await expectCode(call([code]), code)
      expect(count()).toBe(1)
    },
  )

  it('does not repeat what must happen once', async () => {
    const { call, count } = guarded()
    await expectCode(call(['ERR_PROVIDER_UNAVAILABLE'], 'rotate', false), 'ERR_PROVIDER_UNAVAILABLE')
    expect(count()).toBe(1)
  })
})

describe('circuit breaker', () => {
  it('leaves a provider that is down alone, tries it once in a while, and closes when it is back', async () => {
    const { guard, call, count } = guarded({ attempts: 1 })
    for (let at = 0; at < 4; at++)
      await expectCode(call(['ERR_PROVIDER_UNAVAILABLE'], `unwrap ${at}`), 'ERR_PROVIDER_UNAVAILABLE')
    expect(guard.isOpen).toBe(true)
    count()
    const error = await expectCode(call([undefined]), 'ERR_PROVIDER_CIRCUIT_OPEN')
    expect(error.retryable).toBe(true)
    expect(error.message).toContain('aws')
    expect(count()).toBe(0)
    expect(guard.counters.refused).toBe(1)
    await delay(60)
    expect(await call([undefined])).toBe('done')
    expect(guard.isOpen).toBe(false)
  })

  it('is not opened by refusals and throttling: the service answers', async () => {
    const { guard, call } = guarded({ attempts: 1, rememberFailureMs: 0 })
    for (let at = 0; at < 20; at++) {
      const code = at % 2 === 0 ? 'ERR_PROVIDER_DENIED' : 'ERR_PROVIDER_THROTTLED'
      await expectCode(call([code]), code)
    }
    expect(guard.isOpen).toBe(false)
  })
})

describe('memory of failures that do not pass', () => {
  it('answers the same call for a moment without asking, and no other call', async () => {
    const clock = { now: 1000 }
    const { guard, call, count } = guarded({ rememberFailureMs: 500 }, clock)
    await expectCode(call(['ERR_PROVIDER_DENIED']), 'ERR_PROVIDER_DENIED')
    clock.now += 499
    await expectCode(call([undefined]), 'ERR_PROVIDER_DENIED')
    expect(count()).toBe(1)
    expect(guard.counters.refused).toBe(1)
    expect(await call([undefined], 'unwrap y')).toBe('done')
    clock.now += 1
    expect(await call([undefined])).toBe('done')
  })

  it('does not remember what may pass', async () => {
    const { call } = guarded({ attempts: 1 })
    await expectCode(call(['ERR_PROVIDER_UNAVAILABLE']), 'ERR_PROVIDER_UNAVAILABLE')
    expect(await call([undefined])).toBe('done')
  })
})

describe('limit of calls at once', () => {
  it('lets the rest wait, and refuses what does not fit the queue', async () => {
    const guard = new ProviderGuard('aws', resilienceOf({ concurrency: 2, queue: 3 }), () => 0)
    let running = 0
    let most = 0
    const call = (id: number): Promise<number> =>
      guard.run({
        id: () => String(id),
        repeatable: true,
        signal: new AbortController().signal,
        attempt: async () => {
          most = Math.max(most, ++running)
          await delay(5)
          running--
          return id
        },
      })
    const results = await Promise.allSettled(Array.from({ length: 8 }, (_, id) => call(id)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_PROVIDER_BUSY' })
    expect(most).toBe(2)
  })
})

describe('options', () => {
  it.each([{ attempts: 0 }, { breakMs: 1.5 }, { concurrency: -1 }, { queue: Number.NaN }])(
    'refuses %j',
    async (options) => {
      const error = await expectCode(() => resilienceOf(options), 'ERR_CONFIG_INVALID')
      expect(error.message).toContain(`resilience.${Object.keys(options)[0]}`)
    },
  )
})
