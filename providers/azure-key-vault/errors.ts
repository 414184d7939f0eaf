/**
 * What Azure and its clients throw, in our codes. The provider gives up errors of its own, never the client's: a
 * RestError holds the request with the token and the key that was to be wrapped, and a reply that could not be parsed
 * is quoted in its message.
 *
 * - https://learn.microsoft.com/azure/key-vault/general/rest-error-codes (401, 403, 429)
 * - https://learn.microsoft.com/azure/key-vault/general/common-error-codes (AccessDenied, ForbiddenByFirewall)
 * - https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#date-time-controlled-operations
 * - https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/keyvault/keyvault-keys/TROUBLESHOOTING.md
 * - https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/identity/identity/TROUBLESHOOTING.md
 */
import { KeywrightError, type ProviderErrorCode } from '../../src/provider.ts'

/** What the provider does in Azure. */
export type AzureOperation = 'wrap' | 'unwrap' | 'describe' | 'rotate' | 'create'

/** What an error is sorted by: never a text that is shown. */
export interface Failure {
  /** HTTP status of the answer, where there was one. */
  readonly status?: number | undefined
  /** `error.innererror.code` of the answer. */
  readonly inner: string
  readonly message: string
  readonly name: string
  /** Node's code, or the client's own. */
  readonly code: string
}

const DENIED: ProviderErrorCode = 'ERR_PROVIDER_DENIED'
const DISABLED: ProviderErrorCode = 'ERR_MASTER_KEY_DISABLED'
const DELETED: ProviderErrorCode = 'ERR_MASTER_KEY_DELETED'
const UNAUTHENTICATED: ProviderErrorCode = 'ERR_PROVIDER_UNAUTHENTICATED'
const UNAVAILABLE: ProviderErrorCode = 'ERR_PROVIDER_UNAVAILABLE'

const BY_INNER: Readonly<Record<string, ProviderErrorCode>> = {
  AccessDenied: DENIED,
  ForbiddenByConnection: DENIED,
  ForbiddenByFirewall: DENIED,
  ForbiddenByPolicy: DENIED,
  ForbiddenByRbac: DENIED,
  KeyDisabled: DISABLED,
  KeyExpired: DISABLED,
  KeyNotYetValid: DISABLED,
  KeyOperationForbidden: 'ERR_MASTER_KEY_UNSUITABLE',
  ObjectIsBeingDeleted: DELETED,
  ObjectIsDeletedButRecoverable: DELETED,
}

const BY_STATUS: Readonly<Record<number, ProviderErrorCode>> = {
  400: 'ERR_PROVIDER_FAILED',
  401: UNAUTHENTICATED,
  403: DENIED,
  404: 'ERR_MASTER_KEY_NOT_FOUND',
  408: 'ERR_PROVIDER_TIMEOUT',
  429: 'ERR_PROVIDER_THROTTLED',
}

const BY_NAME: Readonly<Record<string, ProviderErrorCode>> = {
  AbortError: 'ERR_ABORTED',
  AggregateAuthenticationError: UNAUTHENTICATED,
  AuthenticationError: UNAUTHENTICATED,
  AuthenticationRequiredError: UNAUTHENTICATED,
  CredentialUnavailableError: UNAUTHENTICATED,
  TimeoutError: 'ERR_PROVIDER_TIMEOUT',
}

/** Codes of Node and of the client for a connection that could not be made or was lost. */
const NETWORK = /^(E[A-Z]+|REQUEST_SEND_ERROR|UND_ERR_\w+)$/
/** Codes of OpenSSL for a certificate that is not trusted: trying again does not help. */
const CERTIFICATE = /CERT|_TLS_|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY/
/** Words of MSAL where the login host was not reached. */
const LOGIN_UNREACHED =
  /network[_ ](error|request)|endpoints_resolution_error|Network unreachable|\bE(CONN|NOT|AI_|TIMED|HOST|NET)/

