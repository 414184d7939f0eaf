/**
 * Azure Key Vault and Managed HSM: the master key is an RSA key (RSA-OAEP-256) or, on Managed HSM, an AES key
 * (A256KW), which never leaves the service.
 *
 * The service binds no context to a wrap; core binds it by the digest in the payload. A wrap's master key id is
 * `https://VAULT/keys/NAME` as configured, its version the exact one that wrapped; both are checked against the
 * configuration before anything is sent.
 *
 * https://learn.microsoft.com/rest/api/keyvault/keys/wrap-key/wrap-key
 */
import type { KeyProvider, ProviderOperation, ProviderSettings } from '../src/provider.ts'
import { PERMISSIONS } from './azure-key-vault/errors.ts'
import { type AzureKeyVaultOptions, checkOptions, readOptions } from './azure-key-vault/options.ts'
import { AzureKeyVaultProvider } from './azure-key-vault/provider.ts'

export type {
  AzureAlgorithm,
  AzureCredentialKind,
  AzureKeyVaultOptions,
} from './azure-key-vault/options.ts'
export { leastPrivilege } from './azure-key-vault/privileges.ts'
export type {
  AzureAccessToken,
  AzureCredential,
  AzureIdentityLib,
  AzureKeysLib,
} from './azure-key-vault/sdk.ts'

const NAME = 'azure-key-vault'
const CREATE_TIMEOUT_MS = 30_000

/** What each operation needs: data actions of Azure RBAC, with the permissions of an access policy. */
export const permissions: Readonly<Partial<Record<ProviderOperation, string>>> = {
  wrap: PERMISSIONS.wrap,
  unwrap: PERMISSIONS.unwrap,
  describe: PERMISSIONS.describe,
  rotate: PERMISSIONS.rotate,
}

/**
 * The Azure Key Vault provider. Nothing is contacted before the first call. Calls throw KeywrightError with the codes
 * of `ProviderErrorCode`, ERR_CONFIG_INVALID for a `caCert` that cannot be read, ERR_ARGUMENT_INVALID for a payload of
 * a wrong length (RSA-OAEP-256: 1 to 190 bytes; A256KW: multiples of 8 from 16 to 512), ERR_CLOSED after `close`.
 *
 * @throws KeywrightError ERR_CONFIG_INVALID at once.
 */
export default function azureKeyVault(options: AzureKeyVaultOptions): KeyProvider {
  const provider = new AzureKeyVaultProvider(options.name ?? NAME, checkOptions(options))
  const { rotateMasterKey } = provider
  return {
    name: provider.name,
    capabilities: provider.capabilities,
    wrapKey: (key, context, call) => provider.wrapKey(key, context, call),
    unwrapKey: (wrapped, context, call) => provider.unwrapKey(wrapped, context, call),
    describeMasterKey: (call) => provider.describeMasterKey(call),
    errorCode: (error) => provider.errorCode(error),
    close: () => provider.close(),
    ...(rotateMasterKey === undefined ? {} : { rotateMasterKey }),
  }
}

export { azureKeyVault }

/**
 * Makes the master key where there is none: RSA of `keySize` bits, or oct-HSM of 256 bits for A256KW, for wrapping and
 * unwrapping only. Needs the permission `create` beside `get`. A key that is there is left as it is.
 *
 * Throws what the provider's calls throw; ERR_MASTER_KEY_DELETED where the name belongs to a deleted key,
 * ERR_MASTER_KEY_NOT_FOUND where `keyVersion` names a version that is not there.
 */
export async function createMasterKey(
  options: AzureKeyVaultOptions,
  call: { signal?: AbortSignal } = {},
): Promise<void> {
  const provider = new AzureKeyVaultProvider(options.name ?? NAME, checkOptions(options))
  try {
    await provider.create(call)
  } finally {
    await provider.close()
  }
}

/** The provider by configuration. With `create`, the vault is asked for the key and makes it where there is none. */
export async function configure(settings: ProviderSettings): Promise<KeyProvider> {
  const options = readOptions(settings)
  const provider = azureKeyVault(options)
  if (settings.create) await createMasterKey(options, { signal: AbortSignal.timeout(CREATE_TIMEOUT_MS) })
  return provider
}
