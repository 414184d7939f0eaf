/**
 * The contract of a KeyProvider as tests. A provider's own test file calls this first, then adds its edge
 * cases.
 */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/errors.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { CONTRACT, type Fixture, NEEDS } from './provider-contract.ts'
import {
  type ConformanceSkip,
  codeOf,
  damaged,
  expectNoSecret,
  failureOf,
  type ProviderHarness,
  wrapContext,
} from './provider-kit.ts'

export * from './provider-kit.ts'

/**
 * Runs the contract against a provider. A skip needs a reason, and a test that needs a member which the
 * harness has not needs a skip: nothing is left out in silence.
 */
export function runProviderConformance(
  name: string,
  harness: ProviderHarness,
  skips: readonly ConformanceSkip[] = [],
): void {
  const opened: KeyProvider[] = []
  const reasons = new Map(skips.flatMap(({ reason, tests }) => tests.map((test) => [test, reason])))
  const keep = (provider: KeyProvider): KeyProvider => {
    opened.push(provider)
    return provider
  }
  const refused: Fixture['refused'] = async (provider, call) => {
    const error = await failureOf(call)
    expectNoSecret(error, harness.secrets?.() ?? [])
    const code = codeOf(provider, error)
    expect(ERROR_CODES).toHaveProperty(code)
    return code
  }

  describe(`provider contract: ${name}`, () => {
    afterEach(async () => {
      for (const provider of opened.splice(0)) await provider.close?.()
    })
    for (const [title, run] of CONTRACT) {
      it(title, async ({ skip }) => {
        skip(reasons.has(title), reasons.get(title))
        const need = NEEDS[title]
        if (need !== undefined) expect(harness[need], `the harness has no "${need}"`).toBeDefined()
        const [first, second] = await harness.open()
        await run({ first: keep(first), harness, keep, refused, second: keep(second) })
      })
    }
    it('skips name tests that exist', () => {
      const titles = CONTRACT.map(([title]) => title)
      expect(titles).toEqual(expect.arrayContaining([...reasons.keys()]))
    })
    it('no error shows a key', async () => {
      const [first, second] = await harness.open()
      keep(first)
      keep(second)
      const key = randomBytes(64)
      const context = wrapContext()
      const wrapped = await first.wrapKey(key, context)
      const errors = [
        await failureOf(() => second.unwrapKey(wrapped, context)),
        await failureOf(() => first.wrapKey(key, context, { signal: AbortSignal.abort() })),
        await failureOf(() => first.unwrapKey({ ...wrapped, masterKeyVersion: '987654321' }, context)),
        ...(await Promise.all(
          Object.values(damaged(wrapped)).map((bad) => failureOf(() => first.unwrapKey(bad, context))),
        )),
      ]
      for (const error of errors) expectNoSecret(error, [key, ...(harness.secrets?.() ?? [])])
    })
  })
}
