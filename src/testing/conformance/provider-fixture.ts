/** What a test of the provider contract gets. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { ERROR_CODES, type ErrorCode } from '../../errors.ts'
import type { KeyProvider } from '../../provider.ts'
import { codeOf, expectNoSecret, failureOf, type ProviderHarness } from './provider-kit.ts'

/** Shorter keys stand in too many texts by chance. */
const SHORTEST_SECRET_BYTES = 16

type Call = () => Promise<unknown>

/** A test of the contract. Its title is what a skip names. */
export interface ProviderCase {
  readonly title: string
  /** Optional members of the harness without which the test cannot run. */
  readonly needs?: readonly (keyof ProviderHarness)[]
  readonly run: (fixture: Fixture) => Promise<void>
}

export interface Fixture {
  /** With every member that the test needs. */
  readonly harness: Required<ProviderHarness>
  readonly first: KeyProvider
  readonly second: KeyProvider
  /** Has the provider closed with the test. */
  readonly keep: (provider: KeyProvider) => KeyProvider
  /** A random key, 64 bytes if not said otherwise. From now on no error of this test may show it. */
  readonly newKey: (bytes?: number) => Uint8Array
  /**
   * The code with which core would report the failure of `call`. Fails when the call resolves, when the code is none
   * of the table, and when the error shows a key of this test or a secret of the harness.
   */
  readonly refused: (provider: KeyProvider, what: string, call: Call) => Promise<ErrorCode>
  /** Fails unless the call is refused with one of these codes, as it is or as the provider sorts it. */
  readonly refusedAs: (
    provider: KeyProvider,
    what: string,
    codes: readonly ErrorCode[],
    call: Call,
  ) => Promise<void>
  /** Says a fact about the provider beside the result of the test. */
  readonly fact: (name: string, value: string) => Promise<void>
  /** Marks the test as skipped, for what capabilities announce as absent. Return right after it. */
  readonly skip: (reason: string) => void
}

/** The fixture of one test, around what its runner and its harness gave. */
export function createFixture(
  given: Pick<Fixture, 'first' | 'second' | 'keep' | 'fact' | 'skip'> & { readonly harness: ProviderHarness },
): Fixture {
  const harness = given.harness as Required<ProviderHarness> // the suite looks for what a test needs
  const keys: Uint8Array[] = []

  async function refusal(provider: KeyProvider, what: string, call: Call): Promise<[ErrorCode, ErrorCode]> {
    const error = await failureOf(call, what)
    expectNoSecret(error, [...keys, ...(given.harness.secrets?.() ?? [])], what)
    const code = codeOf(provider, error)
    assert.ok(Object.hasOwn(ERROR_CODES, code), `${what}: the error has no code of the table`)
    return [code, provider.errorCode(error)]
  }

  return {
    ...given,
    harness,
    newKey(bytes = 64) {
      const key = Uint8Array.from(randomBytes(bytes))
      if (bytes >= SHORTEST_SECRET_BYTES) keys.push(Uint8Array.from(key))
      return key
    },
    async refused(provider, what, call) {
      return (await refusal(provider, what, call))[0]
    },
    async refusedAs(provider, what, codes, call) {
      const found = await refusal(provider, what, call)
      const right = found.some((code) => codes.includes(code))
      assert.ok(right, `${what}: expected ${codes.join(' or ')}, got ${found[0]}`)
    },
  }
}
