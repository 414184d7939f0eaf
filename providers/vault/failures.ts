/**
 * What Vault, OpenBao and the connection answer, sorted into codes. The services say little beyond a status, so
 * their words count where one status means several things:
 *
 * - https://developer.hashicorp.com/vault/api-docs#http-status-codes, https://openbao.org/api-docs/#http-status-codes
 * - https://developer.hashicorp.com/vault/api-docs/secret/transit (what encrypt, decrypt and keys refuse)
 * - https://developer.hashicorp.com/vault/docs/concepts/ha#client-redirection (307 of a standby)
 *
 * Nothing of an answer or of a client's error is kept but its status: both may hold tokens and plaintexts.
 */
import { type ErrorCode, KeywrightError, type ProviderErrorCode } from '../../src/provider.ts'

/** One kind of failure: what it is called and what to do about it. */
interface Kind {
  readonly code: ProviderErrorCode | 'ERR_CONFIG_INVALID'
  readonly message: string
  readonly hint: string
}

interface Answer extends Kind {
  readonly status?: readonly number[]
  readonly words?: RegExp
}

export const UNAUTHENTICATED: Kind = {
  code: 'ERR_PROVIDER_UNAUTHENTICATED',
  message: 'vault does not accept the token',
  hint: 'it ended, was revoked, or is of another namespace: give a new one (ENCRYPTION_VAULT_TOKEN or ENCRYPTION_VAULT_TOKEN_FILE), or let ENCRYPTION_VAULT_AUTH log in',
}
export const DENIED: Kind = {
  code: 'ERR_PROVIDER_DENIED',
  message: 'the policies of the vault token do not allow this operation',
  hint: 'grant what docs/providers/vault.md lists, and check ENCRYPTION_KEY_ID, ENCRYPTION_VAULT_MOUNT and ENCRYPTION_VAULT_NAMESPACE: a name without a policy is denied, whether it exists or not',
}
export const LOGIN_REFUSED: Kind = {
  code: 'ERR_PROVIDER_UNAUTHENTICATED',
  message: 'vault refused the login',
  hint: 'check ENCRYPTION_VAULT_ROLE_ID and ENCRYPTION_VAULT_SECRET_ID (it may be used up), or ENCRYPTION_VAULT_ROLE and ENCRYPTION_VAULT_JWT_FILE, then ENCRYPTION_VAULT_AUTH_MOUNT and ENCRYPTION_VAULT_NAMESPACE',
}
export const KEY_MISSING: Kind = {
  code: 'ERR_MASTER_KEY_NOT_FOUND',
  message: 'the transit engine has no such key',
  hint: 'check ENCRYPTION_KEY_ID, ENCRYPTION_VAULT_MOUNT and ENCRYPTION_VAULT_NAMESPACE; to make a key: vault write -f <mount>/keys/<name>',
}
export const NOT_TRANSIT: Kind = {
  code: 'ERR_CONFIG_INVALID',
  message: 'the mount is no transit engine',
  hint: 'correct ENCRYPTION_VAULT_MOUNT, or enable the engine there: vault secrets enable -path=<mount> transit',
}
export const CORRUPTED: Kind = {
  code: 'ERR_PROVIDER_CORRUPTED',
  message: 'the answer is not what vault answers',
  hint: 'something between here and the server changes answers, or ENCRYPTION_VAULT_URL names another service',
}
const KEY_DELETED: Kind = {
  code: 'ERR_MASTER_KEY_DELETED',
  message: 'the transit key is soft-deleted',
  hint: 'restore it while it is there: bao write -f <mount>/keys/<name>/soft-delete-restore',
}
const UNWRAP_FAILED: Kind = {
  code: 'ERR_UNWRAP_FAILED',
  message: 'the wrapped key cannot be unwrapped',
  hint: 'the wrap was changed, or it was made under another context or master key version',
}
const UNAVAILABLE: Kind = {
  code: 'ERR_PROVIDER_UNAVAILABLE',
  message: 'vault cannot be reached',
  hint: 'is the server of ENCRYPTION_VAULT_URL up and reachable from here? then try again',
}
const STANDBY: Kind = {
  code: 'ERR_PROVIDER_STANDBY',
  message: 'this vault node is a standby that does not forward requests',
  hint: 'point ENCRYPTION_VAULT_URL at the active node or its load balancer; redirects are not followed, so that the token goes nowhere else',
}
const SEALED: Kind = {
  code: 'ERR_PROVIDER_SEALED',
  message: 'vault is sealed',
  hint: 'unseal it (vault operator unseal), then try again',
}
const WRONG_SCHEME: Kind = {
  code: 'ERR_CONFIG_INVALID',
  message: 'the server speaks TLS where http is configured, or the other way round',
  hint: 'correct http:// or https:// in ENCRYPTION_VAULT_URL',
}
const UNTRUSTED: Kind = {
  code: 'ERR_CONFIG_INVALID',
  message: 'the certificate of the vault server is not trusted',
  hint: 'name its CA in ENCRYPTION_VAULT_CACERT (or VAULT_CACERT), and if it is for another name, ENCRYPTION_VAULT_TLS_SERVER_NAME; an expired one must be renewed',
}
const CLIENT_UNTRUSTED: Kind = {
  code: 'ERR_PROVIDER_UNAUTHENTICATED',
  message: 'the vault server does not accept the client certificate, or misses one',
  hint: 'check ENCRYPTION_VAULT_CLIENT_CERT and ENCRYPTION_VAULT_CLIENT_KEY',
}
const FAILED: Kind = {
  code: 'ERR_PROVIDER_FAILED',
  message: 'vault refused the call',
  hint: 'the log and the audit device of the server tell more',
}

