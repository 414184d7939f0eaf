import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import memoryProvider from '../../../providers/memory.ts'
import type { KeyProvider, ProviderOperation, WrappedKey } from '../../../src/provider.ts'
import {
  type FaultRule,
  type FaultyProvider,
  faultyProvider,
  providerCases,
  runProviderConformance,
  virtualClock,
  wrapContext,
} from '../../../src/testing/index.ts'
import { failed, record } from './recorder.ts'

const context = wrapContext()
const key = Uint8Array.from(randomBytes(64))
const opened: KeyProvider[] = []
afterEach(async () => {
  for (const provider of opened.splice(0)) await provider.close?.()
})

function faulty(rules: readonly FaultRule[], seed = 1) {
  const clock = virtualClock(0)
  const inner = memoryProvider()
  const provider = faultyProvider(inner, { clock, rules, seed })
  opened.push(provider)
  return { clock, inner, provider }
}

/** What each of `count` calls comes to: 'ok' or a code. */
async function wraps(provider: FaultyProvider, count: number): Promise<string[]> {
  const results: string[] = []
  for (let call = 0; call < count; call++) {
    results.push(
      await provider.wrapKey(key, context).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      ),
    )
  }
  return results
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b)
const THROTTLED = 'ERR_PROVIDER_THROTTLED'
const UNAVAILABLE = 'ERR_PROVIDER_UNAVAILABLE'

describe('faultyProvider: which calls are struck', () => {
  it('keeps the contract where no rule says otherwise', async () => {
    const harness = {
      open: async (): Promise<[KeyProvider, KeyProvider]> => [faulty([]).provider, faulty([]).provider],
    }
    const titles = providerCases()
    const found = await record((runner) => {
      const tests = titles.slice(titles.indexOf('a pinned version wraps under it'))
      runProviderConformance('faulty', harness, {
        runner,
        skips: [{ reason: 'as the memory provider', tests }],
      })
    })
    expect(failed(found)).toEqual([])
  })

  it.each<[string, Omit<FaultRule, 'fault'>, string]>([
    ['all', {}, 'xxxxxxxx'],
    ['none', { times: 0 }, '........'],
    ['the first two', { times: 2 }, 'xx......'],
    ['those after the third', { after: 3 }, '...xxxxx'],
    ['every third', { every: 3 }, '..x..x..'],
    ['every second after the first, twice', { after: 1, every: 2, times: 2 }, '..x.x...'],
    ['none of the wraps', { on: ['unwrap', 'describe'] }, '........'],
    ['none by chance', { probability: 0 }, '........'],
  ])('%s', async (_, rule, pattern) => {
    const { provider } = faulty([{ fault: 'throttled', ...rule }])
    expect((await wraps(provider, 8)).map((result) => (result === 'ok' ? '.' : 'x')).join('')).toBe(pattern)
  })

  it('by time, from when to when', async () => {
    const { clock, provider } = faulty([{ fault: 'unavailable', fromMs: 100, untilMs: 200 }])
    const results: string[] = []
    for (const ms of [0, 99, 1, 99, 1]) {
      await clock.advance(ms)
      results.push(...(await wraps(provider, 1)))
    }
    expect(results).toEqual(['ok', 'ok', UNAVAILABLE, UNAVAILABLE, 'ok'])
  })

  it('the same ones for the same seed, and about the share that was asked for', async () => {
    const rules: FaultRule[] = [{ fault: 'throttled', probability: 0.3 }]
    const [one, again, other] = [
      await wraps(faulty(rules, 7).provider, 200),
      await wraps(faulty(rules, 7).provider, 200),
      await wraps(faulty(rules, 8).provider, 200),
    ]
    expect(again).toEqual(one)
    expect(other).not.toEqual(one)
    const share = one.filter((result) => result === THROTTLED).length / 200
    expect(share).toBeGreaterThan(0.2)
    expect(share).toBeLessThan(0.4)
  })

  it('by other rules, from the moment they are given', async () => {
    const { provider } = faulty([{ fault: 'throttled' }])
    expect(await wraps(provider, 2)).toEqual([THROTTLED, THROTTLED])
    provider.replaceRules([{ fault: 'unavailable', after: 1, times: 1 }])
    expect(await wraps(provider, 3)).toEqual(['ok', UNAVAILABLE, 'ok'])
  })

  it('counts calls, what was passed on, and faults', async () => {
    const { provider } = faulty([
      { fault: 'throttled', on: ['wrap'], times: 1 },
      { fault: 'lost-reply', on: ['wrap'], after: 1, times: 1 },
    ])
    await wraps(provider, 3)
    await provider.describeMasterKey()
    const { calls, faults, passed } = provider.counters
    expect(calls).toEqual({ describe: 1, rewrap: 0, rotate: 0, unwrap: 0, wrap: 3 })
    expect(passed).toEqual({ describe: 1, rewrap: 0, rotate: 0, unwrap: 0, wrap: 2 })
    expect(faults).toMatchObject({ 'lost-reply': 1, corrupted: 0, hanging: 0, throttled: 1 })
  })
})

