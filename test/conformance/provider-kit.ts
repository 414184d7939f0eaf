/**
 * What the provider contract and the providers' own tests share: the harness, contexts, failures, secrets.
 */
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { canonicalBytes } from '../../src/crypto/canonical.ts'
import { type ErrorCode, KeywrightError } from '../../src/errors.ts'
import type { KeyProvider, WrapContext, WrappedKey } from '../../src/provider.ts'

export interface ProviderHarness {
  /**
   * Two providers with two different master keys. They may have the same instance name. The suite closes
   * them.
   */
  open(): Promise<[KeyProvider, KeyProvider]>
  /** A new client on the master key of the first provider that `open` gave last. The suite closes it. */
  reopen?(): Promise<KeyProvider>
  /** A provider whose backend cannot be used yet, and what makes it usable. The suite closes it. */
  openBroken?(): Promise<{ provider: KeyProvider; repair(): Promise<void> }>
  /** Root secrets, tokens, credentials: no error may hold them. */
  secrets?(): readonly (string | Uint8Array)[]
}

export interface ConformanceSkip {
  /** Why the backend cannot do it. */
  readonly reason: string
  /** Names of the tests, as they stand in this file. */
  readonly tests: readonly string[]
}

/** A context as core makes it. */
export function wrapContext(entries: Record<string, string> = { keyring: 'pii', version: '1' }): WrapContext {
  return { bytes: canonicalBytes(entries), entries }
}

/** The code under which core would report what a provider threw. */
export function codeOf(provider: KeyProvider, error: unknown): ErrorCode {
  return error instanceof KeywrightError ? error.code : provider.errorCode(error)
}

/** What `call` rejects with; fails when it resolves. */
export async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('expected a failure, but the call resolved')
}

/** Everything that could be printed of an error. */
function textOf(error: unknown): string {
  const { message, stack } = error as Error
  return [message, stack, JSON.stringify(error), inspect(error, { depth: 9, showHidden: true })].join('\n')
}

/** Fails when an error shows a secret, in any of the spellings in which bytes get into texts. */
export function expectNoSecret(error: unknown, secrets: readonly (string | Uint8Array)[]): void {
  const text = textOf(error).toLowerCase()
  for (const secret of secrets) {
    const bytes = Buffer.from(secret)
    const start = bytes.subarray(0, 9) // 9 bytes end on a whole base64 group: also found within a longer text
    const spellings = [
      start.toString('hex'),
      start.toString('base64'),
      start.toString('base64url'),
      start.toString('latin1'),
      [...start].join(','),
      [...start].join(', '),
      [...start].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
    ]
    for (const spelling of spellings) expect(text.includes(spelling.toLowerCase())).toBe(false)
  }
}

/** One wrap, broken in each way that matters. */
export function damaged(wrapped: WrappedKey): Record<string, WrappedKey> {
  const { ciphertext } = wrapped
  const flip = (index: number): Uint8Array => ciphertext.map((byte, at) => (at === index ? byte ^ 1 : byte))
  const variants = {
    'first byte flipped': flip(0),
    'middle byte flipped': flip(ciphertext.length >> 1),
    'last byte flipped': flip(ciphertext.length - 1),
    'cut by one byte': ciphertext.subarray(0, -1),
    'cut to one byte': ciphertext.subarray(0, 1),
    extended: Buffer.concat([ciphertext, Buffer.from([0])]),
    empty: new Uint8Array(),
  }
  return Object.fromEntries(
    Object.entries(variants).map(([name, changed]) => [name, { ...wrapped, ciphertext: changed }]),
  )
}

/** Same bytes; unlike a deep comparison it prints neither of them. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a).equals(b)
}
