/** Which failures are those of a single value: it is counted and left as it is, and work goes on with the next one. */
import { type ErrorCode, KeywrightError } from '../../errors.ts'

const OF_ONE_VALUE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_CIPHERTEXT_EMPTY',
  'ERR_CIPHERTEXT_MALFORMED',
  'ERR_NOT_CIPHERTEXT',
  'ERR_DECRYPTION_FAILED',
  'ERR_CONTEXT_INVALID',
  'ERR_TENANT_INVALID',
  'ERR_KEYRING_MISMATCH',
  'ERR_KEY_UNKNOWN',
  'ERR_KEY_SUSPENDED',
  'ERR_KEY_COMPROMISED',
  'ERR_KEY_DESTROYED',
  'ERR_KEY_EXPIRED',
])

/**
 * The code of a failure that concerns one value only. Throws everything else again: a provider that is down, a store
 * that is gone. For reading a value; a failure to encrypt is never that of one value.
 */
export function valueFailure(error: unknown): ErrorCode {
  if (error instanceof KeywrightError && OF_ONE_VALUE.has(error.code)) return error.code
  throw error
}
