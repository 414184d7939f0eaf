/** Middleware for Hono 4, on any runtime that runs Keywright. */
import { Bodies, type BodyOptions } from './shared/http/bodies.ts'
import { collectWeb } from './shared/http/collect.ts'
import { answeredInClear, type Problem, requestProblem, responseProblem } from './shared/http/problem.ts'
import { checkHeaders, decryptBody } from './shared/http/request.ts'
import { encryptBody, TELLTALE_HEADERS } from './shared/http/response.ts'
import type { KeywrightSource } from './shared/source.ts'

/** The part of Hono's context that is used. */
export interface HonoContextLike {
  readonly req: {
    raw: Request
    bodyCache: object
    arrayBuffer(): Promise<ArrayBuffer>
    header(name: string): string | undefined
  }
  get res(): Response
  set res(response: Response | undefined)
}

export type HonoMiddleware<C extends HonoContextLike> = (
  context: C,
  next: () => Promise<void>,
) => Promise<Response | undefined>

/**
 * Decrypts the body of requests: what comes after reads it as if it had been sent in clear. Requests without a body
 * pass.
 *
 * Answers 400 with `{ code, message, hint }` for what does not open, 413, 415, 503 with Retry-After when keys are not
 * available at the moment, 500 without a reason otherwise: `onError` is told it.
 */
export function decryptRequest<C extends HonoContextLike = HonoContextLike>(
  source: KeywrightSource,
  options: BodyOptions<C>,
): HonoMiddleware<NoInfer<C>> {
  const bodies = new Bodies<C>(source, options)
  return async (context, next) => {
    const { req } = context
    if (req.raw.body !== null) {
      try {
        await decrypt(bodies, context)
      } catch (error) {
        bodies.report(error, context)
        answeredInClear.add(context)
        return responseOf(requestProblem(error))
      }
    }
    await next()
    return undefined
  }
}

/**
 * Encrypts the body of responses, whole or at `paths` of its JSON. It is read as a whole first, up to `limit` bytes.
 * Headers that tell of the plain body (ETag, Content-Length) are dropped. With `paths` a successful answer that is no
 * JSON is not sent. Compression has to be registered before it.
 */
export function encryptResponse<C extends HonoContextLike = HonoContextLike>(
  source: KeywrightSource,
  options: BodyOptions<C>,
): HonoMiddleware<NoInfer<C>> {
  const bodies = new Bodies<C>(source, options)
  return async (context, next) => {
    await next()
    if (answeredInClear.has(context)) return undefined
    const plain = context.res
    let response: Response
    try {
      response = await encrypt(bodies, plain, context)
    } catch (error) {
      bodies.report(error, context)
      response = responseOf(responseProblem(error))
    }
    context.res = undefined // else Hono would copy the headers of the plain response
    context.res = response
    return undefined
  }
}

async function decrypt<C extends HonoContextLike>(bodies: Bodies<C>, context: C): Promise<void> {
  const { req } = context
  const header = (name: string) => req.header(name)
  checkHeaders(bodies, header)
  const sent = req.raw.bodyUsed
    ? Buffer.from(await req.arrayBuffer()) // somebody has read it: Hono keeps what was read
    : await collectWeb(req.raw.body, bodies.limit)
  const plain = await decryptBody(bodies, sent, header('content-type'), context)
  const headers = new Headers(req.raw.headers)
  headers.set('content-type', plain.contentType)
  headers.set('content-length', String(plain.body.length))
  headers.delete('transfer-encoding')
  const { url, method, signal } = req.raw
  req.raw = new Request(url, { method, headers, signal, body: new Uint8Array(plain.body) })
  req.bodyCache = {}
}

async function encrypt<C extends HonoContextLike>(
  bodies: Bodies<C>,
  plain: Response,
  context: C,
): Promise<Response> {
  const body = await collectWeb(plain.body, bodies.limit)
  const headers = new Headers(plain.headers)
  for (const name of TELLTALE_HEADERS) headers.delete(name)
  const parts = {
    status: plain.status,
    contentType: headers.get('content-type') ?? undefined,
    contentEncoding: headers.get('content-encoding') ?? undefined,
  }
  const encrypted = await encryptBody(bodies, body, parts, context)
  if (encrypted !== undefined) headers.set('content-type', encrypted.contentType)
  const { status, statusText } = plain
  const sent = encrypted?.body ?? (body.length === 0 ? null : body)
  return new Response(sent === null ? null : new Uint8Array(sent), { status, statusText, headers })
}

const responseOf = ({ status, headers, body }: Problem): Response => new Response(body, { status, headers })

export type { BodyOptions, KeywrightSource }