/** Reads what can be sorted by out of anything; `status` is that of the answer, where one came. */
export function failureOf(error: unknown, status?: number): Failure {
  const { code, details, message, name, statusCode } = Object(error) as Record<string, unknown>
  const service = Object(Object(details).error) as { innerError?: { code?: unknown } }
  return {
    status: typeof statusCode === 'number' ? statusCode : status,
    inner: textOf(service.innerError?.code),
    message: textOf(message),
    name: textOf(name),
    code: textOf(code),
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The code of whatever was thrown. Never throws. */
export function azureErrorCode(error: unknown): ProviderErrorCode {
  if (error instanceof KeywrightError) {
    const { code } = error
    const isOfProviders = /^ERR_(PROVIDER|MASTER_KEY)_|^ERR_(UNWRAP_FAILED|ABORTED|DEPENDENCY_MISSING)$/
    return isOfProviders.test(code) ? (code as ProviderErrorCode) : 'ERR_PROVIDER_FAILED'
  }
  try {
    return sort(failureOf(error))
  } catch {
    return 'ERR_PROVIDER_FAILED' // a getter of its own threw
  }
}

/** The code of a failure outside of unwrapping, where a 400 means something else. */
function sort(failure: Failure): ProviderErrorCode {
  const { code, inner, message, name, status } = failure
  if (name === 'AbortError') return 'ERR_ABORTED'
  if (code === 'PARSE_ERROR') return 'ERR_PROVIDER_CORRUPTED'
  const named = rowOf(BY_NAME, name)
  if (named === UNAUTHENTICATED) return sortLogin(failure)
  const refusal = rowOf(BY_INNER, inner)
  if (refusal !== undefined) return refusal
  if (status === 403 && /\b(disabled|expired|not yet valid|validity)\b/i.test(message)) return DISABLED
  if (status !== undefined && status >= 400) {
    return BY_STATUS[status] ?? (status >= 500 ? UNAVAILABLE : 'ERR_PROVIDER_FAILED')
  }
  if (CERTIFICATE.test(code)) return 'ERR_PROVIDER_FAILED'
  if (NETWORK.test(code)) return UNAVAILABLE
  return named ?? 'ERR_PROVIDER_FAILED'
}

/** Names come from the service: 'constructor' is not a row. */
function rowOf(
  table: Readonly<Record<string, ProviderErrorCode>>,
  name: string,
): ProviderErrorCode | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** A login that failed: was it refused, or is the login service not there? */
function sortLogin({ message, status }: Failure): ProviderErrorCode {
  if (status === 429) return 'ERR_PROVIDER_THROTTLED'
  if (status !== undefined && status >= 500) return UNAVAILABLE
  return LOGIN_UNREACHED.test(message) ? UNAVAILABLE : UNAUTHENTICATED
}

const SAYS: Readonly<Partial<Record<ProviderErrorCode, string>>> = {
  ERR_ABORTED: 'was aborted',
  ERR_MASTER_KEY_DELETED: 'failed: the key is deleted',
  ERR_MASTER_KEY_DISABLED: 'was refused: the key version is disabled, expired or not valid yet',
  ERR_MASTER_KEY_NOT_FOUND: 'failed: the vault has no such key or key version',
  ERR_MASTER_KEY_UNSUITABLE: 'was refused: the key does not permit this operation',
  ERR_PROVIDER_CORRUPTED: 'failed: the reply is damaged',
  ERR_PROVIDER_DENIED: 'was refused: no permission',
  ERR_PROVIDER_THROTTLED: 'was refused: too many requests',
  ERR_PROVIDER_TIMEOUT: 'took too long',
  ERR_PROVIDER_UNAUTHENTICATED: 'was refused: the login failed',
  ERR_PROVIDER_UNAVAILABLE: 'failed: the service cannot be reached or is down',
}

const HINTS: Readonly<Partial<Record<ProviderErrorCode, string>>> = {
  ERR_MASTER_KEY_DELETED:
    'recover it (az keyvault key recover): without it nothing that it wrapped can be opened',
  ERR_MASTER_KEY_DISABLED:
    'enable the key version in the vault, or extend its dates or rotate it when it expired (az keyvault key set-attributes)',
  ERR_MASTER_KEY_NOT_FOUND:
    'check ENCRYPTION_KEY_ID, ENCRYPTION_KEY_VERSION and ENCRYPTION_AZURE_VAULT_URL; a purged key is lost',
  ERR_MASTER_KEY_UNSUITABLE:
    'the key operations must include wrapKey and unwrapKey (az keyvault key set-attributes --ops)',
  ERR_PROVIDER_CORRUPTED:
    'try again; if it stays, look for a proxy between here and ENCRYPTION_AZURE_VAULT_URL',
  ERR_PROVIDER_THROTTLED: 'try again later; a longer cache ttl in the policy makes fewer calls',
  ERR_PROVIDER_TIMEOUT: 'is the service reachable from here? then try again',
  ERR_PROVIDER_UNAUTHENTICATED:
    'check ENCRYPTION_AZURE_TENANT_ID, ENCRYPTION_AZURE_CLIENT_ID and ENCRYPTION_AZURE_CLIENT_SECRET, or the managed or workload identity of this process (ENCRYPTION_AZURE_CREDENTIAL)',
  ERR_PROVIDER_UNAVAILABLE:
    'is ENCRYPTION_AZURE_VAULT_URL spelt right and reachable from here (DNS, firewall, private endpoint)?',
}

/** The permission each operation needs: data action of Azure RBAC, and permission of an access policy. */
export const PERMISSIONS: Readonly<Record<AzureOperation, string>> = {
  wrap: 'Microsoft.KeyVault/vaults/keys/read and Microsoft.KeyVault/vaults/keys/wrap/action (access policy: get, wrapKey)',
  unwrap: 'Microsoft.KeyVault/vaults/keys/unwrap/action (access policy: unwrapKey)',
  describe: 'Microsoft.KeyVault/vaults/keys/read (access policy: get)',
  rotate: 'Microsoft.KeyVault/vaults/keys/rotate/action (access policy: rotate)',
  create: 'Microsoft.KeyVault/vaults/keys/create/action (access policy: create)',
}

/** Our error for a failure of Azure, its clients or the network. */
export function azureError(
  operation: AzureOperation,
  failure: Failure,
  retryAfterMs?: number,
): KeywrightError {
  if (operation === 'unwrap' && failure.status === 400) return unwrapFailed()
  const code = sort(failure)
  const says = SAYS[code] ?? 'failed'
  const shown = failure.status !== undefined && failure.status >= 400 ? ` (HTTP ${failure.status})` : ''
  return new KeywrightError(code, `${operation} in Azure Key Vault ${says}${shown}`, {
    hint: hintFor(operation, code, failure),
    ...(retryAfterMs === undefined ? {} : { details: { retryAfterMs } }),
  })
}

function hintFor(operation: AzureOperation, code: ProviderErrorCode, failure: Failure): string {
  if (/^ForbiddenBy(Firewall|Connection)$/.test(failure.inner)) {
    return 'the network rules of the vault refuse this address: allow it, or reach the vault by its private endpoint'
  }
  if (/\bchallenge\b/i.test(failure.message) && failure.name === 'Error') {
    return 'the server asks to log in for another domain than its own: is ENCRYPTION_AZURE_VAULT_URL the address of the vault itself?'
  }
  if (code === DENIED) return `grant this identity ${PERMISSIONS[operation]}; a new grant takes some minutes`
  if (CERTIFICATE.test(failure.code)) {
    return 'the certificate of the server is not trusted: name the CA certificate of your proxy in ENCRYPTION_AZURE_CACERT'
  }
  return HINTS[code] ?? 'the log of the vault tells more'
}

/** The one face of every wrap that does not open. */
export function unwrapFailed(): KeywrightError {
  return new KeywrightError('ERR_UNWRAP_FAILED', 'the wrapped key cannot be unwrapped', {
    hint: 'the wrap was changed, or another master key or key version made it',
  })
}

/** A reply that lacks something, or is not the one that was asked for. */
export function corrupted(operation: AzureOperation, what: string): KeywrightError {
  return new KeywrightError('ERR_PROVIDER_CORRUPTED', `${operation} in Azure Key Vault: the reply ${what}`, {
    hint: HINTS.ERR_PROVIDER_CORRUPTED as string,
  })
}
