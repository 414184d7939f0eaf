/**
 * A server in front of a Vault that passes every request on, and does what no Vault does when asked: throttle, hang,
 * cut the connection, damage an answer, answer anything. Without a Vault behind it, it answers only what it is told.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Fault, Faults } from '../../../src/testing/fakes/faults.ts'

/** A request that came by. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The client's port: one a connection. */
  readonly port: number | undefined
}

/** An answer in place of the Vault's. */
export interface Scripted {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Gate extends AsyncDisposable {
  readonly endpoint: string
  readonly faults: Faults
  readonly seen: Seen[]
  /** Paths that came by, without /v1/. */
  paths(): string[]
  /** Answers requests whose path has `part` in it. */
  script(part: string, answer: Scripted): void
  /** Forgets scripts, faults and what came by. */
  reset(): void
  /** Open connections. */
  connections(): number
  close(): Promise<void>
}

export interface GateOptions {
  /** URL of the Vault behind it. */
  readonly upstream?: string
  readonly tls?: ServerOptions
  /** Whose answers the fault 'other-key' gives. */
  readonly otherKey?: string
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export async function openGate(options: GateOptions = {}): Promise<Gate> {
  const faults = new Faults()
  const seen: Seen[] = []
  const scripts = new Map<string, Scripted>()
  const serve: RequestListener = (request, response) => {
    void handle(request, response).catch(() => response.destroy())
  }
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readAll(request)
    const { headers, method = '', url: path = '' } = request
    const one: Seen = { method, path, headers, body, port: request.socket.remotePort }
    seen.push(one)
    const script = [...scripts].find(([part]) => path.includes(part))?.[1]
    if (script !== undefined) return send(response, scriptedAnswer(script))
    const fault = faults.take(operationOf(path))
    await answer(fault, one, response, options)
  }
  const server = options.tls === undefined ? createServer(serve) : createTlsServer(options.tls, serve)
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    socket.once('close', () => connections--)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = (): Promise<void> => closeServer(server)
  return {
    endpoint: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    faults,
    seen,
    paths: () => seen.map(({ path }) => path.replace('/v1/', '')),
    script: (part, scripted) => void scripts.set(part, scripted),
    reset() {
      scripts.clear()
      faults.clear()
      seen.length = 0
    },
    connections: () => connections,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** The operation in the words of `Faults`: 'encrypt', 'decrypt', 'keys', 'login', 'lookup-self', 'renew-self'. */
function operationOf(path: string): string {
  return /\/(encrypt|decrypt|keys|login|lookup-self|renew-self)(\/|$)/.exec(path)?.[1] ?? 'other'
}

async function answer(
  fault: Fault | undefined,
  request: Seen,
  response: ServerResponse,
  { otherKey = '', upstream }: GateOptions,
): Promise<void> {
  if (fault === 'hang') return
  if (fault === 'reset') return void response.destroy()
  if (fault === 'throttle') return send(response, refusal(429, 'rate limit quota exceeded'))
  if (fault === 'unavailable') return send(response, refusal(502, 'bad gateway'))
  if (fault === 'expired-token') return send(response, refusal(403, 'permission denied'))
  if (upstream === undefined) return send(response, refusal(404))
  const path = fault === 'other-key' ? request.path.replace(/[^/]+$/, otherKey) : request.path
  const real = await passOn(upstream, { ...request, path })
  if (fault === 'half-reply') {
    response.writeHead(real.status, { 'content-length': real.text.length })
    response.write(real.text.slice(0, real.text.length / 2), () => response.destroy())
    return
  }
  send(response, { ...real, text: damagedText(fault, real.text) })
}

/** Vault's answers have no checksum: what is damaged is the first base64 character of what it computed. */
function damagedText(fault: Fault | undefined, text: string): string {
  if (fault === 'wrong-checksum') {
    return text.replace(
      /("(?:ciphertext":"vault:v\d+:|plaintext":"))(.)/,
      (_, before: string, first: string) => `${before}${first === 'A' ? 'B' : 'A'}`,
    )
  }
  return fault === 'missing-field' ? text.replace(/"data":\{/, '"data":{},"gone":{') : text
}

const refusal = (status: number, ...errors: string[]): Answer => scriptedAnswer({ status, body: { errors } })

function scriptedAnswer({ body, headers = {}, status }: Scripted): Answer {
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)
  return { status, headers: { 'content-type': 'application/json', ...headers }, text }
}

function send(response: ServerResponse, { headers, status, text }: Answer): void {
  response.writeHead(status, headers).end(text)
}

async function passOn(upstream: string, { body, headers, method, path }: Seen): Promise<Answer> {
  const passed = ['x-vault-token', 'x-vault-namespace', 'content-type']
  const reply = await fetch(upstream + path, {
    method,
    headers: Object.fromEntries(
      passed.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])),
    ),
    ...(body === '' ? {} : { body }),
  })
  const date = reply.headers.get('date')
  return { status: reply.status, headers: date === null ? {} : { date }, text: await reply.text() }
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
