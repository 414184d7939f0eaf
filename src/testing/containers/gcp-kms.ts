/** floci-gcp in a container: gRPC and REST on one port. */
import { randomBytes } from 'node:crypto'
import type { Emulator, EmulatorMasterKey, EmulatorOptions } from '../emulator.ts'
import { startContainer } from './container.ts'

const PORT = 4588
const PLACE = { projectId: 'keywright-test', location: 'global', keyRing: 'keywright' }

export async function gcpKmsContainer(options: EmulatorOptions): Promise<Emulator> {
  const plan = {
    ports: [PORT],
    environment: { FLOCI_GCP_DEFAULT_PROJECT_ID: PLACE.projectId },
    ready: { path: '/' },
  } as const
  const container = await startContainer('gcp-kms', plan, options)
  const endpoint = `http://${container.host}:${container.port(PORT)}`
  const createMasterKey = async (
    keyId = `key-${randomBytes(4).toString('hex')}`,
  ): Promise<EmulatorMasterKey> => {
    const { BACKENDS } = await import('../../compose.ts')
    const backend = await BACKENDS['gcp-kms']?.load?.()
    const place = { ...PLACE, endpoint, allowInsecure: container.host !== 'localhost' }
    const settings = { name: 'gcp-kms', options: { ...place, keyId }, production: false, create: true }
    const provider = await backend?.configure(settings)
    await provider?.close?.()
    return { keyId, env: environment(endpoint, keyId) }
  }
  try {
    const { env } = await createMasterKey()
    return {
      name: 'gcp-kms',
      kind: 'container',
      server: container.image,
      endpoint,
      env,
      createMasterKey,
      stop: container.stop,
      [Symbol.asyncDispose]: container.stop,
    }
  } catch (error) {
    await container.stop()
    throw error
  }
}

function environment(endpoint: string, keyId: string): Readonly<Record<string, string>> {
  return {
    ENCRYPTION_KEY_STORAGE_BACKEND: 'gcp_kms',
    ENCRYPTION_KEY_ID: keyId,
    ENCRYPTION_GCP_PROJECT_ID: PLACE.projectId,
    ENCRYPTION_GCP_LOCATION: PLACE.location,
    ENCRYPTION_GCP_KEYRING: PLACE.keyRing,
    ENCRYPTION_GCP_ENDPOINT: endpoint,
  }
}
