/**
 * The contract of a KeyProvider as tests of vitest. A provider's own test file calls this first, then adds its edge
 * cases.
 */
import { afterEach, describe, it } from 'vitest'
import { runProviderConformance as run } from '../../src/testing/conformance/provider-suite.ts'
import type { ConformanceSkip, ProviderHarness } from './provider-kit.ts'

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
  run(name, harness, { runner: { afterEach, describe, it }, skips })
}
