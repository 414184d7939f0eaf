/** Cloud KMS as a server in this process: operations behind permissions, faults in front of both. */
import { randomBytes } from 'node:crypto'
import { type Fault, Faults } from '../faults.ts'
import { checksumOf } from './checksums.ts'
import { CryptoKeys } from './crypto-keys.ts'
import { Front } from './front.ts'
import { type Answer, type Handler, type ServerCall, startGrpc, type TlsPair } from './grpc.ts'
import { OPERATIONS, type Operation, type Reply, resourceOf } from './operations.ts'
import { STATUS, StatusError } from './status.ts'

export interface ServerOptions {
  /** @default a free one */
  readonly port?: number
  /** Serves TLS. Then a token is needed too, if `permissionsOf` says so. */
  readonly tls?: TlsPair
  /**
   * The permissions of a bearer token; undefined for one that is not accepted. Without this function anybody may do
   * anything.
   */
  readonly permissionsOf?: (token: string | undefined) => readonly string[] | undefined
}

export interface KmsServer {
  readonly port: number
  readonly keys: CryptoKeys
  readonly faults: Faults
  /** How often each method was called. */
  readonly calls: Map<string, number>
  /** Changes a reply before it is sent, for faults beyond the shared ones. */
  tamper: ((operation: string, reply: Reply) => void) | undefined
  stop(): Promise<void>
}

/** A reply that is cut here has lost its end: the headers of HTTP/2 alone are longer. */
const HALF_REPLY_BYTES = 40

const REFUSED: Readonly<Partial<Record<Fault, StatusError>>> = {
  // https://cloud.google.com/kms/docs/monitor-adjust-quotas
  throttle: new StatusError('RESOURCE_EXHAUSTED', 'Quota exceeded for quota metric Cryptographic requests.'),
  // https://cloud.google.com/apis/design/errors
  unavailable: new StatusError('UNAVAILABLE', 'The service is currently unavailable.'),
  // https://cloud.google.com/apis/design/errors
  'expired-token': new StatusError(
    'UNAUTHENTICATED',
    'Request had invalid authentication credentials. Expected OAuth 2 access token.',
  ),
}

export async function startKmsServer(options: ServerOptions = {}): Promise<KmsServer> {
  const faults = new Faults()
  const keys = new CryptoKeys()
  const calls = new Map<string, number>()
  const state: { tamper: KmsServer['tamper']; front: Front | undefined } = {
    front: undefined,
    tamper: undefined,
  }

  function serve(name: string, operation: Operation, call: ServerCall, answer: Answer): void {
    calls.set(name, (calls.get(name) ?? 0) + 1)
    const fault = faults.take(name)
    if (fault === 'hang') return
    if (fault === 'reset') {
      state.front?.reset()
      return
    }
    try {
      const refused = fault === undefined ? undefined : REFUSED[fault]
      if (refused !== undefined) throw refused
      authorize(options.permissionsOf, operation.permission, call)
      const reply = operation.run(keys, call.request)
      damage(fault, reply)
      state.tamper?.(name, reply)
      if (fault === 'half-reply') state.front?.resetAfter(HALF_REPLY_BYTES)
      answer(null, reply)
    } catch (error) {
      const known = error instanceof StatusError
      answer({
        code: known ? error.code : STATUS.INTERNAL,
        details: known ? error.message : 'Internal error.',
      })
    }
  }

  const handlers: [string, Handler][] = Object.entries(OPERATIONS).map(([name, operation]) => [
    name,
    (call, answer) => serve(name, operation, call, answer),
  ])
  const grpc = await startGrpc(Object.fromEntries(handlers), options.tls)
  const front = new Front(grpc.port)
  state.front = front
  const port = await front.listen(options.port)
  return {
    calls,
    faults,
    keys,
    port,
    get tamper() {
      return state.tamper
    },
    set tamper(change) {
      state.tamper = change
    },
    async stop() {
      await front.close()
      grpc.stop()
    },
  }
}

/** https://cloud.google.com/kms/docs/reference/permissions-and-roles */
function authorize(
  permissionsOf: ServerOptions['permissionsOf'],
  permission: string,
  { metadata, request }: ServerCall,
): void {
  if (permissionsOf === undefined) return
  const header = String(metadata.get('authorization')[0] ?? '')
  const granted = permissionsOf(/^Bearer (.+)$/.exec(header)?.[1])
  if (granted === undefined) {
    throw new StatusError('UNAUTHENTICATED', 'Request had invalid authentication credentials.')
  }
  if (granted.includes(permission)) return
  const where = `on resource '${resourceOf(request)}' (or it may not exist).`
  throw new StatusError('PERMISSION_DENIED', `Permission '${permission}' denied ${where}`)
}

const CHECKSUMS = ['ciphertextCrc32c', 'plaintextCrc32c']

function damage(fault: Fault | undefined, reply: Reply): void {
  const name = reply['name']
  if (fault === 'other-key' && typeof name === 'string') {
    reply['name'] = name.replace(/\/cryptoKeys\/[^/]+/, '/cryptoKeys/another-key')
  }
  const plaintext = reply['plaintext']
  if (fault === 'other-key' && plaintext instanceof Uint8Array) {
    const other = randomBytes(plaintext.length)
    Object.assign(reply, { plaintext: other, plaintextCrc32c: checksumOf(other) })
  }
  for (const field of CHECKSUMS.filter((one) => one in reply)) {
    const { value } = reply[field] as { value: number }
    if (fault === 'missing-field') delete reply[field]
    if (fault === 'wrong-checksum') reply[field] = { value: value ^ 1 }
  }
}
