/** The images of the emulators, pinned. docker-compose.yml has the same ones. */
import type { EmulatorName } from '../emulator.ts'

export interface EmulatorImage {
  readonly image: string
  /** The variable that names another image: a mirror, another version. */
  readonly variable: string
}

export const IMAGES: Readonly<Record<EmulatorName, EmulatorImage>> = {
  vault: { image: 'openbao/openbao:2.7.2', variable: 'KEYWRIGHT_IMAGE_VAULT' },
  // The last release that starts without a token.
  'aws-kms': { image: 'localstack/localstack:4.14.0', variable: 'KEYWRIGHT_IMAGE_AWS_KMS' },
  'azure-key-vault': { image: 'nagyesta/lowkey-vault:7.1.61', variable: 'KEYWRIGHT_IMAGE_AZURE_KEY_VAULT' },
  'gcp-kms': { image: 'floci/floci-gcp:0.8.0', variable: 'KEYWRIGHT_IMAGE_GCP_KMS' },
  redis: { image: 'redis:7-alpine', variable: 'KEYWRIGHT_IMAGE_REDIS' },
  postgres: { image: 'postgres:17-alpine', variable: 'KEYWRIGHT_IMAGE_POSTGRES' },
}

/** The image to use: the one that the environment names, else the pinned one. */
export function imageOf(name: EmulatorName): string {
  const { image, variable } = IMAGES[name]
  return process.env[variable] || image
}
