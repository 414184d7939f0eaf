/**
 * `keywright/testing`: for people who test an application with Keywright, or write a provider, a store or a
 * source of their own.
 * The conformance suites run on vitest and on node:test.
 */

export { type ProviderHarness, wrapContext } from './conformance/provider-kit.ts'
export { providerCases, runProviderConformance } from './conformance/provider-suite.ts'
export type {
  ConformanceOptions,
  ConformanceSkip,
  RunningTest,
  TestRunner,
} from './conformance/runner.ts'
export type { SourceBed, SourceHarness, SourceTestRow } from './conformance/source-kit.ts'
export { runSourceConformance, sourceCases } from './conformance/source-suite.ts'
export type { StoreHarness } from './conformance/store-kit.ts'
export { runStoreConformance, storeCases } from './conformance/store-suite.ts'
export type {
  Emulator,
  EmulatorKind,
  EmulatorMasterKey,
  EmulatorName,
  EmulatorOptions,
} from './emulator.ts'
export {
  type FaultCounters,
  type FaultKind,
  type FaultPlan,
  type FaultRule,
  type FaultyProvider,
  faultyProvider,
} from './faulty-provider.ts'
export { startEmulator } from './start.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
