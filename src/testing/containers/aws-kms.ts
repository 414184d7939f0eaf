/** LocalStack's KMS in a container. */
import type { Emulator, EmulatorOptions } from '../emulator.ts'
import { kmsEmulator } from '../native/kms-emulator.ts'
import { startContainer } from './container.ts'

const PORT = 4566

export async function awsKmsContainer(options: EmulatorOptions): Promise<Emulator> {
  const plan = {
    ports: [PORT],
    environment: { SERVICES: 'kms', DISABLE_EVENTS: '1', SKIP_SSL_CERT_DOWNLOAD: '1' },
    ready: { path: '/_localstack/health' },
  } as const
  const container = await startContainer('aws-kms', plan, options)
  const endpoint = `http://${container.host}:${container.port(PORT)}`
  return kmsEmulator({ kind: 'container', server: container.image, endpoint, stop: container.stop })
}
