/**
 * The one error class and the table of its codes. Programs act on `code`, never on the message.
 *
 * A row says: HTTP status, whether the same call may succeed later (`retryable`), and the exit code of the command
 * line (1 = failed, 2 = wrong use).
 */
interface Row {
  readonly status: number
  readonly retryable: boolean
  readonly exit: 1 | 2
}

const wrongUse: Row = { status: 400, retryable: false, exit: 2 }
const badData: Row = { status: 400, retryable: false, exit: 1 }
const refused: Row = { status: 403, retryable: false, exit: 1 }
const missing: Row = { status: 404, retryable: false, exit: 1 }
const conflict: Row = { status: 409, retryable: false, exit: 1 }
const broken: Row = { status: 500, retryable: false, exit: 1 }
const misconfigured: Row = { status: 500, retryable: false, exit: 2 }
const later: Row = { status: 503, retryable: true, exit: 1 }

export const ERROR_CODES = {
  // Wrong use of the API or the command line
  ERR_ARGUMENT_INVALID: wrongUse,
  ERR_CONTEXT_INVALID: wrongUse,
  ERR_VALUE_TYPE: wrongUse,
  ERR_CLOSED: wrongUse,
  ERR_ABORTED: badData,
  // Configuration, environment, policy
  ERR_CONFIG_INVALID: misconfigured,
  ERR_CONFIG_UNREADABLE: misconfigured,
  ERR_ENVIRONMENT_INVALID: misconfigured,
  ERR_BACKEND_MISSING: misconfigured,
  ERR_BACKEND_UNKNOWN: misconfigured,
  ERR_DEPENDENCY_MISSING: misconfigured,
  ERR_POLICY_INVALID: misconfigured,
  ERR_KEY_TYPE_UNKNOWN: wrongUse,
  ERR_TENANT_INVALID: wrongUse,
  ERR_FIELD_UNMATCHED: wrongUse,
  // Root secret and master key file
  ERR_ROOT_SECRET_MISSING: misconfigured,
  ERR_ROOT_SECRET_INVALID: misconfigured,
  ERR_ROOT_SECRET_WRONG: broken,
  ERR_KEY_FILE_MISSING: broken,
  ERR_KEY_FILE_EMPTY: broken,
  ERR_KEY_FILE_TRUNCATED: broken,
  ERR_KEY_FILE_UNREADABLE: broken,
  ERR_KEY_FILE_CORRUPT: broken,
  ERR_KEY_FILE_EXISTS: conflict,
  ERR_KEY_FILE_FOREIGN: broken,
  ERR_KEY_FILE_ROLLED_BACK: broken,
  ERR_KEY_FILE_UNSEALED: misconfigured,
  ERR_FILE_LOCKED: later,
  // Provider
  ERR_PROVIDER_UNKNOWN: misconfigured,
  ERR_PROVIDER_UNAVAILABLE: later,
  ERR_PROVIDER_TIMEOUT: later,
  ERR_PROVIDER_THROTTLED: later,
  ERR_PROVIDER_UNAUTHENTICATED: broken,
  ERR_PROVIDER_DENIED: broken,
  ERR_PROVIDER_SEALED: later,
  ERR_PROVIDER_STANDBY: later,
  ERR_PROVIDER_CORRUPTED: later,
  ERR_PROVIDER_CIRCUIT_OPEN: later,
  ERR_PROVIDER_BUSY: later,
  ERR_PROVIDER_FAILED: broken,
  ERR_MASTER_KEY_NOT_FOUND: broken,
  ERR_MASTER_KEY_DISABLED: broken,
  ERR_MASTER_KEY_DELETED: broken,
  ERR_MASTER_KEY_UNSUITABLE: misconfigured,
  ERR_UNWRAP_FAILED: broken,
  // Store
  ERR_STORE_MISSING: broken,
  ERR_STORE_EXISTS: conflict,
  ERR_STORE_READ_ONLY: broken,
  ERR_STORE_BUSY: later,
  ERR_STORE_UNAVAILABLE: later,
  ERR_STORE_DENIED: broken,
  ERR_STORE_FULL: broken,
  ERR_STORE_CORRUPT: broken,
  ERR_STORE_FOREIGN: broken,
  ERR_STORE_NEWER: broken,
  ERR_STORE_UNREADABLE: broken,
  ERR_STORE_FAILED: broken,
  ERR_STORE_CONFLICT: conflict,
  // Keys
  ERR_KEY_UNKNOWN: missing,
  ERR_KEY_NOT_LOADED: later,
  ERR_KEYRING_UNKNOWN: missing,
  ERR_KEYRING_MISMATCH: refused,
  ERR_KEYRING_STALE: later,
  ERR_KEY_INACTIVE: refused,
  ERR_KEY_SUSPENDED: refused,
  ERR_KEY_COMPROMISED: refused,
  ERR_KEY_DESTROYED: { status: 410, retryable: false, exit: 1 },
  ERR_KEY_EXPIRED: refused,
  ERR_KEY_EXHAUSTED: refused,
  ERR_KEY_LEASE_EXHAUSTED: later,
  ERR_KEY_STATE: conflict,
  ERR_KEY_RECORD_TAMPERED: broken,
  ERR_DESTROY_REFUSED: refused,
  ERR_WRAPS_TOO_FEW: later,
  // Long work
  ERR_JOB_REFUSED: conflict,
  ERR_JOB_RUNNING: conflict,
  ERR_JOB_INCOMPLETE: broken,
  ERR_CHECKPOINT_FOREIGN: conflict,
  // Places where data lives
  ERR_SOURCE_UNKNOWN: misconfigured,
  ERR_SOURCE_INVALID: misconfigured,
  ERR_SOURCE_UNAVAILABLE: later,
  ERR_SOURCE_DENIED: broken,
  ERR_SOURCE_FAILED: broken,
  ERR_COLUMN_UNSUITABLE: misconfigured,
  // Files, backups
  ERR_FILE_MISSING: missing,
  ERR_FILE_EXISTS: conflict,
  ERR_FILE_UNREADABLE: broken,
  ERR_FILE_CHANGED: conflict,
  ERR_FILE_DAMAGED: badData,
  ERR_DISK_FULL: broken,
  ERR_DECOMPRESSION_LIMIT: badData,
  ERR_BACKUP_UNKNOWN: missing,
  ERR_BACKUP_DAMAGED: badData,
  // Ciphertext and input data
  ERR_CIPHERTEXT_EMPTY: badData,
  ERR_CIPHERTEXT_MALFORMED: badData,
  ERR_NOT_CIPHERTEXT: badData,
  ERR_VALUE_TOO_LARGE: badData,
  ERR_MIGRATION_CLOSED: refused,
  ERR_FOREIGN_KEY_MISSING: misconfigured,
  ERR_DECRYPTION_FAILED: badData,
  ERR_KEYSET_INVALID: badData,
  ERR_INPUT_INVALID: badData,
  ERR_OUTPUT_FAILED: broken,
  // Audit
  ERR_AUDIT_FAILED: broken,
  ERR_AUDIT_TAMPERED: broken,
  // Servers for tests
  ERR_EMULATOR_UNAVAILABLE: misconfigured,
  // Anything that is a fault of ours
  ERR_INTERNAL: broken,
} as const satisfies Record<string, Row>

