/**
 * What the conformance suites need of a test runner: `describe`, `it` and `afterEach` of vitest or of node:test, as
 * they are.
 *
 *     import { afterEach, describe, it } from 'node:test' // or from 'vitest'
 *     runProviderConformance('acme', harness, { runner: { afterEach, describe, it } })
 */
import { AssertionError } from 'node:assert/strict'

/** The part of a runner's test context that the suites use. */
export interface RunningTest {
  /** Marks the test as skipped. vitest ends the test with it, node:test does not. */
  skip(reason?: string): void
  /** vitest: what is said of a test beside its result. */
  annotate?(message: string): unknown
  /** node:test: the same. */
  diagnostic?(message: string): void
}

/** The part of a test runner that the suites use. */
export interface TestRunner {
  describe(name: string, define: () => void): unknown
  it(title: string, run: (test: RunningTest) => Promise<void>): unknown
  afterEach(run: () => Promise<void>): unknown
}

/** Tests that a backend cannot pass, and why. */
export interface ConformanceSkip {
  /** Why the backend cannot do it. */
  readonly reason: string
  /** Titles of the tests, as they stand in the suite. */
  readonly tests: readonly string[]
}

/** What both suites take. */
export interface ConformanceOptions {
  readonly runner: TestRunner
  /** What is left out. Every entry names tests that exist and says why. */
  readonly skips?: readonly ConformanceSkip[]
  /** A test that takes longer has failed, in ms. The runner's own limit may be shorter. @default 30_000 */
  readonly testTimeoutMs?: number
}

/** Limit of one test, in ms, where the user gives none. */
export const TEST_TIMEOUT_MS = 30_000

/** Title → reason. */
export function skipReasons(skips: readonly ConformanceSkip[] = []): ReadonlyMap<string, string> {
  return new Map(skips.flatMap(({ reason, tests }) => tests.map((title) => [title, reason] as const)))
}

/** Says a fact about the backend beside the result of the test, as `name: value`. */
export async function sayFact(test: RunningTest, name: string, value: string): Promise<void> {
  const text = `${name}: ${value}`
  if (test.annotate !== undefined) await test.annotate(text)
  else test.diagnostic?.(text)
}

/** What `work` comes to, or a failure after `ms` milliseconds. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AssertionError({ message: `${what} did not end within ${ms} ms` }))
    }, ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
