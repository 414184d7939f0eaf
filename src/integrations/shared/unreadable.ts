/**
 * Values that do not open, told apart from outages. A value that was changed, copied from elsewhere, or whose key was
 * revoked or destroyed will not open later either: it is as good as none. While a provider or the key store is down
 * nothing is known of a value, and taking it for none would log everybody out.
 */
import { type ErrorCode, type ErrorDetails, KeywrightError } from '../../errors.ts'

const UNREADABLE: ReadonlySet<ErrorCode> = new Set([
  'ERR_DECRYPTION_FAILED',
  'ERR_CIPHERTEXT_EMPTY',
  'ERR_CIPHERTEXT_MALFORMED',
  'ERR_NOT_CIPHERTEXT',
  'ERR_VALUE_TYPE',
  'ERR_KEYRING_MISMATCH',
  'ERR_KEY_UNKNOWN',
  'ERR_KEY_SUSPENDED',
  'ERR_KEY_COMPROMISED',
  'ERR_KEY_EXPIRED',
  'ERR_KEY_DESTROYED',
])

/** Whether `error` says that a value does not open, and not that something is down or wrongly set up. */
export const isUnreadable = (error: unknown): error is KeywrightError =>
  error instanceof KeywrightError && UNREADABLE.has(error.code)

/** Is told of every value that does not open. It never gets the value, nor what would open a session. */
export type OnError = (error: KeywrightError) => void

/** Tells `onError`, whose own failure is no reason to fail a request. */
export function report(
  onError: OnError | undefined,
  error: KeywrightError,
  what: string,
  details: ErrorDetails,
): void {
  if (onError === undefined) return
  const { code, message, hint } = error
  try {
    onError(
      new KeywrightError(code, `${what} does not open: ${message}`, {
        ...(hint === undefined ? {} : { hint }),
        details: { ...error.details, ...details },
      }),
    )
  } catch {
    // A logger that fails must not take the application down with it.
  }
}
