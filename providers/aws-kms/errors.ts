/**
 * What KMS and its client answer, sorted into codes.
 *
 * https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html and the "Errors" of API_Encrypt, API_Decrypt,
 * API_ReEncrypt, API_DescribeKey, API_RotateKeyOnDemand beside it
 */
import { KeywrightError, type ProviderErrorCode, type ProviderOperation } from '../../src/provider.ts'
import { localErrorCode } from '../local/call.ts'
import type { KeyName } from './key-name.ts'

/** The permission that each operation needs, as IAM writes it. */
export const permissions: Readonly<Record<ProviderOperation, string>> = {
  wrap: 'kms:Encrypt and kms:Decrypt',
  unwrap: 'kms:Decrypt',
  describe: 'kms:DescribeKey',
  rotate: 'kms:RotateKeyOnDemand',
  rewrap: 'kms:ReEncryptFrom and kms:ReEncryptTo',
}

const rows = <T extends ProviderErrorCode>(code: T, ...names: readonly string[]): [string, T][] =>
  names.map((name) => [name, code])

/** Error name → code. Messages are not looked at: they are for people, and emulators have others. */
const BY_NAME: ReadonlyMap<string, ProviderErrorCode> = new Map<string, ProviderErrorCode>([
  ...rows('ERR_ABORTED', 'AbortError'),
  ...rows('ERR_PROVIDER_TIMEOUT', 'TimeoutError'),
  ...rows('ERR_PROVIDER_DENIED', 'AccessDeniedException', 'AccessDenied', 'NotAuthorized', 'OptInRequired'),
  ...rows('ERR_PROVIDER_DENIED', 'InvalidGrantTokenException', 'DryRunOperationException'),
  ...rows('ERR_PROVIDER_UNAUTHENTICATED', 'UnrecognizedClientException', 'InvalidClientTokenId'),
  ...rows('ERR_PROVIDER_UNAUTHENTICATED', 'ExpiredTokenException', 'ExpiredToken', 'RequestExpired'),
  ...rows('ERR_PROVIDER_UNAUTHENTICATED', 'InvalidSignatureException', 'SignatureDoesNotMatch'),
  ...rows('ERR_PROVIDER_UNAUTHENTICATED', 'IncompleteSignature', 'IncompleteSignatureException'),
  ...rows(
    'ERR_PROVIDER_UNAUTHENTICATED',
    'MissingAuthenticationToken',
    'MissingAuthenticationTokenException',
  ),
  ...rows('ERR_PROVIDER_UNAUTHENTICATED', 'CredentialsProviderError', 'TokenProviderError', 'ProviderError'),
  ...rows('ERR_PROVIDER_THROTTLED', 'ThrottlingException', 'Throttling', 'TooManyRequestsException'),
  ...rows('ERR_PROVIDER_THROTTLED', 'RequestLimitExceeded', 'RequestThrottledException', 'SlowDown'),
  ...rows('ERR_PROVIDER_UNAVAILABLE', 'KMSInternalException', 'DependencyTimeoutException'),
  ...rows('ERR_PROVIDER_UNAVAILABLE', 'KeyUnavailableException', 'InternalFailure', 'InternalServiceError'),
  ...rows('ERR_PROVIDER_UNAVAILABLE', 'ServiceUnavailable', 'ServiceUnavailableException'),
  ...rows('ERR_PROVIDER_CORRUPTED', 'SyntaxError'), // of the client's JSON parser: the answer is cut or no JSON
  ...rows('ERR_MASTER_KEY_NOT_FOUND', 'NotFoundException', 'InvalidArnException'),
  ...rows('ERR_MASTER_KEY_DISABLED', 'DisabledException'),
  ...rows('ERR_MASTER_KEY_DELETED', 'KMSInvalidStateException'), // other states are told apart by DescribeKey
  ...rows('ERR_MASTER_KEY_UNSUITABLE', 'InvalidKeyUsageException', 'UnsupportedOperationException'),
  ...rows('ERR_UNWRAP_FAILED', 'InvalidCiphertextException', 'IncorrectKeyException'),
])

