/**
 * The table of backends. A new one is a file beside this, a row here, an entry in the package's exports, an emulator
 * and one call of the conformance suite; nothing in the core changes. Nothing is loaded before it is asked for.
 */
import type { Backend, ProviderVariable } from '../src/provider.ts'

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
      {
        ...variable('url', 'ENCRYPTION_REDIS_URL', 'redis:// or rediss:// URL of the server', true),
        standard: ['REDIS_URL'],
      },
      variable('username', 'ENCRYPTION_REDIS_USERNAME', 'ACL user'),
      variable('password', 'ENCRYPTION_REDIS_PASSWORD', 'password', true),
      variable('passwordFile', 'ENCRYPTION_REDIS_PASSWORD_FILE', 'path of a file with the password'),
      variable('tls', 'ENCRYPTION_REDIS_TLS', 'use TLS: true or false'),
      variable('caFile', 'ENCRYPTION_REDIS_CA_FILE', 'path of the CA certificates to trust'),
      variable('certFile', 'ENCRYPTION_REDIS_CERT_FILE', 'path of a client certificate'),
      variable('keyFile', 'ENCRYPTION_REDIS_KEY_FILE', 'path of its key'),
      variable('sentinels', 'ENCRYPTION_REDIS_SENTINELS', 'host:port of each Sentinel'),
      variable('sentinelName', 'ENCRYPTION_REDIS_SENTINEL_NAME', 'name of the master group'),
      variable('sentinelUsername', 'ENCRYPTION_REDIS_SENTINEL_USERNAME', 'ACL user at the Sentinels'),
      variable('sentinelPassword', 'ENCRYPTION_REDIS_SENTINEL_PASSWORD', 'password at the Sentinels', true),
      variable('cluster', 'ENCRYPTION_REDIS_CLUSTER', 'Redis Cluster: true, or host:port of some nodes'),
      variable('namespace', 'ENCRYPTION_REDIS_NAMESPACE', 'begins the name of the Redis key'),
      variable('allowEviction', 'ENCRYPTION_REDIS_ALLOW_EVICTION', 'use it though it may drop keys'),
      variable('requirePersistence', 'ENCRYPTION_REDIS_REQUIRE_PERSISTENCE', 'insist on an append-only file'),
      variable('connectTimeoutMs', 'ENCRYPTION_REDIS_CONNECT_TIMEOUT_MS', 'time for connecting, in ms'),
      variable('replyTimeoutMs', 'ENCRYPTION_REDIS_REPLY_TIMEOUT_MS', 'time for an answer, in ms'),
      variable('checkIntervalMs', 'ENCRYPTION_REDIS_CHECK_INTERVAL_MS', 'how old an answer may be, in ms'),
    ],
    load: () => import('./redis.ts'),
  },
  vault: {
    name: 'vault',
    environmentName: 'vault',
    description: 'HashiCorp Vault or OpenBao, Transit engine',
    usesRootSecret: false,
    variables: [
      ...masterKey('name of the Transit key'),
      { ...variable('url', 'ENCRYPTION_VAULT_URL', 'address of the server'), standard: ['VAULT_ADDR'] },
      { ...variable('namespace', 'ENCRYPTION_VAULT_NAMESPACE', 'namespace'), standard: ['VAULT_NAMESPACE'] },
      { ...variable('mount', 'ENCRYPTION_VAULT_MOUNT', 'mount of the Transit engine'), default: 'transit' },
      variable('derived', 'ENCRYPTION_VAULT_DERIVED', 'the Transit key is a derived one: true or false'),
      variable('auth', 'ENCRYPTION_VAULT_AUTH', 'token, token-file, approle, kubernetes or jwt'),
      variable('authMount', 'ENCRYPTION_VAULT_AUTH_MOUNT', 'mount of the auth method'),
      {
        ...variable('token', 'ENCRYPTION_VAULT_TOKEN', 'token', true),
        standard: ['VAULT_TOKEN'],
        yieldsTo: ['tokenFile', 'roleId', 'secretId', 'secretIdFile', 'role', 'jwt', 'jwtFile'],
      },
      variable('tokenFile', 'ENCRYPTION_VAULT_TOKEN_FILE', 'path of a file with the token'),
      variable('roleId', 'ENCRYPTION_VAULT_ROLE_ID', 'AppRole role id'),
      variable('secretId', 'ENCRYPTION_VAULT_SECRET_ID', 'AppRole secret id', true),
      variable('secretIdFile', 'ENCRYPTION_VAULT_SECRET_ID_FILE', 'path of a file with the secret id'),
      variable('role', 'ENCRYPTION_VAULT_ROLE', 'role of the kubernetes or jwt login'),
      variable('jwt', 'ENCRYPTION_VAULT_JWT', 'JWT of the jwt login', true),
      variable('jwtFile', 'ENCRYPTION_VAULT_JWT_FILE', 'path of a file with the JWT'),
      { ...variable('caCert', 'ENCRYPTION_VAULT_CACERT', 'path of the CA'), standard: ['VAULT_CACERT'] },
      variable('clientCert', 'ENCRYPTION_VAULT_CLIENT_CERT', 'path of a client certificate'),
      variable('clientKey', 'ENCRYPTION_VAULT_CLIENT_KEY', 'path of its key'),
      variable('tlsServerName', 'ENCRYPTION_VAULT_TLS_SERVER_NAME', 'name in the server certificate'),
      variable('allowInsecure', 'ENCRYPTION_VAULT_ALLOW_INSECURE', 'http to other machines: true or false'),
    ],
    load: () => import('./vault.ts'),
  },
  'aws-kms': {
    name: 'aws-kms',
    environmentName: 'aws_kms',
    description: 'AWS KMS',
    usesRootSecret: false,
    variables: [
      ...masterKey('key id, ARN or alias'),
      {
        ...variable('region', 'ENCRYPTION_AWS_REGION', 'region of the key'),
        standard: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
      },
      variable('regions', 'ENCRYPTION_AWS_REGIONS', 'regions of a multi-Region key, the preferred one first'),
      {
        ...variable('endpoint', 'ENCRYPTION_AWS_ENDPOINT', 'URL in place of the usual one, or region=URL,…'),
        standard: ['AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL'],
      },
      variable('allowInsecure', 'ENCRYPTION_AWS_ALLOW_INSECURE', 'http to other machines: true or false'),
      variable('accessKeyId', 'ENCRYPTION_AWS_ACCESS_KEY_ID', 'access key id', true),
      variable('secretAccessKey', 'ENCRYPTION_AWS_SECRET_ACCESS_KEY', 'secret access key', true),
      variable('sessionToken', 'ENCRYPTION_AWS_SESSION_TOKEN', 'session token', true),
      variable('profile', 'ENCRYPTION_AWS_PROFILE', 'profile of the shared AWS configuration'),
      variable('grantTokens', 'ENCRYPTION_AWS_GRANT_TOKENS', 'grant tokens', true),
      variable('formerKeyIds', 'ENCRYPTION_AWS_FORMER_KEY_IDS', 'keys that only unwrap: ids or ARNs'),
      variable('regionTimeoutMs', 'ENCRYPTION_AWS_REGION_TIMEOUT_MS', 'time for a region, in ms'),
    ],
    load: () => import('./aws-kms.ts'),
  },
  'azure-key-vault': {
    name: 'azure-key-vault',
    environmentName: 'azure_kv',
    description: 'Azure Key Vault or Managed HSM',
    usesRootSecret: false,
    variables: [
      ...masterKey('name of the key'),
      {
        ...variable('vaultUrl', 'ENCRYPTION_AZURE_VAULT_URL', 'URL of the vault or Managed HSM'),
        standard: ['AZURE_KEY_VAULT_URL', 'AZURE_KEYVAULT_URL', 'KEY_VAULT_URL'],
      },
      variable('algorithm', 'ENCRYPTION_AZURE_ALGORITHM', 'RSA-OAEP-256 (default), or A256KW on Managed HSM'),
      variable('credential', 'ENCRYPTION_AZURE_CREDENTIAL', 'default, managed-identity or client-secret'),
      { ...variable('tenantId', 'ENCRYPTION_AZURE_TENANT_ID', 'tenant id'), standard: ['AZURE_TENANT_ID'] },
      { ...variable('clientId', 'ENCRYPTION_AZURE_CLIENT_ID', 'client id'), standard: ['AZURE_CLIENT_ID'] },
      {
        ...variable('clientSecret', 'ENCRYPTION_AZURE_CLIENT_SECRET', 'client secret', true),
        standard: ['AZURE_CLIENT_SECRET'],
      },
      {
        ...variable('authorityHost', 'ENCRYPTION_AZURE_AUTHORITY_HOST', 'login host of a sovereign cloud'),
        standard: ['AZURE_AUTHORITY_HOST'],
      },
      variable('caCert', 'ENCRYPTION_AZURE_CACERT', 'path of the CA certificates to trust'),
      variable('allowAnyHost', 'ENCRYPTION_AZURE_ALLOW_ANY_HOST', 'permits URLs outside of known clouds'),
      variable('emulator', 'ENCRYPTION_AZURE_EMULATOR', 'true for an emulator on loopback'),
      variable('checkIntervalMs', 'ENCRYPTION_AZURE_CHECK_INTERVAL_MS', 'age of a known version (60000 ms)'),
      variable('keySize', 'ENCRYPTION_AZURE_KEY_SIZE', 'bits of an RSA key that is made (3072)'),
    ],
    load: () => import('./azure-key-vault.ts'),
  },
  'gcp-kms': {
    name: 'gcp-kms',
    environmentName: 'gcp_kms',
    description: 'Google Cloud KMS',
    usesRootSecret: false,
    variables: [
      ...masterKey('name of the crypto key, or its full resource name'),
      {
        ...variable('projectId', 'ENCRYPTION_GCP_PROJECT_ID', 'project id'),
        standard: ['GOOGLE_CLOUD_PROJECT', 'GCLOUD_PROJECT'],
      },
      variable('location', 'ENCRYPTION_GCP_LOCATION', 'location of the key ring: europe-west1, global'),
      variable('keyRing', 'ENCRYPTION_GCP_KEYRING', 'key ring'),
      variable('keyFilename', 'ENCRYPTION_GCP_KEY_FILE', 'path of a credential file'),
      variable(
        'credentials',
        'ENCRYPTION_GCP_CREDENTIALS',
        'content of a credential file (JSON, base64)',
        true,
      ),
      variable('endpoint', 'ENCRYPTION_GCP_ENDPOINT', 'another endpoint: host:port, http://… or https://…'),
      variable('caCert', 'ENCRYPTION_GCP_CACERT', 'path of the CA certificates of that endpoint'),
      variable('allowInsecure', 'ENCRYPTION_GCP_ALLOW_INSECURE', 'plain http to another host: true or false'),
    ],
    load: () => import('./gcp-kms.ts'),
  },
}
