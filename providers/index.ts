/**
 * The table of backends. A new one is a file beside this, a row here, an entry in the package's exports, an
 * emulator and one call of the conformance suite; nothing in the core changes.
 */
import type { KeyProvider, ProviderSettings, ProviderVariable } from '../src/provider.ts'

/** One backend: how it is named, what configures it, and the module that opens it. */
export interface Backend {
  /** As in a policy document. */
  readonly name: string
  /** As in ENCRYPTION_KEY_STORAGE_BACKEND. */
  readonly environmentName: string
  readonly description: string
  /** The environment variables it takes. */
  readonly variables: readonly ProviderVariable[]
  /** It holds the master key itself, sealed under the root secret. */
  readonly usesRootSecret: boolean
  /** Absent for a backend that is not in this version. */
  readonly load?: () => Promise<{ configure(settings: ProviderSettings): Promise<KeyProvider> }>
}

const KEY_ID = 'ENCRYPTION_KEY_ID'
const KEY_VERSION = 'ENCRYPTION_KEY_VERSION'

/** Every service names its master key and may pin its version in the same two variables. */
const masterKey = (what: string): ProviderVariable[] => [
  { option: 'keyId', variables: [KEY_ID], description: what },
  { option: 'keyVersion', variables: [KEY_VERSION], description: 'master key version that new wraps use' },
]

const variable = (option: string, name: string, description: string, secret = false): ProviderVariable => ({
  option,
  variables: [name],
  description,
  ...(secret ? { secret } : {}),
})

/** Backends by name, in the order in which they are documented. */
export const BACKENDS: Readonly<Record<string, Backend>> = {
  file: {
    name: 'file',
    environmentName: 'file',
    description: 'master keys in a file, sealed under the root secret',
    usesRootSecret: true,
    variables: [
      {
        option: 'path',
        variables: ['ENCRYPTION_KEY_STORAGE_PATH', 'ENCRYPTION_KEY_PATH'],
        description: 'path of the key file',
        default: '.keywright/master.keys',
      },
      variable('masterKeyId', KEY_ID, 'id of the key file (keyfile:…): any other file is refused'),
      variable('pinnedVersion', KEY_VERSION, 'master key version that new wraps use'),
    ],
    load: () => import('./file.ts'),
  },
  memory: {
    name: 'memory',
    environmentName: 'memory',
    description: 'a master key that lives as long as the process, for tests',
    usesRootSecret: false,
    variables: [],
    load: () => import('./memory.ts'),
  },
  redis: {
    name: 'redis',
    environmentName: 'redis',
    description: 'master keys in Redis, sealed under the root secret',
    usesRootSecret: true,
    variables: [
      ...masterKey('name of the master key'),
      variable('url', 'ENCRYPTION_REDIS_URL', 'URL of the Redis server', true),
    ],
  },
  vault: {
    name: 'vault',
    environmentName: 'vault',
    description: 'HashiCorp Vault or OpenBao, Transit engine',
    usesRootSecret: false,
    variables: [
      ...masterKey('name of the Transit key'),
      variable('url', 'ENCRYPTION_VAULT_URL', 'address of the server'),
      variable('token', 'ENCRYPTION_VAULT_TOKEN', 'token', true),
      variable('namespace', 'ENCRYPTION_VAULT_NAMESPACE', 'namespace'),
      variable('mount', 'ENCRYPTION_VAULT_MOUNT', 'mount of the Transit engine'),
      variable('roleId', 'ENCRYPTION_VAULT_ROLE_ID', 'AppRole role id'),
      variable('secretId', 'ENCRYPTION_VAULT_SECRET_ID', 'AppRole secret id', true),
      variable('caCert', 'ENCRYPTION_VAULT_CACERT', 'path of a CA certificate'),
    ],
  },
  'aws-kms': {
    name: 'aws-kms',
    environmentName: 'aws_kms',
    description: 'AWS KMS',
    usesRootSecret: false,
    variables: [
      ...masterKey('key id, ARN or alias'),
      variable('region', 'ENCRYPTION_AWS_REGION', 'region'),
      variable('accessKeyId', 'ENCRYPTION_AWS_ACCESS_KEY_ID', 'access key id', true),
      variable('secretAccessKey', 'ENCRYPTION_AWS_SECRET_ACCESS_KEY', 'secret access key', true),
      variable('endpoint', 'ENCRYPTION_AWS_ENDPOINT', 'endpoint, for emulators'),
    ],
  },
  'azure-key-vault': {
    name: 'azure-key-vault',
    environmentName: 'azure_kv',
    description: 'Azure Key Vault or Managed HSM',
    usesRootSecret: false,
    variables: [
      ...masterKey('name of the key'),
      variable('vaultUrl', 'ENCRYPTION_AZURE_VAULT_URL', 'URL of the vault'),
      variable('tenantId', 'ENCRYPTION_AZURE_TENANT_ID', 'tenant id'),
      variable('clientId', 'ENCRYPTION_AZURE_CLIENT_ID', 'client id'),
      variable('clientSecret', 'ENCRYPTION_AZURE_CLIENT_SECRET', 'client secret', true),
    ],
  },
  'gcp-kms': {
    name: 'gcp-kms',
    environmentName: 'gcp_kms',
    description: 'Google Cloud KMS',
    usesRootSecret: false,
    variables: [
      ...masterKey('name of the crypto key'),
      variable('projectId', 'ENCRYPTION_GCP_PROJECT_ID', 'project'),
      variable('location', 'ENCRYPTION_GCP_LOCATION', 'location'),
      variable('keyRing', 'ENCRYPTION_GCP_KEYRING', 'key ring'),
      variable('endpoint', 'ENCRYPTION_GCP_ENDPOINT', 'endpoint, for emulators'),
    ],
  },
}
