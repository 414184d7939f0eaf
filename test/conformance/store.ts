/** The contract of a key store (src/store.ts) as tests of vitest. A store's own test file calls this first. */
import { afterEach, describe, it } from 'vitest'
import type { ConformanceSkip } from '../../src/testing/conformance/runner.ts'
import type { StoreHarness as Harness } from '../../src/testing/conformance/store-kit.ts'
import { runStoreConformance as run } from '../../src/testing/conformance/store-suite.ts'

export interface StoreHarness extends Harness {
  /** Tests, by their full titles, that this store cannot pass, and why. */
  skips?: readonly ConformanceSkip[]
}

/** Runs the contract of a key store. */
export function runStoreConformance(name: string, harness: StoreHarness): void {
  run(name, harness, { runner: { afterEach, describe, it }, skips: harness.skips ?? [] })
}
