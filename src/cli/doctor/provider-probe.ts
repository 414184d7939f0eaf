/** One provider being tried: describe, wrap, unwrap. Failures are collected, with the permission that may be lacking. */
import { randomBytes } from 'node:crypto'
import { equalBytes, wipe } from '../../crypto/bytes.ts'
import { canonicalBytes } from '../../crypto/canonical.ts'
import { type ErrorCode, KeywrightError } from '../../errors.ts'
import type { ProviderCalls } from '../../keys/provider-calls.ts'
import type { MasterKeyDescription, ProviderOperation, WrapContext } from '../../provider.ts'
import { type Finding, failed, findingOf, ok } from './finding.ts'

/** After these the next call cannot fare better, and would only wait once more. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set([
  'ERR_CONFIG_INVALID',
  'ERR_DEPENDENCY_MISSING',
  'ERR_PROVIDER_UNAVAILABLE',
  'ERR_PROVIDER_TIMEOUT',
  'ERR_PROVIDER_UNAUTHENTICATED',
  'ERR_PROVIDER_SEALED',
  'ERR_PROVIDER_STANDBY',
])

export interface Probed {
  /** For the check list: 'provider vault'. */
  readonly title: string
  /** The name of the provider instance in `calls`. */
  readonly name: string
  readonly calls: ProviderCalls
  /** What each operation needs, in the service's own words. */
  readonly permissions: Readonly<Partial<Record<ProviderOperation, string>>>
}

export class Probe {
  readonly problems: Finding[] = []
  readonly #probed: Probed
  #isHopeless = false

  constructor(probed: Probed) {
    this.#probed = probed
  }

  /** The master key as the service describes it; undefined after a failure. */
  describe(): Promise<MasterKeyDescription | undefined> {
    const { calls, name } = this.#probed
    return this.#try('describe', () => calls.describe(name))
  }

  /** Wraps a random key, unwraps it and compares. */
  async use(): Promise<Finding[]> {
    if (this.#isHopeless) return []
    const { calls, name, title } = this.#probed
    const entries = { purpose: 'keywright doctor' }
    const context: WrapContext = { entries, bytes: canonicalBytes(entries) }
    const key = randomBytes(32)
    try {
      const started = performance.now()
      const wrapped = await this.#try('wrap', () => calls.wrap(name, key, context))
      const between = performance.now()
      if (wrapped === undefined) return []
      const back = await this.#try('unwrap', () => calls.unwrap(wrapped, context))
      if (back === undefined) return []
      const ended = performance.now()
      if (!equalBytes(back, key))
        return [failed(title, 'it gives back another key than it wrapped', 'do not use it')]
      const times = `wraps in ${(between - started).toFixed(1)} ms, unwraps in ${(ended - between).toFixed(1)} ms`
      return [ok(title, times)]
    } finally {
      wipe(key)
    }
  }

  async #try<T>(operation: ProviderOperation, run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run()
    } catch (error) {
      this.#note(operation, error)
      return undefined
    }
  }

  #note(operation: ProviderOperation, error: unknown): void {
    const { permissions, title } = this.#probed
    if (error instanceof KeywrightError && HOPELESS.has(error.code)) this.#isHopeless = true
    if (error instanceof KeywrightError && error.code === 'ERR_PROVIDER_DENIED') {
      this.problems.push(denied(title, operation, permissions[operation], error))
      return
    }
    const found = findingOf(title, error)
    // Two operations that fail for one reason are one finding.
    if (this.problems.some((other) => other.code === found.code && other.hint === found.hint)) return
    this.problems.push(found)
  }
}

/** Each operation has a permission of its own; the error's hint knows the settings that may name the wrong key. */
function denied(
  title: string,
  operation: ProviderOperation,
  permission: string | undefined,
  { code, hint, message }: KeywrightError,
): Finding {
  const needs = permission === undefined ? message : `it needs ${permission}`
  const policy = '`keywright doctor --fix-hints` prints the smallest policy that is enough'
  return failed(
    title,
    `may not ${operation}: ${needs}`,
    hint === undefined ? policy : `${hint}; ${policy}`,
    code,
  )
}