describe('faultyProvider: what happens to a call', () => {
  it.each<[ProviderOperation, (provider: KeyProvider, wrapped: WrappedKey) => unknown]>([
    ['wrap', (provider) => provider.wrapKey(key, context)],
    ['unwrap', (provider, wrapped) => provider.unwrapKey(wrapped, context)],
    ['describe', (provider) => provider.describeMasterKey()],
    ['rotate', (provider) => provider.rotateMasterKey?.()],
    ['rewrap', (provider, wrapped) => provider.rewrapKey?.(wrapped, context)],
  ])('%s: throttled, unavailable and lost have their codes', async (operation, call) => {
    const { provider } = faulty([])
    const wrapped = await provider.wrapKey(key, context)
    for (const [fault, code] of [
      ['throttled', THROTTLED],
      ['unavailable', UNAVAILABLE],
      ['lost-reply', UNAVAILABLE],
    ] as const) {
      provider.replaceRules([{ fault, on: [operation] }])
      const error = await Promise.resolve(call(provider, wrapped)).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code, hint: expect.any(String), retryable: true })
      expect(provider.errorCode(error)).toBe(code)
    }
    expect(provider.counters.faults).toMatchObject({ 'lost-reply': 1, throttled: 1, unavailable: 1 })
  })

  it('latency: it takes as long as was drawn, on the clock of the plan', async () => {
    const { clock, provider } = faulty([
      { fault: 'latency', ms: 40 },
      { fault: 'latency', ms: 0, upToMs: 60 },
    ])
    const calls = Array.from({ length: 20 }, async () => {
      await provider.wrapKey(key, context)
      return clock.now()
    })
    await clock.advance(100)
    const times = await Promise.all(calls)
    expect(Math.min(...times)).toBeGreaterThanOrEqual(40)
    expect(Math.max(...times)).toBeLessThanOrEqual(100)
    expect(new Set(times).size).toBeGreaterThan(5)
    expect(clock.timers).toBe(0)
  })

  it('a throttled call is slow as well', async () => {
    const { clock, provider } = faulty([{ fault: 'throttled' }, { fault: 'latency', ms: 50 }])
    const failing = expect(provider.wrapKey(key, context)).rejects.toMatchObject({ code: THROTTLED })
    await clock.advance(50)
    await failing
  })

  it('hanging: only the signal or a close ends it', async () => {
    const { clock, provider } = faulty([{ fault: 'hanging' }])
    const controller = new AbortController()
    const calls = [
      provider.wrapKey(key, context, { signal: controller.signal }),
      provider.describeMasterKey({ signal: AbortSignal.timeout(1) }),
      provider.describeMasterKey(),
    ].map((call) => call.catch((error: { code: string }) => error.code))
    await clock.advance(1_000_000)
    controller.abort()
    expect(await calls[0]).toBe('ERR_ABORTED')
    expect(await calls[1]).toBe('ERR_PROVIDER_TIMEOUT')
    await provider.close()
    await provider.close()
    expect(await calls[2]).toBe('ERR_CLOSED')
    await expect(provider.describeMasterKey()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(provider.counters.passed.wrap).toBe(0)
  })

  it('an abort ends a latency, and the timer with it', async () => {
    const { clock, provider } = faulty([{ fault: 'latency', ms: 1_000 }])
    const controller = new AbortController()
    const call = provider.wrapKey(key, context, { signal: controller.signal })
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expect(provider.wrapKey(key, context, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    })
    expect(clock.timers).toBe(0)
  })

  it('lost-reply: the service did it, and an unwrapped key is wiped', async () => {
    const { inner, provider } = faulty([{ fault: 'lost-reply', on: ['rotate'] }])
    const rotating = provider.rotateMasterKey?.()
    await expect(rotating).rejects.toMatchObject({ code: UNAVAILABLE })
    expect((await inner.describeMasterKey()).version).toBe('2')

    const given = Uint8Array.from(key)
    const holding = faultyProvider(
      { ...inner, unwrapKey: async () => given },
      { rules: [{ fault: 'lost-reply' }] },
    )
    await expect(holding.unwrapKey(await inner.wrapKey(key, context), context)).rejects.toThrow('lost')
    expect(given.every((byte) => byte === 0)).toBe(true)
  })

  it('stale-version: replies name the version before the newest', async () => {
    const { inner, provider } = faulty([{ fault: 'stale-version' }])
    expect((await provider.describeMasterKey()).version).toBe('1') // there is no older one
    expect((await provider.rotateMasterKey?.())?.version).toBe('1')
    expect((await provider.describeMasterKey()).version).toBe('1')
    const wrapped = await provider.wrapKey(key, context)
    expect(wrapped.masterKeyVersion).toBe('1')
    await expect(provider.unwrapKey(wrapped, context)).rejects.toMatchObject({ code: 'ERR_UNWRAP_FAILED' })
    const exact = { ...wrapped, masterKeyVersion: '2' }
    expect(same(await provider.unwrapKey(exact, context), key)).toBe(true)
    expect((await inner.describeMasterKey()).version).toBe('2')
  })

  it('corrupted: the reply is not what the service said', async () => {
    const { inner, provider } = faulty([{ fault: 'corrupted' }])
    const good = await inner.wrapKey(key, context)
    const bad = await provider.wrapKey(key, context)
    await expect(inner.unwrapKey(bad, context)).rejects.toMatchObject({ code: 'ERR_UNWRAP_FAILED' })
    const unwrapped = await provider.unwrapKey(good, context)
    expect([unwrapped.length, same(unwrapped, key)]).toEqual([64, false])
    expect((await provider.describeMasterKey()).id).not.toBe(good.masterKeyId)
    const rewrapped = (await provider.rewrapKey?.(good, context)) ?? good
    await expect(inner.unwrapKey(rewrapped, context)).rejects.toMatchObject({ code: 'ERR_UNWRAP_FAILED' })
    expect(same(await inner.unwrapKey(good, context), key)).toBe(true) // nothing of the caller's was changed
  })

  it('passes the errors of the provider on, and leaves their codes to it', async () => {
    const { provider } = faulty([])
    const wrapped = await provider.wrapKey(key, context)
    const broken = { ...wrapped, ciphertext: wrapped.ciphertext.subarray(1) }
    const error = await provider.unwrapKey(broken, context).catch((thrown: unknown) => thrown)
    expect(provider.errorCode(error)).toBe('ERR_UNWRAP_FAILED')
    for (const odd of [undefined, null, 'text', {}])
      expect(provider.errorCode(odd)).toBe('ERR_PROVIDER_FAILED')
  })

  it('has no member that the provider has not', () => {
    const { rewrapKey: _, rotateMasterKey: __, close: ___, ...least } = memoryProvider()
    const provider = faultyProvider(least, { rules: [] })
    expect('rotateMasterKey' in provider || 'rewrapKey' in provider).toBe(false)
  })
})

