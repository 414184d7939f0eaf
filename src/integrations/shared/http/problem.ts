/** What a client gets to see of an error: RFC 9457's media type, a code to act on, and never a value. */
import { type ErrorCode, KeywrightError } from '../../../errors.ts'

/** An answer in place of the one that was asked for. */
export interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const RETRY_AFTER_SECONDS = '5'

/**
 * Exchanges that `decryptRequest` has answered with a problem: `encryptResponse` leaves that as it is, for a client that
 * may not have the keys.
 */
export const answeredInClear = new WeakSet<object>()

/** What is wrong with the client's data; its message and hint say so without repeating any of it. */
const OF_THE_CLIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_CIPHERTEXT_EMPTY',
  'ERR_CIPHERTEXT_MALFORMED',
  'ERR_NOT_CIPHERTEXT',
  'ERR_DECRYPTION_FAILED',
  'ERR_VALUE_TYPE',
  'ERR_VALUE_TOO_LARGE',
  'ERR_INPUT_INVALID',
  'ERR_TENANT_INVALID',
])

/** Which key it is, and what became of it, is nobody's business outside. */
const OF_THE_KEY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_KEY_UNKNOWN',
  'ERR_KEYRING_UNKNOWN',
  'ERR_KEYRING_MISMATCH',
  'ERR_KEY_SUSPENDED',
  'ERR_KEY_COMPROMISED',
  'ERR_KEY_DESTROYED',
])

/** An error that has a status of its own. */
export class Refusal extends Error {
  readonly status: number
  readonly error: KeywrightError

  constructor(status: number, error: KeywrightError) {
    super(error.message)
    this.status = status
    this.error = error
  }
}

/** The body is larger than the option `limit` allows. */
export function tooLarge(limit: number): Refusal {
  return new Refusal(
    413,
    new KeywrightError('ERR_VALUE_TOO_LARGE', `the body is larger than ${limit} bytes`, {
      hint: 'send less at once; the server allows more with the option "limit"',
    }),
  )
}

/** The body is of a type that cannot be decrypted here. */
export function wrongType(expected: string): Refusal {
  return new Refusal(
    415,
    new KeywrightError('ERR_INPUT_INVALID', 'the body is of a content type that is not accepted here', {
      hint: `send it as ${expected}, without content encoding`,
    }),
  )
}

/** For the request: what is wrong with the client's data is a 400, what may pass a 503, the rest a 500. */
export function requestProblem(error: unknown): Problem {
  if (error instanceof Refusal) return problem(error.status, error.error)
  if (error instanceof KeywrightError) {
    if (OF_THE_CLIENT.has(error.code)) return problem(400, error)
    if (OF_THE_KEY.has(error.code)) return problem(400, notDecrypted(error))
  }
  return responseProblem(error)
}

/** For the response, where nothing is the client's fault. */
export function responseProblem(error: unknown): Problem {
  const isPassing = error instanceof KeywrightError && error.retryable
  if (!isPassing) return problem(500, { code: 'ERR_INTERNAL', message: 'internal error' })
  const message = 'the keys are not available at the moment'
  const { status, headers, body } = problem(503, {
    code: error.code,
    message,
    hint: 'send the request again later',
  })
  return { status, headers: { ...headers, 'retry-after': RETRY_AFTER_SECONDS }, body }
}

/** The same field, and the one face of failed decryption. */
function notDecrypted({ details }: KeywrightError): { code: string; message: string; hint: string } {
  const { field } = details
  const where = typeof field === 'string' ? `field "${field}": ` : ''
  return {
    code: 'ERR_DECRYPTION_FAILED',
    message: `${where}decryption failed`,
    hint: 'the ciphertext was changed, or it was made for another place, tenant or key type',
  }
}

function problem(
  status: number,
  {
    code,
    message,
    hint,
  }: { readonly code: string; readonly message: string; readonly hint?: string | undefined },
): Problem {
  return {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' },
    body: JSON.stringify({ code, message, ...(hint === undefined ? {} : { hint }) }),
  }
}
