/** The container of each emulator. Nothing is loaded before it is asked for. */
import type { Emulator, EmulatorName, EmulatorOptions } from '../emulator.ts'

type Start = (options: EmulatorOptions) => Promise<Emulator>

const CONTAINERS: Readonly<Record<EmulatorName, () => Promise<Start>>> = {
  vault: async () => (await import('./vault.ts')).vaultContainer,
  'aws-kms': async () => (await import('./aws-kms.ts')).awsKmsContainer,
  'azure-key-vault': async () => (await import('./azure-key-vault.ts')).azureKeyVaultContainer,
  'gcp-kms': async () => (await import('./gcp-kms.ts')).gcpKmsContainer,
  redis: async () => (await import('./redis.ts')).redisContainer,
  postgres: async () => (await import('./postgres.ts')).postgresContainer,
}

/** Throws ERR_EMULATOR_UNAVAILABLE without Docker or the image, ERR_DEPENDENCY_MISSING without testcontainers. */
export async function startInContainer(name: EmulatorName, options: EmulatorOptions): Promise<Emulator> {
  return (await CONTAINERS[name]())(options)
}
