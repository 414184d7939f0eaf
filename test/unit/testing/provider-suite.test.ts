import { describe, expect, it } from 'vitest'
import type { KeyProvider } from '../../../src/provider.ts'
import {
  type ConformanceSkip,
  type ProviderHarness,
  providerCases,
  runProviderConformance,
} from '../../../src/testing/index.ts'
import { BROKEN_PROVIDERS } from './broken-providers.ts'
import { BROKEN_SERVICES } from './broken-services.ts'
import { fullHarness } from './full-harness.ts'
import { failed, type Outcome, record } from './recorder.ts'

const outcomes = (
  harness: ProviderHarness,
  skips: readonly ConformanceSkip[] = [],
): Promise<Map<string, Outcome>> =>
  record((runner) => runProviderConformance('tried', harness, { runner, skips }))

// Each suite waits for its signals: together they wait once.
describe.concurrent('the provider suite', () => {
  it('passes a provider that keeps the contract, with every member of the harness', async () => {
    const found = await outcomes(fullHarness())
    expect([...found].filter(([, { state }]) => state !== 'passed')).toEqual([])
    expect([...found.keys()]).toEqual([...providerCases(), 'skips name tests that exist'])
    const facts = [...found.values()].flatMap((outcome) => outcome.facts)
    expect(facts).toEqual(
      expect.arrayContaining(['algorithm: AES-256-GCM', 'binds the context: yes', 'after close: ERR_CLOSED']),
    )
  })

  it.each(BROKEN_PROVIDERS)('catches a provider that $what', async ({ caught, change }) => {
    const found = await outcomes(fullHarness(change))
    expect(failed(found)).toEqual(caught)
  })

  it.each(BROKEN_SERVICES)('catches that $what', async ({ caught, members }) => {
    const harness = fullHarness()
    const found = await outcomes({ ...harness, ...members(harness) })
    expect(failed(found)).toEqual(caught)
  })

  it('never shows a key, whatever fails', async () => {
    const keys: Uint8Array[] = []
    const watched = (provider: KeyProvider): KeyProvider => ({
      ...provider,
      wrapKey(key, context, options) {
        keys.push(Uint8Array.from(key))
        return provider.wrapKey(key, context, options)
      },
      unwrapKey: async (wrapped, context, options) =>
        (await provider.unwrapKey(wrapped, context, options)).map((byte) => byte ^ 1),
    })
    const found = await outcomes(fullHarness(watched))
    const reasons = [...found.values()].map(({ reason = '' }) => reason).join('\n')
    expect(failed(found).length).toBeGreaterThan(5)
    const shown = keys
      .filter((key) => key.length > 16)
      .some((key) => reasons.includes(Buffer.from(key.subarray(0, 9)).toString('base64')))
    expect(shown || /<Buffer|Uint8Array|\d+, \d+, \d+/.test(reasons)).toBe(false)
  })

  it('wants a reason for what the harness does not have', async () => {
    const { openDenied: _, ...harness } = fullHarness()
    const title = 'a missing permission has its code'
    const without = await outcomes(harness)
    expect(failed(without)).toEqual([title])
    expect(without.get(title)?.reason).toContain('the harness has no "openDenied"')
    const skipped = await outcomes(harness, [{ reason: 'no identities', tests: [title] }])
    expect(skipped.get(title)).toMatchObject({ state: 'skipped', reason: 'no identities' })
    expect(failed(skipped)).toEqual([])
  })

  it('skips what capabilities announce as absent, and says so', async () => {
    const least = ({ rewrapKey: _, rotateMasterKey: __, ...provider }: KeyProvider): KeyProvider => ({
      ...provider,
      capabilities: { ...provider.capabilities, rewraps: false, rotatesMasterKey: false },
    })
    const found = await outcomes(fullHarness(least))
    expect(failed(found)).toEqual([])
    const skipped = [...found].filter(([, { state }]) => state === 'skipped')
    expect(skipped.map(([title]) => title)).toEqual([
      'after a rotation old and new wraps open',
      'a wrap opens only under the version that made it',
      'rewrap moves a wrap to the current version',
    ])
    for (const [, { reason }] of skipped) expect(reason).toContain('its capabilities say so')
  })

  it('refuses a skip of a test that does not exist', async () => {
    const found = await outcomes(fullHarness(), [{ reason: 'old', tests: ['a test of long ago'] }])
    expect(failed(found)).toEqual(['skips name tests that exist'])
  })

  it('ends a test that takes too long, and says which', async () => {
    const harness = { ...fullHarness(), open: () => new Promise<never>(() => {}) }
    const title = providerCases()[0] ?? ''
    const found = await record((runner) => {
      runProviderConformance('slow', harness, { runner, testTimeoutMs: 20 })
    })
    expect(found.get(title)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining(`${title} did not end within 20 ms`),
    })
  })
})
