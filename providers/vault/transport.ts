/**
 * HTTP for node-vault, given to it as its `request-promise` option. node-vault's own (axios) takes no AbortSignal,
 * follows redirects with the token in a header, to http too, obeys VAULT_SKIP_VERIFY, and hides the Date header.
 */
import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { ServerFacts } from '../../src/provider.ts'

/** One call, on its way through node-vault: what goes down and what comes back beside the body. */
export interface Exchange {
  readonly signal: AbortSignal | undefined
  facts?: ServerFacts
}

/** What node-vault passes on of the request it was given. */
interface HttpRequest {
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly exchange: Exchange
}

/** What node-vault wants back. */
interface HttpReply {
  readonly statusCode: number
  readonly body: unknown
  readonly request: { readonly path: string }
}

/** For https: trust, and with whom we believe to speak. */
export interface TlsSettings {
  readonly secureContext: SecureContext
  readonly servername?: string
}

export interface Transport {
  /** As node-vault calls it. */
  readonly requestPromise: { defaults(): (request: HttpRequest) => Promise<HttpReply> }
  /** Ends idle connections. */
  close(): void
}

/** A connection that idles longer is closed here, before load balancers close it (usually after 60 s). */
const IDLE_MS = 30_000
/** The longest answer is the description of a key, some 30 bytes a version. */
const MAX_REPLY_BYTES = 4 * 1024 * 1024

/** Connections to one server, kept alive. `tls` for https. */
export function createTransport(tls: TlsSettings | undefined): Transport {
  const keep = { keepAlive: true, timeout: IDLE_MS }
  const agent = tls === undefined ? new PlainAgent(keep) : new TlsAgent({ ...keep, ...tls })
  const send = tls === undefined ? plainRequest : tlsRequest

  const call = async (request: HttpRequest): Promise<HttpReply> => {
    const { exchange, headers, json, method } = request
    const url = new URL(request.uri)
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
    const length = body === undefined ? {} : { 'Content-Length': body.length }
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = send(url, {
        agent,
        method,
        headers: { ...headers, ...length, 'Content-Type': 'application/json', 'X-Vault-Request': 'true' },
        ...(exchange.signal === undefined ? {} : { signal: exchange.signal }),
      })
      outgoing.once('response', resolve)
      outgoing.on('error', reject) // also after the answer began: then it is the reply that fails
      outgoing.end(body)
    })
    exchange.facts = factsOf(reply)
    const text = await textOf(reply)
    return { statusCode: reply.statusCode ?? 0, body: parsed(text), request: { path: url.pathname } }
  }
  return { requestPromise: { defaults: () => call }, close: () => agent.destroy() }
}

function factsOf(reply: IncomingMessage): ServerFacts {
  const time = Date.parse(reply.headers.date ?? '')
  const tls = (reply.socket as Partial<TLSSocket>).encrypted === true
  return { tls, ...(Number.isNaN(time) ? {} : { time }) }
}

async function textOf(reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_REPLY_BYTES) {
      reply.destroy()
      return '' // what is so long is no answer of Vault, and an empty text is none either
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** JSON as what it says; anything else, such as a proxy's page, as text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
