/** Middleware for Express 5, for Connect, and for anything else that hands on Node's request and response. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Bodies, type BodyOptions, isJson, type PlainBody, parseJson } from './shared/http/bodies.ts'
import { collectNode } from './shared/http/collect.ts'
import { interceptBody } from './shared/http/intercept.ts'
import { answeredInClear, type Problem, requestProblem, responseProblem } from './shared/http/problem.ts'
import { checkHeaders, decryptBody, hasBody } from './shared/http/request.ts'
import { encryptBody, TELLTALE_HEADERS } from './shared/http/response.ts'
import type { KeywrightSource } from './shared/source.ts'

export type ExpressMiddleware<R extends IncomingMessage> = (
  request: R,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Decrypts the body of requests and leaves it in `request.body`, parsed when it is JSON, as text when it is text,
 * else as a Buffer. With `paths` a body that `express.json()` has left is used, for a whole body one of
 * `express.raw()`. Requests without a body pass.
 *
 * Answers 400 with `{ code, message, hint }` for what does not open, 413, 415, 503 with Retry-After when keys are not
 * available at the moment, 500 without a reason otherwise: `onError` is told it.
 */
export function decryptRequest<R extends IncomingMessage = IncomingMessage>(
  source: KeywrightSource,
  options: BodyOptions<R>,
): ExpressMiddleware<NoInfer<R>> {
  const bodies = new Bodies<R>(source, options)
  return (request, response, next) => {
    if (!hasBody(headerOf(request))) {
      next()
      return
    }
    decrypt(bodies, request).then(
      (body) => {
        Object.assign(request, { body })
        next()
      },
      (error: unknown) => {
        const problem = requestProblem(error)
        if (problem.status === 413) response.shouldKeepAlive = false // the rest of the body is not waited for
        bodies.report(error, request)
        answeredInClear.add(response)
        response.end(answer(response, problem))
      },
    )
  }
}

/**
 * Encrypts the body of responses, whole or at `paths` of its JSON. It is kept back until it is complete, up to `limit`
 * bytes. Headers that tell of the plain body (ETag, Content-Length) are dropped. With `paths` a successful answer that
 * is no JSON is not sent. Compression has to be registered before it.
 */
export function encryptResponse<R extends IncomingMessage = IncomingMessage>(
  source: KeywrightSource,
  options: BodyOptions<R>,
): ExpressMiddleware<NoInfer<R>> {
  const bodies = new Bodies<R>(source, options)
  return (request, response, next) => {
    const finish = async (body: Buffer): Promise<Buffer> => {
      if (answeredInClear.has(response)) return body
      for (const name of TELLTALE_HEADERS) response.removeHeader(name)
      const header = (name: string) => response.getHeader(name)?.toString()
      const parts = {
        status: response.statusCode,
        contentType: header('content-type'),
        contentEncoding: header('content-encoding'),
      }
      const encrypted = await encryptBody(bodies, body, parts, request)
      if (encrypted === undefined) return body
      response.setHeader('content-type', encrypted.contentType)
      return encrypted.body
    }
    interceptBody(response, bodies.limit, finish, (error) => {
      bodies.report(error, request)
      return answer(response, responseProblem(error))
    })
    next()
  }
}

async function decrypt<R extends IncomingMessage>(bodies: Bodies<R>, request: R): Promise<unknown> {
  checkHeaders(bodies, headerOf(request))
  // Not in the type of the request: Express infers the body's type of all handlers of a route together.
  const { body: left } = request as { readonly body?: unknown }
  if (!bodies.isWhole && left !== undefined) return bodies.decryptJson(left, request)
  const body = left instanceof Uint8Array ? Buffer.from(left) : await collectNode(request, bodies.limit)
  return parsed(await decryptBody(bodies, body, request.headers['content-type'], request))
}

function parsed({ body, contentType }: PlainBody): unknown {
  if (isJson(contentType)) return parseJson(body)
  return contentType.startsWith('text/') ? body.toString('utf8') : body
}

/** Sets status and headers; gives the body. */
function answer(response: ServerResponse, { status, headers, body }: Problem): Buffer {
  for (const name of [...TELLTALE_HEADERS, 'content-encoding']) response.removeHeader(name)
  response.statusCode = status
  response.statusMessage = ''
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  return Buffer.from(body)
}

const headerOf =
  ({ headers }: IncomingMessage) =>
  (name: string): string | undefined =>
    headers[name]?.toString()

export type { BodyOptions, KeywrightSource }
