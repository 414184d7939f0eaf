/** What the provider contract and the providers' own tests share: the harness, contexts, failures, secrets. */
import { AssertionError } from 'node:assert/strict'
import { inspect } from 'node:util'
import { canonicalBytes } from '../../crypto/canonical.ts'
import { type ErrorCode, KeywrightError } from '../../errors.ts'
import type { KeyProvider, WrapContext, WrappedKey } from '../../provider.ts'

/**
 * How the suite gets providers. `open` is called anew for each test and gives usable master keys, whatever the tests
 * before did to theirs. A member that the backend cannot have is left out, and its tests are skipped with a reason.
 */
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
  /** Takes the master key of the first provider that `open` gave last out of use, and back. */
  disable?(): Promise<void>
  enable?(): Promise<void>
  /** Deletes it, or schedules its deletion where the service only does that. */
  delete?(): Promise<void>
  /** A provider that is pinned to this version of the first provider's master key. The suite closes it. */
  openPinned?(version: string): Promise<KeyProvider>
  /** A provider on a master key that does not exist. The suite closes it and all that follow. */
  openUnknown?(): Promise<KeyProvider>
  /** … on a real master key, for an identity without permissions. */
  openDenied?(): Promise<KeyProvider>
  /** … whose server is not there: a closed port. */
  openUnreachable?(): Promise<KeyProvider>
  /** … whose server takes the connection and never answers. */
  openHanging?(): Promise<KeyProvider>
  /** … whose server says "too many requests" to the first call, and serves all others. */
  openThrottled?(): Promise<KeyProvider>
  /** … whose credentials are good for the calls before `expire`, and renewed by the provider itself after it. */
  openExpiring?(): Promise<{ provider: KeyProvider; expire(): Promise<void> }>
  /** Root secrets, tokens, credentials: no error may hold them. */
  secrets?(): readonly (string | Uint8Array)[]
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
export async function failureOf(call: () => Promise<unknown>, what = 'the call'): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new AssertionError({ message: `${what}: expected a failure, but it resolved` })
}

/** An object that refers to itself has no JSON. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return ''
  }
}

/** Everything that could be printed of an error. */
function textOf(error: unknown): string {
  const { message, stack } = Object(error) as Error
  const shown = inspect(error, { depth: 9, showHidden: true })
  // inspect sets long lists of numbers in columns.
  return [message, stack, jsonOf(error), shown, shown.replace(/\s+/g, ' ')].join('\n')
}

/** The spellings in which bytes get into texts. */
function spellingsOf(secret: string | Uint8Array): string[] {
  const start = Buffer.from(secret).subarray(0, 9) // 9 bytes end on a whole base64 group: also found within a longer text
  return [
    start.toString('hex'),
    start.toString('base64'),
    start.toString('base64url'),
    start.toString('latin1'),
    [...start].join(','),
    [...start].join(', '),
    [...start].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
  ]
}

/** Fails when an error shows a secret, in any of the spellings in which bytes get into texts. Prints neither. */
export function expectNoSecret(
  error: unknown,
  secrets: readonly (string | Uint8Array)[],
  what = 'the call',
): void {
  const text = textOf(error).toLowerCase()
  const spellings = secrets.flatMap(spellingsOf).filter((spelling) => spelling !== '')
  const shown = spellings.some((spelling) => text.includes(spelling.toLowerCase()))
  if (shown) throw new AssertionError({ message: `${what}: the error shows a secret or a key` })
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