describe('faultyProvider: rules that cannot be', () => {
  it.each<[string, object]>([
    ['an unknown fault', { fault: 'slow' }],
    ['no fault', { ms: 5 }],
    ['an unknown member', { fault: 'throttled', evry: 3 }],
    ['an unknown operation', { fault: 'throttled', on: ['encrypt'] }],
    ['no array of operations', { fault: 'throttled', on: 'wrap' }],
    ['a period of 0', { fault: 'throttled', every: 0 }],
    ['half a call', { fault: 'throttled', after: 0.5 }],
    ['a probability above 1', { fault: 'throttled', probability: 1.5 }],
    ['a time that is none', { fault: 'throttled', fromMs: Number.NaN }],
    ['a latency without ms', { fault: 'latency', upToMs: 5 }],
    ['a latency that ends before it begins', { fault: 'latency', ms: 5, upToMs: 4 }],
    ['ms of another fault', { fault: 'throttled', ms: 5 }],
    ['a version in the reply to an unwrap', { fault: 'stale-version', on: ['unwrap'] }],
  ])('%s', (_, rule) => {
    const make = () => faultyProvider(memoryProvider(), { rules: [{ fault: 'hanging' }, rule as FaultRule] })
    expect(make).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT_INVALID',
        message: expect.stringContaining('rule 2 of the fault plan'),
        hint: expect.stringContaining('stale-version'),
      }),
    )
  })

  it('a rule cannot be changed behind its back', async () => {
    const rule: { fault: 'throttled'; times: number } = { fault: 'throttled', times: 0 }
    const { provider } = faulty([rule])
    rule.times = 5
    expect(await wraps(provider, 1)).toEqual(['ok'])
  })
})
