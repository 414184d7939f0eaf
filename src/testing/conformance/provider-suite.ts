/** The contract of a `KeyProvider` as a suite of tests, for any runner. */
import assert from 'node:assert/strict'
import type { KeyProvider } from '../../provider.ts'
import { REFUSALS, WRAPS } from './provider-contract.ts'
import { MASTER_KEY_STATES, SERVER_FAILURES } from './provider-failures.ts'
import { createFixture, type ProviderCase } from './provider-fixture.ts'
import type { ProviderHarness } from './provider-kit.ts'
import { CLIENTS, ROTATION } from './provider-master-keys.ts'
import {
  type ConformanceOptions,
  type RunningTest,
  sayFact,
  skipReasons,
  TEST_TIMEOUT_MS,
  within,
} from './runner.ts'

const CASES: readonly ProviderCase[] = [
  ...WRAPS,
  ...REFUSALS,
  ...ROTATION,
  ...CLIENTS,
  ...MASTER_KEY_STATES,
  ...SERVER_FAILURES,
]

/** Titles of the tests of the provider contract, in their order: what a skip may name. */
export function providerCases(): readonly string[] {
  return CASES.map(({ title }) => title)
}

/**
 * Runs the contract of a key provider with the given test runner. Call it at the top level of a test file. A skip needs
 * a reason, and a test that needs a member which the harness has not needs a skip: nothing is left out in silence.
 */
export function runProviderConformance(
  name: string,
  harness: ProviderHarness,
  options: ConformanceOptions,
): void {
  const { runner, skips, testTimeoutMs = TEST_TIMEOUT_MS } = options
  const opened: KeyProvider[] = []
  const reasons = skipReasons(skips)
  const keep = (provider: KeyProvider): KeyProvider => {
    opened.push(provider)
    return provider
  }

  async function run({ needs = [], run }: ProviderCase, test: RunningTest): Promise<void> {
    for (const need of needs) {
      assert.ok(harness[need], `the harness has no "${need}": add it, or skip this test with a reason`)
    }
    const [first, second] = await harness.open()
    const fact = (name: string, value: string): Promise<void> => sayFact(test, name, value)
    const skip = (reason: string): void => test.skip(reason)
    await run(createFixture({ fact, first: keep(first), harness, keep, second: keep(second), skip }))
  }

  runner.describe(`provider contract: ${name}`, () => {
    runner.afterEach(async () => {
      const closing = opened.splice(0).map(async (provider) => provider.close?.())
      await within(testTimeoutMs, 'closing the providers of a test', Promise.all(closing))
    })
    for (const one of CASES) {
      runner.it(one.title, async (test: RunningTest) => {
        const reason = reasons.get(one.title)
        if (reason !== undefined) return test.skip(reason)
        await within(testTimeoutMs, one.title, run(one, test))
      })
    }
    runner.it('skips name tests that exist', async () => {
      const titles = providerCases()
      assert.deepEqual(
        [...reasons.keys()].filter((title) => !titles.includes(title)),
        [],
      )
    })
  })
}
