/** Holding back what a handler writes to a Node response until it is complete. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { tooLarge } from './problem.ts'

/** What is to be sent instead, once the body is complete. */
export type Finish = (body: Buffer) => Promise<Buffer>

/**
 * Replaces `write`, `end`, `writeHead` and `flushHeaders` of one response, so that nothing goes out before `finish`
 * has set the headers and given the body; `fail` gives the body of an answer in its place.
 */
export function interceptBody(
  response: ServerResponse,
  limit: number,
  finish: Finish,
  fail: (error: unknown) => Buffer,
): void {
  const { write, end, writeHead, flushHeaders } = response
  const chunks: Buffer[] = []
  let bytes = 0
  let isEnded = false

  const take = (chunk: unknown, encoding: unknown): void => {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return
    const isText = typeof chunk === 'string'
    const buffer = isText ? Buffer.from(chunk, toEncoding(encoding)) : Buffer.from(chunk as Uint8Array)
    bytes += buffer.length
    if (bytes <= limit) chunks.push(buffer)
    else chunks.length = 0
  }

  const send = async (done: (() => void) | undefined): Promise<void> => {
    let body: Buffer
    try {
      if (bytes > limit) throw tooLarge(limit).error
      body = await finish(Buffer.concat(chunks))
    } catch (error) {
      body = fail(error)
    }
    Object.assign(response, { write, end, writeHead, flushHeaders })
    if (response.req.method !== 'HEAD' && hasContent(response.statusCode))
      response.setHeader('content-length', body.length)
    end.call(response, body, 'utf8', done)
  }

  Object.assign(response, {
    write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
      if (!isEnded) take(chunk, encoding)
      const done = callbackOf(encoding, callback)
      if (done !== undefined) queueMicrotask(done)
      return true
    },
    end(chunk?: unknown, encoding?: unknown, callback?: unknown): ServerResponse {
      if (isEnded) return response
      isEnded = true
      take(chunk, encoding)
      void send(callbackOf(chunk, encoding, callback))
      return response
    },
    writeHead(status: number, ...rest: unknown[]): ServerResponse {
      response.statusCode = status
      if (typeof rest[0] === 'string') response.statusMessage = rest.shift() as string
      setHeaders(response, rest[0] as OutgoingHttpHeaders | readonly string[] | undefined)
      return response
    },
    flushHeaders() {},
  })
}

function setHeaders(
  response: ServerResponse,
  headers: OutgoingHttpHeaders | readonly string[] | undefined,
): void {
  if (Array.isArray(headers)) {
    for (let at = 0; at + 1 < headers.length; at += 2)
      response.appendHeader(headers[at] as string, headers[at + 1] as string)
    return
  }
  for (const [name, value] of Object.entries((headers ?? {}) as OutgoingHttpHeaders))
    if (value !== undefined) response.setHeader(name, value)
}

const hasContent = (status: number): boolean => status !== 204 && status !== 304

const toEncoding = (encoding: unknown): BufferEncoding =>
  typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'

const callbackOf = (...candidates: unknown[]): (() => void) | undefined =>
  candidates.find((one): one is () => void => typeof one === 'function')
