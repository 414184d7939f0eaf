/** What every local provider does around a call: abort signals, argument checks, error codes. */
import { type ErrorCode, KeywrightError, type ProviderErrorCode } from '../../src/provider.ts'

/** Codes of local failures in the terms of a provider. What is not here is ERR_PROVIDER_FAILED. */
const SORTED: Readonly<Partial<Record<ErrorCode, ProviderErrorCode>>> = {
  ERR_ABORTED: 'ERR_ABORTED',
  ERR_DEPENDENCY_MISSING: 'ERR_DEPENDENCY_MISSING',
  ERR_FILE_LOCKED: 'ERR_PROVIDER_UNAVAILABLE',
  ERR_KEY_FILE_FOREIGN: 'ERR_MASTER_KEY_NOT_FOUND',
  ERR_MASTER_KEY_NOT_FOUND: 'ERR_MASTER_KEY_NOT_FOUND',
  ERR_PROVIDER_TIMEOUT: 'ERR_PROVIDER_TIMEOUT',
  ERR_ROOT_SECRET_MISSING: 'ERR_PROVIDER_UNAUTHENTICATED',
  ERR_ROOT_SECRET_WRONG: 'ERR_PROVIDER_UNAUTHENTICATED',
  ERR_UNWRAP_FAILED: 'ERR_UNWRAP_FAILED',
}

/** The code of whatever a local provider threw. Never throws. */
export function localErrorCode(error: unknown): ProviderErrorCode {
  if (error instanceof KeywrightError) return SORTED[error.code] ?? 'ERR_PROVIDER_FAILED'
  const name = error instanceof Error ? error.name : ''
  if (name === 'AbortError') return 'ERR_ABORTED'
  return name === 'TimeoutError' ? 'ERR_PROVIDER_TIMEOUT' : 'ERR_PROVIDER_FAILED'
}

/**
 * @throws KeywrightError ERR_ABORTED when the signal is aborted, ERR_PROVIDER_TIMEOUT when
 * AbortSignal.timeout did it. The reason itself may be anything, so it is not passed on.
 */
export function assertNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  const { reason } = signal
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    throw new KeywrightError('ERR_PROVIDER_TIMEOUT', 'the call took too long', {
      hint: 'try again, or allow it more time',
    })
  }
  throw new KeywrightError('ERR_ABORTED', 'the call was aborted')
}

/**
 * Throws ERR_ARGUMENT_INVALID unless `bytes` are 1 to `most` bytes; a copy of them, which the caller wipes.
 */
export function copyPayload(bytes: unknown, most: number): Uint8Array {
  if (!(bytes instanceof Uint8Array)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"key" expected Uint8Array, got ${typeof bytes}`)
  }
  if (bytes.length >= 1 && bytes.length <= most) return Uint8Array.from(bytes)
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"key" expected 1 to ${most} bytes, got ${bytes.length}`)
}

/** The one face of every wrap that does not open. */
export function unwrapFailed(): KeywrightError {
  return new KeywrightError('ERR_UNWRAP_FAILED', 'the wrapped key cannot be unwrapped', {
    hint: 'the wrap was changed, or it was made under another context or master key version',
  })
}
