/**
 * What Cloud KMS and its client answer, sorted into codes.
 * gRPC codes: https://cloud.google.com/apis/design/errors
 */
import { KeywrightError, type ProviderErrorCode } from '../../src/provider.ts'

/** What was asked, for messages. */
export interface Asked {
  /** 'encrypt', 'decrypt', 'describe', 'rotate', 'create'. */
  readonly operation: string
  readonly permission: string
  /** Resource name of the crypto key. */
  readonly key: string
}

interface Sorted {
  readonly code: ProviderErrorCode
  /** What happened, as a sentence about the key. */
  readonly message: string
  readonly hint: string
}

const NETWORK =
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|socket hang up/
const CREDENTIALS = /credential|authenticat|invalid_grant|access token|refresh token|metadata from plugin/i
const CERTIFICATE = /certificate|self[- ]signed|SSL|wrong version number|hostname\/IP does not match/i

const LOOK = 'the audit log of Cloud KMS tells more'
const REACHABLE =
  'is Cloud KMS reachable from here? check ENCRYPTION_GCP_ENDPOINT if it is set, then try again'

/** The gRPC status of an error of the client, 1 to 16. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  const { code } = error
  return typeof code === 'number' && code >= 1 && code <= 16 ? code : undefined
}

function textOf(error: unknown): string {
  if (typeof error === 'string') return error
  if (typeof error !== 'object' || error === null || !('message' in error)) return ''
  return typeof error.message === 'string' ? error.message : ''
}

const unauthenticated: Sorted = {
  code: 'ERR_PROVIDER_UNAUTHENTICATED',
  message: 'there are no credentials, or Google does not accept them',
  hint: 'set ENCRYPTION_GCP_KEY_FILE or ENCRYPTION_GCP_CREDENTIALS, or give this machine Application Default Credentials',
}

const unavailable: Sorted = {
  code: 'ERR_PROVIDER_UNAVAILABLE',
  message: 'the service cannot be reached, or says that it is unavailable',
  hint: REACHABLE,
}

/**
 * 3 INVALID_ARGUMENT: a checksum that does not fit (https://cloud.google.com/kms/docs/data-integrity-guidelines); a
 * ciphertext of another key, changed, or for another context (https://cloud.google.com/kms/docs/encrypt-decrypt); a key
 * of another purpose (https://cloud.google.com/kms/docs/algorithms#key_purposes).
 */
function invalidArgument(text: string, operation: string): Sorted {
  if (/crc32c|checksum/i.test(text)) {
    const hint = 'try again; if it stays so, a proxy or a damaged memory changes bytes'
    return { code: 'ERR_PROVIDER_CORRUPTED', message: 'the request was damaged on its way', hint }
  }
  if (/purpose|algorithm/i.test(text)) return unsuitable
  if (operation === 'decrypt') {
    const hint = 'the wrap was changed, or it was made under another context, master key or version'
    return { code: 'ERR_UNWRAP_FAILED', message: 'the wrapped key cannot be unwrapped', hint }
  }
  return { code: 'ERR_PROVIDER_FAILED', message: 'the service refused the request as invalid', hint: LOOK }
}

const unsuitable: Sorted = {
  code: 'ERR_MASTER_KEY_UNSUITABLE',
  message: 'the key does not encrypt symmetrically',
  hint: 'name a key of the purpose ENCRYPT_DECRYPT in ENCRYPTION_KEY_ID',
}

/** 9 FAILED_PRECONDITION: the state of the version. https://cloud.google.com/kms/docs/key-states */
function failedPrecondition(text: string): Sorted {
  if (/DESTROY/.test(text)) {
    const hint =
      'restore the version before its destruction (gcloud kms keys versions restore), then enable it'
    return { code: 'ERR_MASTER_KEY_DELETED', message: 'the key version is destroyed or about to be', hint }
  }
  if (/purpose/i.test(text)) return unsuitable
  const hint = 'enable the version (gcloud kms keys versions enable), or make an enabled one primary'
  return { code: 'ERR_MASTER_KEY_DISABLED', message: 'the key version is not enabled', hint }
}