/** The first row that fits counts. */
const ANSWERS: readonly Answer[] = [
  { ...KEY_DELETED, status: [400, 500], words: /soft-deleted/i },
  {
    ...KEY_MISSING,
    status: [400],
    words: /key not found|unknown key type|not supported for this operation/i,
  },
  { ...UNWRAP_FAILED, status: [400], words: /message authentication failed|invalid ciphertext|too new/i },
  {
    code: 'ERR_MASTER_KEY_DISABLED',
    message: 'the version of the transit key is retired',
    hint: 'lower min_decryption_version (to unwrap) or min_encryption_version (to wrap) of the key, or correct ENCRYPTION_KEY_VERSION',
    status: [400],
    words: /too old|less than the minimum|no such key version/i,
  },
  {
    code: 'ERR_MASTER_KEY_NOT_FOUND',
    message: 'the transit key has no such version',
    hint: 'correct ENCRYPTION_KEY_VERSION, or leave it out for the latest',
    status: [400],
    words: /higher than the latest/i,
  },
  {
    code: 'ERR_MASTER_KEY_UNSUITABLE',
    message: 'the transit key cannot be used as it is configured',
    hint: 'it must be of an AEAD type; ENCRYPTION_VAULT_DERIVED must be true exactly for a derived key',
    status: [400],
    words: /non-AEAD|key derivation|does not support/i,
  },
  { ...WRONG_SCHEME, status: [400], words: /HTTP request to an HTTPS server/i },
  { ...UNAUTHENTICATED, status: [400], words: /missing client token/i },
  { ...UNAUTHENTICATED, status: [401] },
  // A token that is unknown gets these words alone; one whose policies refuse gets them in a list of errors.
  { ...UNAUTHENTICATED, status: [403], words: /^permission denied$|invalid token|bad token/i },
  { ...DENIED, status: [403] },
  {
    code: 'ERR_CONFIG_INVALID',
    message: 'there is no such namespace',
    hint: 'correct ENCRYPTION_VAULT_NAMESPACE (or VAULT_NAMESPACE)',
    status: [404],
    words: /namespace not found/i,
  },
  { ...NOT_TRANSIT, status: [404], words: /no handler for route|unsupported path/i },
  { ...KEY_MISSING, status: [404] },
  { ...NOT_TRANSIT, status: [405] },
  {
    code: 'ERR_PROVIDER_THROTTLED',
    message: 'vault answers that there are too many requests',
    hint: 'raise the rate limit quota of the mount or the namespace; a longer cache ttl in the policy makes fewer calls',
    status: [429],
  },
  { ...STANDBY, status: [301, 302, 303, 307, 308, 472, 473] },
  { ...STANDBY, status: [500, 503], words: /active|standby/i },
  { ...SEALED, status: [503], words: /sealed/i },
  { ...UNAVAILABLE, status: [408, 412, 500, 502, 503, 504] },
]