/** Codes of node:net, node:dns and node:http for a server that cannot be reached or went away. */
const UNREACHABLE =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|E(?:HOST|NET)(?:UNREACH|DOWN)|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EADDRNOTAVAIL|ERR_SOCKET_\w+|HPE_\w+)$/
/** Codes of node:tls for a certificate that is not trusted. */
const UNTRUSTED = /^(?:CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_SSL_|EPROTO$)/

const textOf = (error: unknown, member: 'name' | 'code'): string => {
  try {
    const value: unknown = Object(error)[member]
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

function statusOf(error: unknown): number {
  const status: unknown = Object(Object(error).$metadata).httpStatusCode
  return typeof status === 'number' ? status : 0
}

/** The code of whatever a call threw. Never throws. */
export function errorCode(error: unknown): ProviderErrorCode {
  if (error instanceof KeywrightError) return codeOfOurs(error)
  const status = statusOf(error)
  if (status === 501) return 'ERR_PROVIDER_FAILED' // an emulator without the operation
  // The client calls a reset connection a TimeoutError too.
  if (UNREACHABLE.test(textOf(error, 'code'))) return 'ERR_PROVIDER_UNAVAILABLE'
  const byName = BY_NAME.get(textOf(error, 'name'))
  if (byName !== undefined && !(byName === 'ERR_PROVIDER_CORRUPTED' && status >= 400)) return byName
  if (status === 429) return 'ERR_PROVIDER_THROTTLED'
  return status >= 500 ? 'ERR_PROVIDER_UNAVAILABLE' : 'ERR_PROVIDER_FAILED'
}

function codeOfOurs(error: KeywrightError): ProviderErrorCode {
  const { code } = error
  const isProviders = code.startsWith('ERR_PROVIDER_') || code.startsWith('ERR_MASTER_KEY_')
  return isProviders && code !== 'ERR_PROVIDER_UNKNOWN' ? (code as ProviderErrorCode) : localErrorCode(error)
}

/** Whether new credentials may help: those that were sent are past their end. */
export const isExpired = (error: unknown): boolean =>
  ['ExpiredTokenException', 'ExpiredToken'].includes(textOf(error, 'name'))

/** Whether the key itself has to be looked at to know what is wrong. */
export const isAboutKey = (error: unknown): boolean =>
  ['KMSInvalidStateException', 'InvalidKeyUsageException', 'ValidationException'].includes(
    textOf(error, 'name'),
  )

const HINTS: Readonly<Partial<Record<ProviderErrorCode, string>>> = {
  ERR_PROVIDER_UNAUTHENTICATED:
    'check ENCRYPTION_AWS_ACCESS_KEY_ID and ENCRYPTION_AWS_SECRET_ACCESS_KEY, or ENCRYPTION_AWS_PROFILE; without them the standard chain of AWS counts (environment, shared files, container, instance). Is the clock right?',
  ERR_PROVIDER_UNAVAILABLE:
    'can this host reach KMS in that region? see ENCRYPTION_AWS_REGION, ENCRYPTION_AWS_ENDPOINT, DNS and VPC endpoints; then try again',
  ERR_PROVIDER_TIMEOUT:
    'can this host reach KMS in that region? see ENCRYPTION_AWS_REGION and ENCRYPTION_AWS_ENDPOINT',
  ERR_PROVIDER_THROTTLED:
    'try again later; a longer cache ttl in the policy makes fewer calls, and the request quota of KMS can be raised',
  ERR_PROVIDER_CORRUPTED:
    'what answers is not KMS, or a proxy damaged the answer: see ENCRYPTION_AWS_ENDPOINT',
  ERR_MASTER_KEY_NOT_FOUND:
    'check ENCRYPTION_KEY_ID, ENCRYPTION_AWS_REGION and the account of the credentials: the key is not there',
  ERR_MASTER_KEY_DISABLED: 'enable the key that ENCRYPTION_KEY_ID names: `aws kms enable-key`',
  ERR_MASTER_KEY_DELETED:
    'run `aws kms cancel-key-deletion` and `aws kms enable-key` before the date of its deletion: all data keys under it go with it',
  ERR_MASTER_KEY_UNSUITABLE:
    'ENCRYPTION_KEY_ID must name a key with the usage ENCRYPT_DECRYPT and the spec SYMMETRIC_DEFAULT',
}

const OTHER_HINT = 'CloudTrail shows the call; the name of the error is explained in the API reference of KMS'
const NAMED: Readonly<Record<string, string>> = {
  ConflictException: 'a rotation of this key is under way or about to begin: try again in half an hour',
  LimitExceededException:
    'a quota of KMS is used up, for rotations on demand too: raise it, or rotate by schedule',
  InvalidGrantTokenException:
    'renew or unset ENCRYPTION_AWS_GRANT_TOKENS: they are for grants of the last minutes',
}

export type KmsOperation = ProviderOperation | 'create'

/** The error of a call as one of ours: of the client's nothing is kept but its name, since it holds the request. */
export function kmsError(
  error: unknown,
  operation: KmsOperation,
  region: string,
  key: KeyName,
): KeywrightError {
  if (error instanceof KeywrightError) return error
  const code = errorCode(error)
  if (code === 'ERR_UNWRAP_FAILED') return unwrapFailed(key)
  const given = textOf(error, 'name')
  const name = /^[A-Za-z]{1,64}$/.test(given) ? given : 'an error without a name'
  const details = { operation, region, error: name }
  if (UNTRUSTED.test(textOf(error, 'code'))) {
    return new KeywrightError('ERR_PROVIDER_FAILED', `the certificate of KMS in ${region} is not trusted`, {
      hint: 'name its CA in NODE_EXTRA_CA_CERTS, or correct ENCRYPTION_AWS_ENDPOINT',
      details,
    })
  }
  const denied =
    operation === 'create'
      ? 'allow kms:CreateKey and kms:CreateAlias, or make the key and its alias yourself'
      : `allow ${permissions[operation]} on the key to this identity, in its IAM policy and in the key policy`
  const hint = NAMED[name] ?? (code === 'ERR_PROVIDER_DENIED' ? denied : (HINTS[code] ?? OTHER_HINT))
  return new KeywrightError(code, `AWS KMS in ${region} failed to ${operation} (${name})`, { hint, details })
}

/** The one face of every wrap that does not open. */
export function unwrapFailed(key: KeyName): KeywrightError {
  const alias = ', or the alias came to another key: name the former one in ENCRYPTION_AWS_FORMER_KEY_IDS'
  return new KeywrightError('ERR_UNWRAP_FAILED', 'the wrapped key cannot be unwrapped', {
    hint: `the wrap was changed, or it was made under another context, key or key material${key.kind === 'alias' ? alias : ''}`,
  })
}

/** The answer lacks what it must have, or is about another key. */
export function corrupted(what: string, region: string): KeywrightError {
  return new KeywrightError('ERR_PROVIDER_CORRUPTED', `the answer of AWS KMS in ${region} ${what}`, {
    hint: HINTS.ERR_PROVIDER_CORRUPTED ?? OTHER_HINT,
    details: { region },
  })
}

/** Why a key in this state or of this kind cannot serve. */
export function unusableKey(
  code:
    | 'ERR_MASTER_KEY_DELETED'
    | 'ERR_MASTER_KEY_DISABLED'
    | 'ERR_MASTER_KEY_UNSUITABLE'
    | 'ERR_PROVIDER_UNAVAILABLE',
  why: string,
  region: string,
): KeywrightError {
  return new KeywrightError(code, `the master key in ${region} ${why}`, {
    hint: HINTS[code] ?? OTHER_HINT,
    details: { region },
  })
}