const BY_STATUS: Readonly<Record<number, Sorted>> = {
  1: { code: 'ERR_ABORTED', message: 'the call was cancelled', hint: 'nothing was changed' },
  4: { code: 'ERR_PROVIDER_TIMEOUT', message: 'the service did not answer in time', hint: REACHABLE },
  5: {
    code: 'ERR_MASTER_KEY_NOT_FOUND',
    message: 'there is no such key, key ring or version',
    hint: 'check ENCRYPTION_KEY_ID, ENCRYPTION_KEY_VERSION, ENCRYPTION_GCP_KEYRING, ENCRYPTION_GCP_LOCATION and ENCRYPTION_GCP_PROJECT_ID',
  },
  // https://cloud.google.com/kms/docs/monitor-adjust-quotas
  8: {
    code: 'ERR_PROVIDER_THROTTLED',
    message: 'a quota of Cloud KMS is used up',
    hint: 'try again later; a longer cache ttl in the policy makes fewer calls, or ask Google for more',
  },
  10: unavailable,
  13: unavailable,
  14: unavailable,
  16: unauthenticated,
}

function sort(error: unknown, asked: Partial<Asked>): Sorted {
  const status = statusOf(error)
  const text = textOf(error)
  // What google-auth-library throws comes without a status, or in the words of gRPC's credential plugin.
  const ofCredentials = status === undefined || text.includes('metadata from plugin')
  if (ofCredentials && NETWORK.test(text)) return unavailable
  if (ofCredentials && CREDENTIALS.test(text)) return unauthenticated
  if (status === 3) return invalidArgument(text, asked.operation ?? '')
  if (status === 9) return failedPrecondition(text)
  if (status === 14 && CERTIFICATE.test(text)) {
    const hint =
      'set ENCRYPTION_GCP_CACERT to the certificate of who signed it, or correct ENCRYPTION_GCP_ENDPOINT'
    return { ...unavailable, message: 'the certificate of the endpoint is not trusted', hint }
  }
  // https://cloud.google.com/kms/docs/reference/permissions-and-roles
  if (status === 7) {
    const hint = `grant ${asked.permission ?? 'the permission'} on the key to this identity; a key that does not exist looks the same`
    return { code: 'ERR_PROVIDER_DENIED', message: 'this identity may not do that', hint }
  }
  const known = status === undefined ? undefined : BY_STATUS[status]
  return known ?? { code: 'ERR_PROVIDER_FAILED', message: 'the service or its client failed', hint: LOOK }
}

/** An error for people; nothing of the client's own is kept. Errors of ours stay as they are. */
export function describeFailure(error: unknown, asked: Asked): KeywrightError {
  if (error instanceof KeywrightError) return error
  const { code, hint, message } = sort(error, asked)
  const status = statusOf(error)
  return new KeywrightError(code, `gcp-kms: cannot ${asked.operation}: ${message}`, {
    hint,
    details: { masterKeyId: asked.key, ...(status === undefined ? {} : { grpcStatus: status }) },
  })
}

const OWN = /^ERR_(?:PROVIDER_|MASTER_KEY_|UNWRAP_FAILED$|ABORTED$|DEPENDENCY_MISSING$)/

/** The code of whatever was thrown. Never throws. */
export function errorCode(error: unknown): ProviderErrorCode {
  if (!(error instanceof KeywrightError)) return sort(error, {}).code
  return OWN.test(error.code) ? (error.code as ProviderErrorCode) : 'ERR_PROVIDER_FAILED'
}

/** A reply that is not what was asked for: it is thrown away. Calling again is safe. */
export function corrupted(message: string): KeywrightError {
  return new KeywrightError('ERR_PROVIDER_CORRUPTED', `gcp-kms: ${message}`, {
    hint: 'try again; if it stays so, a proxy or ENCRYPTION_GCP_ENDPOINT answers for Cloud KMS',
  })
}