/** Codes of Node's sockets, DNS and TLS: https://nodejs.org/api/errors.html, https://nodejs.org/api/tls.html. */
const CONNECTION: readonly (readonly [RegExp, Kind])[] = [
  [/^(EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/, WRONG_SCHEME],
  [/^HPE_/, CORRUPTED],
  [/^ERR_SSL_.*(ALERT|CERTIFICATE_REQUIRED)/, CLIENT_UNTRUSTED],
  [/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CRL_|HOSTNAME_MISMATCH/, UNTRUSTED],
  [/^(E[A-Z]+|EAI_[A-Z]+|ERR_STREAM_PREMATURE_CLOSE)$/, UNAVAILABLE],
]

/** The error for a kind of failure, with what is known about where it happened. */
export function failure(kind: Kind, details: Readonly<Record<string, string | number>> = {}): KeywrightError {
  return new KeywrightError(kind.code, kind.message, { hint: kind.hint, details })
}

/** The kind of whatever a client threw: node-vault's ApiResponseError, a Node error, or anything else. */
function kindOf(error: unknown): Kind {
  const { code, response } = Object(error) as { code?: unknown; response?: unknown }
  const { statusCode, body } = Object(response) as { statusCode?: unknown; body?: unknown }
  if (typeof statusCode === 'number') return kindOfAnswer(statusCode, wordsOf(body))
  if (typeof code !== 'string') return FAILED
  return CONNECTION.find(([pattern]) => pattern.test(code))?.[1] ?? FAILED
}

function kindOfAnswer(status: number, words: string): Kind {
  const fits = (row: Answer): boolean =>
    row.status?.includes(status) === true && (row.words === undefined || row.words.test(words))
  return ANSWERS.find(fits) ?? (status >= 500 ? UNAVAILABLE : FAILED)
}

/** `{"errors": ["…"]}`, or the text that a listener or a proxy answers. */
function wordsOf(body: unknown): string {
  if (typeof body === 'string') return body.slice(0, 1000).trim()
  const { errors } = Object(body) as { errors?: unknown }
  return Array.isArray(errors) ? errors.map(String).join('\n').slice(0, 1000).trim() : ''
}

/** What a client threw, as an error of ours that holds nothing secret. Ours stay as they are. */
export function toFailure(error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  const status: unknown = Object(Object(error).response).statusCode
  const code: unknown = Object(error).code
  return failure(kindOf(error), {
    ...(typeof status === 'number' ? { status } : {}),
    ...(typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code) ? { connection: code } : {}),
  })
}

const PROVIDER_CODES = /^ERR_(PROVIDER_|MASTER_KEY_|UNWRAP_FAILED$|ABORTED$|DEPENDENCY_MISSING$)/

const isProviderCode = (code: ErrorCode): code is ProviderErrorCode => PROVIDER_CODES.test(code)

/** Sorts anything into a code; never throws. */
export function vaultErrorCode(error: unknown): ProviderErrorCode {
  if (error instanceof Error && error.name === 'AbortError') return 'ERR_ABORTED'
  if (error instanceof Error && error.name === 'TimeoutError') return 'ERR_PROVIDER_TIMEOUT'
  const code = error instanceof KeywrightError ? error.code : kindOf(error).code
  return isProviderCode(code) ? code : 'ERR_PROVIDER_FAILED'
}
