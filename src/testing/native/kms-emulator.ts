/** What all servers for AWS KMS have in common: keys made through the official client, an environment that selects them. */
import type { KMS } from '@aws-sdk/client-kms'
import type { Emulator, EmulatorKind, EmulatorMasterKey } from '../emulator.ts'

/** The region and the credentials that all of them take. */
const KMS_REGION = 'us-east-1'
const CREDENTIALS = {
  accessKeyId: 'AKIAEMULATOREMULATOR',
  secretAccessKey: 'Sx7-of-an-emulator-that-takes-anything',
}

/** A server that runs. */
export interface KmsServer {
  readonly kind: EmulatorKind
  /** Server and version, for people. */
  readonly server: string
  /** URL without a path. */
  readonly endpoint: string
  /** What the server itself expects, in place of the usual credentials. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  stop(): Promise<void>
}

/** The emulator over a server that runs, with a first master key. When that fails the server is stopped. */
export async function kmsEmulator(server: KmsServer): Promise<Emulator> {
  const { endpoint, credentials = CREDENTIALS } = server
  const { KMS } = await import('@aws-sdk/client-kms')
  const client = new KMS({ endpoint, region: KMS_REGION, credentials })
  const createMasterKey = async (name?: string): Promise<EmulatorMasterKey> => {
    const keyId = await makeKey(client, name)
    return { keyId, env: environmentOf(endpoint, credentials, keyId) }
  }
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    client.destroy()
    stopped ??= server.stop()
    return stopped
  }
  try {
    const { env } = await createMasterKey()
    return {
      name: 'aws-kms',
      kind: server.kind,
      server: server.server,
      endpoint,
      env,
      createMasterKey,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The key's ARN, or its alias where it has a name. */
async function makeKey(client: KMS, name: string | undefined): Promise<string> {
  const { KeyMetadata } = await client.createKey({ Description: 'made for a test' })
  const keyId = KeyMetadata?.Arn ?? ''
  if (name === undefined) return keyId
  await client.createAlias({ AliasName: `alias/${name}`, TargetKeyId: keyId })
  return `alias/${name}`
}

function environmentOf(
  endpoint: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  keyId: string,
): Readonly<Record<string, string>> {
  return {
    ENCRYPTION_KEY_STORAGE_BACKEND: 'aws_kms',
    ENCRYPTION_KEY_ID: keyId,
    ENCRYPTION_AWS_REGION: KMS_REGION,
    ENCRYPTION_AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    ENCRYPTION_AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ENCRYPTION_AWS_ENDPOINT: endpoint,
  }
}
