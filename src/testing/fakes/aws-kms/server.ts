/** The wire: JSON 1.1 over HTTP, one POST a call, and what can go wrong with it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Fault, Faults } from '../faults.ts'
import type { FakeKeys } from './keys.ts'
import { OPERATIONS } from './operations.ts'
import { Refusal } from './refusal.ts'
import { Request } from './request.ts'
import type { Identities } from './signature.ts'

const TYPE = 'application/x-amz-json-1.1'
const TARGET = /^TrentService\.([A-Za-z]+)$/

/** A call that was recognised, before it was decided. */
export interface SeenCall {
  readonly operation: string
  readonly region: string
  readonly accessKeyId: string
  /** The request as it came. */
  readonly body: string
}

export interface Parts {
  readonly keys: FakeKeys
  readonly identities: Identities
  readonly faults: Faults
  readonly calls: SeenCall[]
  readonly grantTokens: Set<string>
  namesMaterials: boolean
}

/** The HTTP server. `/credentials` is the endpoint of a container, which hands out temporary credentials. */
export async function listen(parts: Parts): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => {
    const isLogin = request.method === 'GET' && request.url === '/credentials'
    if (isLogin) return void send(response, 200, JSON.stringify(parts.identities.issue()))
    serve(parts, request, response).catch((error: Error) => response.destroy(error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

export async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

async function serve(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString('utf8')
  try {
    const [, operation = ''] = TARGET.exec(String(request.headers['x-amz-target'])) ?? []
    const fault = parts.faults.take(operation)
    if (fault === 'hang') return
    if (fault === 'reset') return void request.socket.destroy()
    refuseBy(fault)
    const reply = JSON.stringify(damaged(answer(parts, request, operation, body), fault))
    if (fault === 'half-reply') return cut(response, reply)
    send(response, 200, reply)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { message, name, status } = error
    send(response, status, JSON.stringify({ __type: name, ...(message === '' ? {} : { message }) }))
  }
}

function answer(parts: Parts, request: IncomingMessage, name: string, body: string): Record<string, unknown> {
  const { calls, grantTokens, identities, keys, namesMaterials } = parts
  const { headers, method, url } = request
  if (method !== 'POST' || url !== '/' || headers['content-type'] !== TYPE) {
    throw new Refusal('UnknownOperationException', '')
  }
  const { accessKeyId, identity, region } = identities.recognise(headers, body)
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined
  if (operation === undefined) throw new Refusal('UnknownOperationException', '')
  calls.push({ operation: name, region, accessKeyId, body })
  for (const action of operation.actions) {
    if (identity.actions !== undefined && !identity.actions.includes(action)) {
      throw new Refusal('AccessDeniedException', `User is not authorized to perform: ${action}`)
    }
  }
  const members = new Request(body)
  const reply = operation.run(members, { grantTokens, keys, namesMaterials, region })
  members.end()
  return { ...reply }
}

/**
 * The faults that are refusals.
 * https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html#throttling
 */
function refuseBy(fault: Fault | undefined): void {
  if (fault === 'throttle') {
    const message =
      'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.'
    throw new Refusal('ThrottlingException', message)
  }
  if (fault === 'unavailable') throw new Refusal('ServiceUnavailable', '')
  if (fault === 'expired-token') {
    throw new Refusal('ExpiredTokenException', 'The security token included in the request is expired')
  }
}

const BYTES = ['Plaintext', 'CiphertextBlob']

/** The faults of answers that look good. */
function damaged(reply: Record<string, unknown>, fault: Fault | undefined): Record<string, unknown> {
  const changed = { ...reply }
  for (const [member, value] of Object.entries(reply)) {
    const isBytes = BYTES.includes(member)
    if (fault === 'missing-field' && (isBytes || member === 'KeyMetadata')) delete changed[member]
    if (fault === 'wrong-checksum' && isBytes) changed[member] = flipped(String(value))
    if (fault === 'other-key') changed[member] = ofOtherKey(member, value)
  }
  return changed
}

function flipped(text: string): string {
  const bytes = Buffer.from(text, 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return bytes.toString('base64')
}

const OTHER_KEY = '00000000-0000-4000-8000-000000000000'

function ofOtherKey(member: string, value: unknown): unknown {
  if (member === 'KeyId') return String(value).replace(/key\/.*$/, `key/${OTHER_KEY}`)
  if (member !== 'KeyMetadata') return value
  const metadata: Record<string, unknown> = Object(value)
  return { ...metadata, Arn: ofOtherKey('KeyId', metadata['Arn']), KeyId: OTHER_KEY }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': TYPE, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

function cut(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': TYPE, 'content-length': Buffer.byteLength(body) })
  response.write(body.slice(0, body.length >> 1), () => response.destroy())
}
