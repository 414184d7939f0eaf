/** What a provider's own tests take from the suite. */
export * from '../../src/testing/conformance/provider-kit.ts'
export type { ConformanceSkip } from '../../src/testing/conformance/runner.ts'
