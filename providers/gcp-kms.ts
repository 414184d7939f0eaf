/**
 * Google Cloud KMS: data keys are encrypted under a symmetric crypto key, with the context as additional authenticated
 * data and CRC32C in both directions. https://cloud.google.com/kms/docs/encrypt-decrypt
 */
import {
  type KeyProvider,
  KeywrightError,
  type LibImport,
  type PrivilegePolicy,
  type ProviderSettings,
} from '../src/provider.ts'
import { Connection, type ConnectionOptions } from './gcp-kms/connection.ts'
import { ensureKey } from './gcp-kms/create.ts'
import { CryptoKey } from './gcp-kms/crypto-key.ts'
import { parseEndpoint } from './gcp-kms/endpoint.ts'
import { isVersion, type KeyNameParts, keyName, parseKeyName, partsForPeople } from './gcp-kms/names.ts'
import { readOptions } from './gcp-kms/options.ts'
import { leastPrivilegeFor, PERMISSIONS } from './gcp-kms/privileges.ts'
import { KmsProvider } from './gcp-kms/provider.ts'

export interface GcpKmsProviderOptions {
  /** Instance name, stored with every wrap. @default 'gcp-kms' */
  readonly name?: string
  /** Name of the crypto key, or its full resource name (projects/…/locations/…/keyRings/…/cryptoKeys/…). */
  readonly keyId: string
  /** Project id (not the number), unless `keyId` is a full name. */
  readonly projectId?: string
  /** 'europe-west1', 'global' … unless `keyId` is a full name. */
  readonly location?: string
  /** Unless `keyId` is a full name. */
  readonly keyRing?: string
  /** Wraps under this version in place of the primary one. Such a provider does not rotate. */
  readonly keyVersion?: string
  /** host:port, http://… (loopback only) or https://…. @default cloudkms.googleapis.com */
  readonly endpoint?: string
  /** Lets `endpoint` be plain http on another host, for emulators in other containers. @default false */
  readonly allowInsecure?: boolean
  /** Path of the certificates, in PEM, that the endpoint's must be signed by. @default those of Node */
  readonly caCert?: string
  /** Path of a credential file. @default Application Default Credentials */
  readonly keyFilename?: string
  /** Content of a credential file. */
  readonly credentials?: Readonly<Record<string, unknown>>
  /** @google-cloud/kms, where it cannot be imported by name. */
  readonly lib?: LibImport<unknown>
  /** google-gax, the copy that `lib` uses. @default the one that @google-cloud/kms finds */
  readonly gax?: LibImport<unknown>
}

/** The permissions that each operation needs. */
export const permissions: Readonly<typeof PERMISSIONS> = PERMISSIONS

/**
 * A provider on one crypto key. Nothing is contacted before the first call. Calls throw KeywrightError:
 * ERR_MASTER_KEY_NOT_FOUND, _DISABLED, _DELETED, _UNSUITABLE, ERR_PROVIDER_DENIED, _UNAUTHENTICATED, _THROTTLED,
 * _UNAVAILABLE, _TIMEOUT, _CORRUPTED, _FAILED, ERR_UNWRAP_FAILED, ERR_ABORTED, ERR_DEPENDENCY_MISSING, ERR_CLOSED.
 *
 * @throws KeywrightError ERR_CONFIG_INVALID at once.
 */
export default function gcpKmsProvider(options: GcpKmsProviderOptions): KeyProvider {
  return assemble(options).provider
}

interface Assembled {
  readonly provider: KeyProvider
  readonly connection: Connection
  readonly parts: KeyNameParts
}

function assemble(options: GcpKmsProviderOptions): Assembled {
  const { credentials, keyFilename, keyVersion, name = 'gcp-kms' } = options
  const parts = parseKeyName(options)
  if (keyVersion !== undefined && !isVersion(keyVersion)) {
    throw invalid('"keyVersion" expects a version such as 3', 'correct ENCRYPTION_KEY_VERSION')
  }
  if (keyFilename !== undefined && credentials !== undefined) {
    throw invalid(
      '"keyFilename" and "credentials" are both set',
      'set one of ENCRYPTION_GCP_KEY_FILE and ENCRYPTION_GCP_CREDENTIALS',
    )
  }
  const settings = connectionOptions(options, parts.projectId)
  const connection = new Connection(settings)
  const provider = new KmsProvider({
    close: () => connection.close(),
    insecure: settings.endpoint?.insecure === true,
    key: new CryptoKey(keyName(parts), connection),
    name,
    pinned: keyVersion,
  })
  return { connection, parts, provider }
}

function connectionOptions(options: GcpKmsProviderOptions, projectId: string): ConnectionOptions {
  const { allowInsecure = false, caCert, credentials, gax, keyFilename, lib } = options
  const endpoint = options.endpoint === undefined ? undefined : parseEndpoint(options.endpoint, allowInsecure)
  if (caCert !== undefined && endpoint?.insecure === true) {
    throw invalid(
      '"caCert" is set, but the endpoint is without TLS',
      'write https:// into ENCRYPTION_GCP_ENDPOINT, or leave ENCRYPTION_GCP_CACERT out',
    )
  }
  return { caCert, credentials, endpoint, gax, keyFilename, lib, projectId }
}

/**
 * The provider by configuration: options from the policy document and the environment. With `create` the key ring
 * and the key are made where there are none. Throws ERR_CONFIG_INVALID; with `create` whatever a call throws.
 */
export async function configure(settings: ProviderSettings): Promise<KeyProvider> {
  const { connection, parts, provider } = assemble({ name: settings.name, ...readOptions(settings) })
  if (!settings.create) return provider
  try {
    await ensureKey(connection, parts)
  } catch (error) {
    await connection.close()
    throw error
  }
  return provider
}

/** gcloud commands that give an identity what it needs on this key, and nothing else. */
export function leastPrivilege({ options }: ProviderSettings): PrivilegePolicy {
  return leastPrivilegeFor(partsForPeople(options))
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `gcp-kms: ${message}`, { hint })
}
