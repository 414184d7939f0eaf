/** The official clients alone: wrap 64 bytes once, then unwrap them as often as asked. What ours is measured against. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { crc32c } from '../providers/gcp-kms/crc32c.ts'
import type { WrapContext } from '../src/provider.ts'

/** One unwrap with the client, and the client's end. */
export interface BareClient {
  unwrap(): Promise<unknown>
  close(): Promise<void> | void
}

type Environment = Readonly<Record<string, string>>
type Open = (env: Environment, context: WrapContext) => Promise<BareClient>

const key = randomBytes(64)
const get = (env: Environment, name: string): string => env[name] ?? ''

const vault: Open = async (env, context) => {
  const { default: nodeVault } = await import('node-vault')
  const client = nodeVault({
    apiVersion: 'v1',
    endpoint: get(env, 'ENCRYPTION_VAULT_URL'),
    token: get(env, 'ENCRYPTION_VAULT_TOKEN'),
  })
  const path = (verb: string): string =>
    `${get(env, 'ENCRYPTION_VAULT_MOUNT') || 'transit'}/${verb}/${get(env, 'ENCRYPTION_KEY_ID')}`
  const associated_data = Buffer.from(context.bytes).toString('base64')
  const wrapped = await client.write(path('encrypt'), { plaintext: key.toString('base64'), associated_data })
  const { ciphertext } = (wrapped as { data: { ciphertext: string } }).data
  return {
    unwrap: () => client.write(path('decrypt'), { ciphertext, associated_data }),
    close: () => undefined,
  }
}

const awsKms: Open = async (env, context) => {
  const { DecryptCommand, EncryptCommand, KMSClient } = await import('@aws-sdk/client-kms')
  const client = new KMSClient({
    endpoint: get(env, 'ENCRYPTION_AWS_ENDPOINT'),
    region: get(env, 'ENCRYPTION_AWS_REGION'),
    credentials: {
      accessKeyId: get(env, 'ENCRYPTION_AWS_ACCESS_KEY_ID'),
      secretAccessKey: get(env, 'ENCRYPTION_AWS_SECRET_ACCESS_KEY'),
    },
  })
  const common = { KeyId: get(env, 'ENCRYPTION_KEY_ID'), EncryptionContext: { ...context.entries } }
  const { CiphertextBlob } = await client.send(new EncryptCommand({ ...common, Plaintext: key }))
  return {
    unwrap: () => client.send(new DecryptCommand({ ...common, CiphertextBlob })),
    close: () => client.destroy(),
  }
}

const azureKeyVault: Open = async (env) => {
  const { CryptographyClient, KeyClient } = await import('@azure/keyvault-keys')
  const options = () => ({
    disableChallengeResourceVerification: true,
    tlsOptions: { ca: readFileSync(get(env, 'ENCRYPTION_AZURE_CACERT'), 'utf8') },
  })
  const credential = {
    getToken: async () => ({ token: 'keywright-emulator', expiresOnTimestamp: Date.now() + 3_600_000 }),
  }
  const keys = new KeyClient(get(env, 'ENCRYPTION_AZURE_VAULT_URL'), credential, options())
  const client = new CryptographyClient(
    await keys.getKey(get(env, 'ENCRYPTION_KEY_ID')),
    credential,
    options(),
  )
  const { result } = await client.wrapKey('RSA-OAEP-256', key)
  return { unwrap: () => client.unwrapKey('RSA-OAEP-256', result), close: () => undefined }
}

const gcpKms: Open = async (env, context) => {
  const { KeyManagementServiceClient } = await import('@google-cloud/kms')
  const { grpc } = await import('google-gax')
  const { hostname, port } = new URL(get(env, 'ENCRYPTION_GCP_ENDPOINT'))
  const client = new KeyManagementServiceClient({
    apiEndpoint: hostname,
    port: Number(port),
    sslCreds: grpc.credentials.createInsecure(),
  })
  const name = client.cryptoKeyPath(
    get(env, 'ENCRYPTION_GCP_PROJECT_ID'),
    get(env, 'ENCRYPTION_GCP_LOCATION'),
    get(env, 'ENCRYPTION_GCP_KEYRING'),
    get(env, 'ENCRYPTION_KEY_ID'),
  )
  const additionalAuthenticatedData = context.bytes
  const [{ ciphertext }] = await client.encrypt({ name, plaintext: key, additionalAuthenticatedData })
  const wrapped = Buffer.from(ciphertext ?? '')
  return {
    unwrap: async () => {
      // With the checksums that Google's guide tells every client to send and to compare.
      const [reply] = await client.decrypt({
        name,
        ciphertext: wrapped,
        ciphertextCrc32c: { value: crc32c(wrapped) },
        additionalAuthenticatedData,
        additionalAuthenticatedDataCrc32c: { value: crc32c(additionalAuthenticatedData) },
      })
      const plaintext = Buffer.from(reply.plaintext ?? '')
      if (Number(reply.plaintextCrc32c?.value) !== crc32c(plaintext)) throw new Error('a wrong checksum')
      return plaintext
    },
    close: () => client.close(),
  }
}

/** Backends whose unwrap is a call of a service. */
export const BARE_CLIENTS = { vault, 'aws-kms': awsKms, 'azure-key-vault': azureKeyVault, 'gcp-kms': gcpKms }
