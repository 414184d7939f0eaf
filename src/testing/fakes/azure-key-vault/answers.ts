/**
 * What the fake says when it refuses, as Azure documents it. Every body is
 * `{"error": {"code", "message", "innererror": {"code"}}}`:
 * https://learn.microsoft.com/rest/api/keyvault/keys/wrap-key/wrap-key#keyvaulterror
 */

/** A reply before it is on the wire. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; without it the reply has no body. */
  readonly body?: Readonly<Record<string, unknown>>
}

/** A refusal, thrown where it is found. */
export class Refusal extends Error {
  readonly reply: Reply

  constructor(status: number, code: string, message: string, inner?: string, headers?: Reply['headers']) {
    super(message)
    const innererror = inner === undefined ? {} : { innererror: { code: inner } }
    this.reply = {
      status,
      body: { error: { code, message, ...innererror } },
      ...(headers ? { headers } : {}),
    }
  }
}

/** 400 BadParameter: a body, parameter or ciphertext that is not what the operation takes. */
export const badParameter = (message: string): Refusal => new Refusal(400, 'BadParameter', message)

/**
 * 401 with the challenge that tells where to log in.
 * https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses#authentication
 */
export function unauthorized(tenantId: string, problem?: string): Refusal {
  const login = `authorization="https://login.microsoftonline.com/${tenantId}", resource="https://vault.azure.net"`
  const error = problem === undefined ? '' : `, error="invalid_token", error_description="${problem}"`
  const message = problem ?? 'AKV10000: Request is missing a Bearer or PoP token.'
  return new Refusal(401, 'Unauthorized', message, undefined, {
    'WWW-Authenticate': `Bearer ${login}${error}`,
  })
}

/** 403: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes#http-403-insufficient-permissions */
export const forbidden = (permission: string): Refusal =>
  new Refusal(
    403,
    'Forbidden',
    `Caller is not authorized to perform action on resource. Missing permission: keys/${permission}`,
    'ForbiddenByRbac',
  )

/** 403 by the network rules: https://learn.microsoft.com/azure/key-vault/general/common-error-codes */
export const firewalled = (): Refusal =>
  new Refusal(
    403,
    'Forbidden',
    'Client address is not authorized and caller is not a trusted service.',
    'ForbiddenByFirewall',
  )

/** 403: https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#key-attributes */
export const disabledKey = (operation: string): Refusal =>
  new Refusal(403, 'Forbidden', `Operation ${operation} is not allowed on a disabled key.`, 'KeyDisabled')

/** 403: https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#date-time-controlled-operations */
export const outsideDates = (operation: string, isExpired: boolean): Refusal =>
  new Refusal(
    403,
    'Forbidden',
    `Operation ${operation} is not allowed on ${isExpired ? 'an expired key' : 'a key that is not yet valid'}.`,
    isExpired ? 'KeyExpired' : 'KeyNotYetValid',
  )

/** 403: https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/keyvault/TROUBLESHOOTING.md#operation-is-not-permitted */
export const notPermitted = (operation: string): Refusal =>
  new Refusal(
    403,
    'Forbidden',
    `Operation ${operation} is not permitted on this key.`,
    'KeyOperationForbidden',
  )

/** 404: https://learn.microsoft.com/azure/key-vault/general/key-vault-recovery (a deleted key is not found either) */
export const keyNotFound = (name: string): Refusal =>
  new Refusal(
    404,
    'KeyNotFound',
    `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.`,
  )

/** 409: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#soft-delete-behavior */
export const nameOfDeleted = (name: string): Refusal =>
  new Refusal(
    409,
    'Conflict',
    `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused.`,
    'ObjectIsDeletedButRecoverable',
  )

/** 429: https://learn.microsoft.com/azure/key-vault/general/overview-throttling */
export const throttled = (): Refusal =>
  new Refusal(
    429,
    'Throttled',
    'Request was not processed because too many requests were received.',
    undefined,
    {
      'Retry-After': '1',
    },
  )

/** 503 as a gateway sends it, without the service's body. */
export const unavailable: Reply = { status: 503 }
