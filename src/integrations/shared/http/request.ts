/** The decryption of a request's body, as every framework needs it. */
import { type Bodies, isJson, type PlainBody, parseJson } from './bodies.ts'
import { tooLarge, wrongType } from './problem.ts'

/** Header by its name in lower case. */
export type HeaderOf = (name: string) => string | undefined

/** Whether the request says that it has a body. */
export function hasBody(header: HeaderOf): boolean {
  return header('transfer-encoding') !== undefined || Number(header('content-length') ?? 0) > 0
}

/**
 * Refuses by the headers alone: the wrong type or encoding (415), a length beyond the limit (413). The length of a
 * JSON body is the business of whoever parses it.
 */
export function checkHeaders(bodies: Bodies<never>, header: HeaderOf): void {
  const encoding = header('content-encoding') ?? 'identity'
  const isRight = bodies.isWhole ? true : isJson(header('content-type'))
  if (!isRight || encoding.toLowerCase() !== 'identity') throw wrongType('application/json')
  if (Number(header('content-length') ?? 0) > bodies.limit) throw tooLarge(bodies.limit)
}

/** The body in clear, with its type, from the body as it was sent. */
export async function decryptBody<R>(
  bodies: Bodies<R>,
  body: Buffer,
  contentType: string | undefined,
  request: R,
): Promise<PlainBody> {
  if (bodies.isWhole) return bodies.decryptWhole(body, contentType, request)
  const value = await bodies.decryptJson(parseJson(body), request)
  return { body: Buffer.from(JSON.stringify(value)), contentType: contentType ?? 'application/json' }
}
