/** The encryption of a response's body, as every framework needs it. */
import { KeywrightError } from '../../../errors.ts'
import { type Bodies, isJson, parseJson } from './bodies.ts'

/** What describes the plain body: its hash, its length. It must not go out with the encrypted one. */
export const TELLTALE_HEADERS = [
  'etag',
  'content-length',
  'content-md5',
  'digest',
  'content-digest',
  'accept-ranges',
]

export interface ResponseParts {
  readonly status: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
}

/** The body to send, with its type. Undefined: there is nothing to encrypt, send it as it is. */
export async function encryptBody<R>(
  bodies: Bodies<R>,
  body: Buffer,
  parts: ResponseParts,
  request: R,
): Promise<{ readonly body: Buffer; readonly contentType: string } | undefined> {
  if (body.length === 0) return undefined
  if ((parts.contentEncoding ?? 'identity').toLowerCase() !== 'identity') throw compressed()
  if (bodies.isWhole) return bodies.encryptWhole(body, parts.contentType, request)
  if (isJson(parts.contentType)) {
    const value = await bodies.encryptJson(parseJson(body), request)
    return { body: Buffer.from(JSON.stringify(value)), contentType: parts.contentType ?? 'application/json' }
  }
  // An error page of the framework has no paths; a good answer that is no JSON would go out in clear.
  if (parts.status >= 400) return undefined
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'the response is not JSON, so its paths cannot be encrypted',
    {
      hint: 'answer with JSON on this route, or encrypt the whole body',
    },
  )
}

function compressed(): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', 'the response is compressed before it is encrypted', {
    hint: 'let compression run outside: register it before encryptResponse',
  })
}
