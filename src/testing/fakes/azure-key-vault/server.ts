/** The fake on the wire: HTTPS with a certificate made at its start, the login dance, strict requests, faults. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fault, Faults } from '../faults.ts'
import {
  badParameter,
  firewalled,
  forbidden,
  Refusal,
  type Reply,
  throttled,
  unauthorized,
  unavailable,
} from './answers.ts'
import type { FakeLogin, Principal } from './login.ts'
import { findOperation } from './operations.ts'
import type { FakeVault } from './vault.ts'

/** https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups */
const API_VERSIONS = ['7.4', '7.5', '7.6', '2025-07-01']
const SERVICE_VERSION = '1.9.2000.1'
const MAX_BODY_BYTES = 65_536

/** A request that passed the login, as tests look at it. */
export interface SeenCall {
  readonly operation: string
  readonly path: string
  readonly status: number
  readonly userAgent: string
  /** Who called; empty for the token of emulators. */
  readonly clientId: string
}

export interface Parts {
  readonly vault: FakeVault
  readonly login: FakeLogin
  readonly faults: Faults
  readonly calls: SeenCall[]
  /** The network rules refuse everybody. */
  isFirewalled: boolean
  origin(): string
}

/** Answers one request. */
export async function serve(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://fake.invalid')
  const text = await readBody(request)
  const loggedIn = loginReply(parts, request, url, text)
  if (loggedIn !== undefined) return send(response, loggedIn)
  const found = findOperation(request.method ?? '', url.pathname)
  let fault: Fault | undefined
  let reply: Reply
  let clientId = ''
  try {
    const principal = authenticate(parts, request)
    clientId = principal.clientId
    // A client's first request is there to be challenged, and is not a call.
    fault = parts.faults.take(found?.operation.name ?? '')
    reply = faultReply(parts, fault) ?? (await run(parts, principal, request, url, text))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    reply = error.reply
    if (reply.status === 401 && fault === undefined) return send(response, reply)
  }
  const userAgent = request.headers['user-agent'] ?? ''
  const operation = found?.operation.name ?? ''
  parts.calls.push({ operation, path: url.pathname, status: reply.status, userAgent, clientId })
  return misbehave(request, response, reply, fault)
}

/** Requests for a token, or undefined for all others. */
function loginReply(
  { login, origin }: Parts,
  request: IncomingMessage,
  url: URL,
  text: string,
): Reply | undefined {
  if (url.pathname === `/${login.tenantId}/v2.0/.well-known/openid-configuration`)
    return login.discovery(origin())
  if (url.pathname !== `/${login.tenantId}/oauth2/v2.0/token` || request.method !== 'POST') return undefined
  return login.clientCredentials(new URLSearchParams(text))
}

function authenticate({ login }: Parts, { headers }: IncomingMessage): Principal {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
  if (token === undefined) throw unauthorized(login.tenantId)
  const principal = login.principalOf(token)
  if (principal === undefined) throw unauthorized(login.tenantId, 'the token is expired or not known')
  return principal
}

async function run(
  parts: Parts,
  principal: Principal,
  request: IncomingMessage,
  url: URL,
  text: string,
): Promise<Reply> {
  if (!API_VERSIONS.includes(url.searchParams.get('api-version') ?? '')) {
    throw badParameter('The api-version is missing or not supported.')
  }
  if (parts.isFirewalled) throw firewalled()
  const found = findOperation(request.method ?? '', url.pathname)
  if (found === undefined) throw badParameter('There is no such operation.')
  const { name, operation, version } = found
  if (!principal.permissions.has(operation.permission)) throw forbidden(operation.permission)
  return operation.run(parts.vault, { name, version, body: parseBody(request, text) })
}

function parseBody({ headers, method }: IncomingMessage, text: string): Readonly<Record<string, unknown>> {
  if (text === '' || method === 'GET') return {}
  if (headers['content-type']?.split(';')[0] !== 'application/json')
    throw badParameter('The body is not JSON.')
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && !Array.isArray(body))
      return body as Record<string, unknown>
  } catch {
    // refused below
  }
  throw badParameter('The body is not a JSON object.')
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += (chunk as Buffer).length
    if (length <= MAX_BODY_BYTES) chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What is said in place of doing what was asked. */
function faultReply({ login }: Parts, fault: Fault | undefined): Reply | undefined {
  if (fault === 'throttle') throw throttled()
  if (fault === 'expired-token') throw unauthorized(login.tenantId, 'the token is expired')
  return fault === 'unavailable' ? unavailable : undefined
}

/** Sends the reply, or what a fault makes of it. */
function misbehave(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  fault: Fault | undefined,
): void {
  if (fault === 'hang') return
  if (fault === 'reset') {
    request.socket.destroy()
    return
  }
  if (fault === 'half-reply') {
    const text = JSON.stringify(reply.body ?? {})
    response.writeHead(reply.status, { ...headersOf(reply), 'Content-Length': Buffer.byteLength(text) })
    response.write(text.slice(0, text.length >> 1), () => request.socket.destroy())
    return
  }
  send(response, fault === undefined ? reply : damaged(reply, fault))
}

/** The protocol has no checksums: a damaged value is cut by a byte. */
function damaged(reply: Reply, fault: Fault): Reply {
  const { body } = reply
  if (body === undefined || reply.status !== 200) return reply
  const key = body['key'] as Record<string, unknown> | undefined
  const value = typeof body['value'] === 'string' ? body['value'] : undefined
  if (fault === 'missing-field') {
    const { key: _, value: __, ...rest } = body
    return { ...reply, body: rest }
  }
  if (fault === 'other-key') {
    const rename = (kid: unknown): string => String(kid).replace(/[^/]+\/[^/]+$/, `another/${'0'.repeat(32)}`)
    const changed =
      key === undefined ? { kid: rename(body['kid']) } : { key: { ...key, kid: rename(key['kid']) } }
    return { ...reply, body: { ...body, ...changed } }
  }
  if (fault !== 'wrong-checksum' || value === undefined) return reply
  const bytes = Buffer.from(value, 'base64url')
  return { ...reply, body: { ...body, value: bytes.subarray(0, -1).toString('base64url') } }
}

function headersOf({ headers, body }: Reply): Record<string, string> {
  return {
    'Cache-Control': 'no-cache',
    'x-ms-keyvault-service-version': SERVICE_VERSION,
    ...(body === undefined ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
    ...headers,
  }
}

/** Sends a reply as it is. */
export function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, headersOf(reply))
  response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body))
}
