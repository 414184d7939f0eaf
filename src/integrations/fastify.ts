/** Hooks of routes for Fastify 5. */
import { Readable } from 'node:stream'
import { Bodies, type BodyOptions } from './shared/http/bodies.ts'
import { collectAny, collectNode } from './shared/http/collect.ts'
import { answeredInClear, type Problem, requestProblem, responseProblem } from './shared/http/problem.ts'
import { checkHeaders, decryptBody, hasBody } from './shared/http/request.ts'
import { encryptBody, TELLTALE_HEADERS } from './shared/http/response.ts'
import type { KeywrightSource } from './shared/source.ts'

/** The part of Fastify's request that is used. */
export interface FastifyRequestLike {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly raw: { readonly headers: Record<string, string | string[] | undefined> }
  readonly log: { error(error: unknown, message?: string): void }
  body: unknown
}

/** The part of Fastify's reply that is used. */
export interface FastifyReplyLike {
  statusCode: number
  code(status: number): unknown
  header(name: string, value: string): unknown
  getHeader(name: string): number | string | readonly string[] | undefined
  removeHeader(name: string): unknown
  send(body: unknown): unknown
}

/** The hook of a route that reads requests. */
export interface DecryptingHooks<R extends FastifyRequestLike> {
  preParsing(request: R, reply: FastifyReplyLike, payload: Readable): Promise<unknown>
}

/** The hook of a route that sends responses. */
export interface EncryptingHooks<R extends FastifyRequestLike> {
  onSend(request: R, reply: FastifyReplyLike, payload: unknown): Promise<unknown>
}

/**
 * Decrypts the body of requests before Fastify parses and validates it:
 *
 *     app.post('/users', { ...decryptRequest(kw, { name: 'users.create', keyType: 'pii' }) }, handler)
 *
 * Answers 400 with `{ code, message, hint }` for what does not open, 413, 415, 503 with Retry-After when keys are not
 * available at the moment, 500 without a reason otherwise: it is logged, and `onError` is told it.
 */
export function decryptRequest<R extends FastifyRequestLike = FastifyRequestLike>(
  source: KeywrightSource,
  options: BodyOptions<R>,
): DecryptingHooks<NoInfer<R>> {
  const bodies = new Bodies<R>(source, options)
  return {
    async preParsing(request, reply, payload) {
      const header = (name: string) => request.headers[name]?.toString()
      if (!hasBody(header)) return payload
      try {
        checkHeaders(bodies, header)
        const sent = await collectNode(payload, bodies.limit)
        const plain = await decryptBody(bodies, sent, header('content-type'), request)
        request.raw.headers['content-type'] = plain.contentType
        // Fastify compares Content-Length with what was received, not with what it is given.
        return Object.assign(Readable.from([plain.body]), { receivedEncodedLength: sent.length })
      } catch (error) {
        const problem = requestProblem(error)
        if (problem.status === 413) reply.header('connection', 'close')
        report(bodies, error, problem, request)
        answeredInClear.add(request)
        return reply.send(answer(reply, problem))
      }
    },
  }
}

/**
 * Encrypts the body of responses, whole or at `paths` of its JSON, after it was serialised. Streams are read up to
 * `limit` bytes first. With `paths` a successful answer that is no JSON is not sent.
 */
export function encryptResponse<R extends FastifyRequestLike = FastifyRequestLike>(
  source: KeywrightSource,
  options: BodyOptions<R>,
): EncryptingHooks<NoInfer<R>> {
  const bodies = new Bodies<R>(source, options)
  return {
    async onSend(request, reply, payload) {
      const header = (name: string) => reply.getHeader(name)?.toString()
      if (answeredInClear.has(request)) return payload
      try {
        const body = await collectAny(payload, bodies.limit)
        for (const name of TELLTALE_HEADERS) reply.removeHeader(name)
        const parts = {
          status: reply.statusCode,
          contentType: header('content-type'),
          contentEncoding: header('content-encoding'),
        }
        const encrypted = await encryptBody(bodies, body, parts, request)
        if (encrypted === undefined) return payload === null || payload === undefined ? payload : body
        reply.header('content-type', encrypted.contentType)
        return encrypted.body
      } catch (error) {
        const problem = responseProblem(error)
        report(bodies, error, problem, request)
        return answer(reply, problem)
      }
    },
  }
}

function report<R extends FastifyRequestLike>(
  bodies: Bodies<R>,
  error: unknown,
  { status }: Problem,
  request: R,
): void {
  if (status >= 500) request.log.error(error, 'encryption of a body failed')
  bodies.report(error, request)
}

/** Sets status and headers; gives the body. */
function answer(reply: FastifyReplyLike, { status, headers, body }: Problem): string {
  for (const name of [...TELLTALE_HEADERS, 'content-encoding']) reply.removeHeader(name)
  reply.code(status)
  for (const [name, value] of Object.entries(headers)) reply.header(name, value)
  return body
}

export type { BodyOptions, KeywrightSource }