/** A code from {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** The codes into which a provider sorts what its service answered. */
export type ProviderErrorCode = Extract<
  ErrorCode,
  | `ERR_PROVIDER_${string}`
  | `ERR_MASTER_KEY_${string}`
  | 'ERR_UNWRAP_FAILED'
  | 'ERR_ABORTED'
  | 'ERR_DEPENDENCY_MISSING'
>

/** Non-secret facts about a failure: names, paths, ids, counts. Never a value, a plaintext or a secret. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>

export interface KeywrightErrorOptions {
  /** What to do about it: one sentence, lower case, without a full stop. */
  readonly hint?: string
  readonly details?: ErrorDetails
  /** Only an error that is known to hold no secret: one of ours or of node:fs. */
  readonly cause?: unknown
}

/**
 * Every failure Keywright reports. The message says what is wrong and where; `hint` says what to do.
 * Neither holds a secret, a plaintext or the value of an environment variable.
 */
export class KeywrightError extends Error {
  override readonly name = 'KeywrightError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: KeywrightErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = Object.freeze({ ...options.details })
  }

  /** The HTTP status that fits this error. */
  get status(): number {
    return ERROR_CODES[this.code].status
  }

  /** Whether the same call may succeed later without anything being changed. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable
  }

  /** The exit code of the command line: 1 = failed, 2 = wrong use. */
  get exitCode(): 1 | 2 {
    return ERROR_CODES[this.code].exit
  }

  toJSON(): { code: ErrorCode; message: string; hint?: string; details?: ErrorDetails } {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
    }
  }
}

/** The one face of every failed decryption: no cause, no detail, so that it is no oracle. */
export function decryptionFailed(): KeywrightError {
  return new KeywrightError('ERR_DECRYPTION_FAILED', 'decryption failed', {
    hint: 'the ciphertext was changed, or it was made under another context (table, column, row)',
  })
}
