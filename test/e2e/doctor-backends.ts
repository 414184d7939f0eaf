/** Every backend at once, each with identities that may do only what a test says. */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import {
  type AzureKeyVaultFake,
  azureKeyVaultFake,
  type Permission,
  startAzureKeyVaultFake,
} from '../../src/testing/fakes/azure-key-vault.ts'
import { type GcpKmsFake, gcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { type OpenBao, openbao, startOpenBao } from '../../src/testing/native/openbao.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { type Identities, startIdentities } from '../providers/gcp-kms/identities.ts'
import type { Env } from './bad-input-kit.ts'

const servers = await Promise.all([openbao, redis, azureKeyVaultFake, gcpKmsFake].map(serverFor))

/** Why the tests are skipped, if one of the servers cannot be had. */
export const missing = servers.find(({ skip }) => skip !== undefined)?.skip

export interface Backends {
  readonly bao: OpenBao
  readonly cache: RedisServer
  readonly aws: AwsKmsFake
  readonly azure: AzureKeyVaultFake
  /** Over TLS, with permissions. */
  readonly gcp: GcpKmsFake
  readonly identities: Identities
  /** The environment of a server with a new identity. */
  readonly as: {
    /** Under this policy alone. */
    vault(policy: string): Promise<Env>
    /** An ACL user by these rules. */
    redis(...rules: readonly string[]): Promise<Env>
    /** 'kms:Encrypt' … */
    aws(...actions: readonly string[]): Env
    azure(...permissions: readonly Permission[]): Env
    /** 'cloudkms.cryptoKeys.get' … */
    gcp(...permissions: readonly string[]): Env
  }
  stop(): Promise<void>
}

export async function startBackends(): Promise<Backends> {
  const identities = await startIdentities()
  const { permissionsOf, tls } = identities
  const [bao, cache, aws, azure, gcp] = await Promise.all([
    startOpenBao(),
    startRedis(),
    startAwsKmsFake(),
    startAzureKeyVaultFake(),
    startGcpKmsFake({ permissionsOf, tls }),
  ])
  await cache.createMasterKey('first')
  return {
    bao,
    cache,
    aws,
    azure,
    gcp,
    identities,
    as: {
      vault: (policy) => asVault(bao, policy),
      redis: (...rules) => asRedis(cache, rules),
      aws: (...actions) => asAws(aws, actions),
      azure: (...permissions) => asAzure(azure, permissions),
      gcp: (...permissions) => ({
        ...gcp.env,
        ENCRYPTION_GCP_CACERT: identities.caCert,
        ENCRYPTION_GCP_CREDENTIALS: JSON.stringify(identities.serviceAccount(permissions)),
      }),
    },
    async stop() {
      await Promise.all([bao, cache, aws, azure, gcp, identities].map((one) => one.stop()))
    },
  }
}

async function asVault({ call, env }: OpenBao, policy: string): Promise<Env> {
  const name = randomUUID()
  await call('PUT', `sys/policies/acl/${name}`, { policy })
  const { auth } = await call('POST', 'auth/token/create', { policies: [name], no_default_policy: true })
  return { ...env, ENCRYPTION_VAULT_TOKEN: String(auth?.['client_token']) }
}

async function asRedis({ env, password, port }: RedisServer, rules: readonly string[]): Promise<Env> {
  const [name, secret] = [randomUUID(), randomUUID()]
  const admin = new Redis({ port, password })
  await admin.call('ACL', 'SETUSER', name, 'reset', 'on', `>${secret}`, ...rules)
  admin.disconnect()
  const address = `redis://${name}:${secret}@127.0.0.1:${port}/0`
  return { ...env, ENCRYPTION_REDIS_URL: address, ENCRYPTION_KEY_STORE_URL: undefined }
}

function asAws({ env, identities }: AwsKmsFake, actions: readonly string[]): Env {
  const secretAccessKey = randomUUID()
  const accessKeyId = `AKIA${secretAccessKey.replaceAll('-', '').slice(0, 16).toUpperCase()}`
  identities.add(accessKeyId, { secretAccessKey, actions })
  return {
    ...env,
    ENCRYPTION_AWS_ACCESS_KEY_ID: accessKeyId,
    ENCRYPTION_AWS_SECRET_ACCESS_KEY: secretAccessKey,
  }
}

function asAzure({ endpoint, env, login }: AzureKeyVaultFake, permissions: readonly Permission[]): Env {
  const { clientId, clientSecret } = login.addPrincipal(permissions)
  return {
    ...env,
    ENCRYPTION_AZURE_CREDENTIAL: 'client-secret',
    ENCRYPTION_AZURE_TENANT_ID: login.tenantId,
    ENCRYPTION_AZURE_CLIENT_ID: clientId,
    ENCRYPTION_AZURE_CLIENT_SECRET: clientSecret,
    ENCRYPTION_AZURE_AUTHORITY_HOST: endpoint,
  }
}
