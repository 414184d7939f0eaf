/** The servers of each emulator that need no Docker, best first. Nothing is loaded before it is asked for. */
import type { EmulatorName, LocalServer } from './emulator.ts'

interface Row {
  /** As `options.server` names it. */
  readonly name: string
  readonly load: () => Promise<LocalServer>
}

export const LOCAL_SERVERS: Readonly<Record<EmulatorName, readonly [Row, ...Row[]]>> = {
  vault: [{ name: 'openbao', load: async () => (await import('./native/openbao.ts')).openbao }],
  'aws-kms': [
    { name: 'localstack', load: async () => (await import('./native/localstack.ts')).localstack },
    { name: 'moto', load: async () => (await import('./native/moto.ts')).moto },
    { name: 'fake', load: async () => (await import('./fakes/aws-kms.ts')).awsKmsFake },
  ],
  'azure-key-vault': [
    { name: 'fake', load: async () => (await import('./fakes/azure-key-vault.ts')).azureKeyVaultFake },
  ],
  'gcp-kms': [{ name: 'fake', load: async () => (await import('./fakes/gcp-kms.ts')).gcpKmsFake }],
  redis: [{ name: 'redis', load: async () => (await import('./native/redis.ts')).redis }],
  postgres: [{ name: 'postgres', load: async () => (await import('./native/postgres.ts')).postgres }],
}
