/**
 * A wire fake of Google Cloud KMS: a gRPC server on a loopback port that the official client talks to, with real
 * AES-256-GCM. It refuses what the documentation says that the service refuses; each refusal cites its page.
 */
import { randomBytes } from 'node:crypto'
import type { Emulator, EmulatorMasterKey, LocalServer } from '../emulator.ts'
import type { NewKey } from './gcp-kms/crypto-keys.ts'
import { isInstalled } from './gcp-kms/grpc.ts'
import { type KmsServer, type ServerOptions, startKmsServer } from './gcp-kms/server.ts'

export type { KmsServer } from './gcp-kms/server.ts'

/** Where the fake's keys are. */
export const PLACE = { projectId: 'keywright-test', location: 'global', keyRing: 'keywright' } as const

const TITLE = 'Cloud KMS fake'
const SYMMETRIC: NewKey = { algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION', purpose: 'ENCRYPT_DECRYPT' }
const RING = `projects/${PLACE.projectId}/locations/${PLACE.location}/keyRings/${PLACE.keyRing}`

/** The fake with what only tests of its own want: its faults and keys. */
export interface GcpKmsFake extends Emulator {
  readonly service: KmsServer
  /** Makes a key of any kind. Resolves to its name, as `keyId` takes it. */
  makeKey(wanted?: Partial<NewKey>, name?: string): string
  /** The resource name of a key. */
  resource(keyId: string): string
}

/** Starts the fake. With `tls` its endpoint is https://localhost: TLS takes no address for a server's name. */
export async function startGcpKmsFake(options: ServerOptions = {}): Promise<GcpKmsFake> {
  const service = await startKmsServer(options)
  service.keys.createRing(RING)
  const origin = options.tls === undefined ? 'http://127.0.0.1' : 'https://localhost'
  const endpoint = `${origin}:${service.port}`
  const resource = (keyId: string): string => `${RING}/cryptoKeys/${keyId}`
  const makeKey: GcpKmsFake['makeKey'] = (wanted, name = `key-${randomBytes(4).toString('hex')}`) => {
    service.keys.createKey(resource(name), { ...SYMMETRIC, ...wanted })
    return name
  }
  const envOf = (keyId: string): Readonly<Record<string, string>> => ({
    ENCRYPTION_KEY_STORAGE_BACKEND: 'gcp_kms',
    ENCRYPTION_KEY_ID: keyId,
    ENCRYPTION_GCP_PROJECT_ID: PLACE.projectId,
    ENCRYPTION_GCP_LOCATION: PLACE.location,
    ENCRYPTION_GCP_KEYRING: PLACE.keyRing,
    ENCRYPTION_GCP_ENDPOINT: endpoint,
  })
  return {
    name: 'gcp-kms',
    kind: 'fake',
    server: TITLE,
    endpoint,
    env: envOf(makeKey()),
    service,
    makeKey,
    resource,
    async createMasterKey(name?: string): Promise<EmulatorMasterKey> {
      const keyId = makeKey({}, name)
      return { keyId, env: envOf(keyId) }
    },
    stop: () => service.stop(),
    [Symbol.asyncDispose]: () => service.stop(),
  }
}

/** Cloud KMS for tests, in this process. */
export const gcpKmsFake: LocalServer = {
  name: 'gcp-kms',
  kind: 'fake',
  server: TITLE,
  async install() {
    if (isInstalled()) return undefined
    return {
      reason: '@google-cloud/kms is not installed',
      remedy: 'npm install --save-dev @google-cloud/kms',
    }
  },
  start: () => startGcpKmsFake(),
}
