/** The provider's options: their types, and the reading of those that arrive as text. */
import { KeywrightError, type LibImport, type ProviderSettings } from '../../src/provider.ts'
import type { AzureCredential, AzureIdentityLib, AzureKeysLib } from './sdk.ts'
import { checkKeyName, checkKeyVersion, parseVaultUrl, type VaultAddress } from './vault-url.ts'

/** How keys are wrapped. RSA-OAEP (with SHA-1) is not among them: the client computes it locally. */
export const ALGORITHMS = ['RSA-OAEP-256', 'A256KW'] as const
export type AzureAlgorithm = (typeof ALGORITHMS)[number]

/** Where tokens come from. */
export const CREDENTIALS = ['default', 'managed-identity', 'client-secret'] as const
export type AzureCredentialKind = (typeof CREDENTIALS)[number]

export interface AzureKeyVaultOptions {
  /** Instance name, stored with every wrap. @default 'azure-key-vault' */
  readonly name?: string
  /** 'https://NAME.vault.azure.net' or 'https://NAME.managedhsm.azure.net', also those of sovereign clouds. */
  readonly vaultUrl: string
  /** Name of the key, without vault and version. */
  readonly keyId: string
  /** Wraps under this version (32 hex digits) in place of the latest. Such a provider does not rotate. */
  readonly keyVersion?: string
  /** 'A256KW' needs an oct-HSM key on Managed HSM. @default 'RSA-OAEP-256' */
  readonly algorithm?: AzureAlgorithm
  /**
   * 'default' is DefaultAzureCredential: environment, workload identity, managed identity, developer tools. An object
   * with `getToken` is used as it is. @default 'client-secret' when `clientSecret` is given, else 'default'
   */
  readonly credential?: AzureCredentialKind | AzureCredential
  /** Tenant of the service principal or of the workload identity. */
  readonly tenantId?: string
  /** Application id of the service principal, the workload identity or the user-assigned managed identity. */
  readonly clientId?: string
  readonly clientSecret?: string
  /** Login host of a sovereign cloud, 'https://login.microsoftonline.us'. @default the public cloud's */
  readonly authorityHost?: string
  /** Path of a PEM file with the CA certificates to trust in place of Node's, for an inspecting proxy. */
  readonly caCert?: string
  /** Permits a vault URL outside of the known clouds (Azure Stack Hub, a new cloud). @default false */
  readonly allowAnyHost?: boolean
  /**
   * For an emulator on loopback: a fixed token unless `credential` is set, and the vault's login challenge may name
   * another host. @default false
   */
  readonly emulator?: boolean
  /** How long a wrap relies on the latest version that was seen, in milliseconds. @default 60_000 */
  readonly checkIntervalMs?: number
  /** Size of the RSA key that `createMasterKey` makes: 2048, 3072 or 4096 bits. @default 3072 */
  readonly keySize?: number
  /** Copies of the client libraries to use in place of the installed ones. */
  readonly lib?: { readonly keys?: LibImport<AzureKeysLib>; readonly identity?: LibImport<AzureIdentityLib> }
}

/** Options that were checked. */
export interface AzureSettings extends Omit<AzureKeyVaultOptions, 'vaultUrl' | 'algorithm'> {
  readonly vault: VaultAddress
  readonly algorithm: AzureAlgorithm
  readonly checkIntervalMs: number
}

const CHECK_INTERVAL_MS = 60_000
const KEY_SIZES: readonly number[] = [2048, 3072, 4096]

/** Throws ERR_CONFIG_INVALID that names the option and its variable, never its value. */
export function checkOptions(options: AzureKeyVaultOptions): AzureSettings {
  const { algorithm = 'RSA-OAEP-256', allowAnyHost = false, emulator = false, vaultUrl, ...rest } = options
  if (typeof vaultUrl !== 'string' || vaultUrl === '') throw missing('vaultUrl')
  if (typeof rest.keyId !== 'string' || rest.keyId === '') throw missing('keyId')
  if (!ALGORITHMS.includes(algorithm)) throw invalid('algorithm', `expects one of ${ALGORITHMS.join(', ')}`)
  const vault = parseVaultUrl(vaultUrl, { emulator, anyHost: allowAnyHost })
  if (algorithm === 'A256KW' && vault.kind === 'vault') {
    throw invalid('algorithm', 'is A256KW, which only Managed HSM has: a vault has RSA-OAEP-256')
  }
  checkKeyName(rest.keyId)
  if (rest.keyVersion !== undefined) checkKeyVersion(rest.keyVersion)
  const { checkIntervalMs = CHECK_INTERVAL_MS, keySize } = rest
  if (!(checkIntervalMs >= 0)) throw invalid('checkIntervalMs', 'expects milliseconds from 0')
  if (keySize !== undefined && !KEY_SIZES.includes(keySize)) {
    throw invalid('keySize', `expects one of ${KEY_SIZES.join(', ')}`)
  }
  checkCredential(options)
  return { ...rest, vault, algorithm, emulator, allowAnyHost, checkIntervalMs }
}

function checkCredential(options: AzureKeyVaultOptions): void {
  const { authorityHost, clientSecret, credential, emulator } = options
  if (typeof credential === 'object' || (emulator === true && credential === undefined)) return
  if (credential !== undefined && !CREDENTIALS.includes(credential)) {
    throw invalid('credential', `expects one of ${CREDENTIALS.join(', ')}`)
  }
  if (authorityHost !== undefined && (!URL.canParse(authorityHost) || !/^https:/i.test(authorityHost))) {
    throw invalid('authorityHost', 'expects a URL that begins with https://')
  }
  if (credential !== 'client-secret' && (credential !== undefined || clientSecret === undefined)) return
  for (const option of ['tenantId', 'clientId', 'clientSecret'] as const) {
    if (options[option] === undefined || options[option] === '') throw missing(option)
  }
}

/** Name of the variable behind each option, for hints. */
const VARIABLES = {
  vaultUrl: 'ENCRYPTION_AZURE_VAULT_URL',
  keyId: 'ENCRYPTION_KEY_ID',
  keyVersion: 'ENCRYPTION_KEY_VERSION',
  algorithm: 'ENCRYPTION_AZURE_ALGORITHM',
  credential: 'ENCRYPTION_AZURE_CREDENTIAL',
  tenantId: 'ENCRYPTION_AZURE_TENANT_ID',
  clientId: 'ENCRYPTION_AZURE_CLIENT_ID',
  clientSecret: 'ENCRYPTION_AZURE_CLIENT_SECRET',
  authorityHost: 'ENCRYPTION_AZURE_AUTHORITY_HOST',
  caCert: 'ENCRYPTION_AZURE_CACERT',
  allowAnyHost: 'ENCRYPTION_AZURE_ALLOW_ANY_HOST',
  emulator: 'ENCRYPTION_AZURE_EMULATOR',
  checkIntervalMs: 'ENCRYPTION_AZURE_CHECK_INTERVAL_MS',
  keySize: 'ENCRYPTION_AZURE_KEY_SIZE',
} as const satisfies Partial<Record<keyof AzureKeyVaultOptions, string>>

type NamedOption = keyof typeof VARIABLES

function invalid(option: NamedOption, problem: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `"${option}" of the Azure Key Vault provider ${problem}`, {
    hint: `correct ${VARIABLES[option]} or the option "${option}"`,
  })
}

function missing(option: NamedOption): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `"${option}" of the Azure Key Vault provider is not set`, {
    hint: `set ${VARIABLES[option]} or the option "${option}"`,
  })
}

/** How an option reads a value from the environment (text) or a policy document (JSON). */
type Read = (option: NamedOption, value: unknown) => string | number | boolean

const text: Read = (option, value) => {
  if (typeof value === 'string') return value
  throw invalid(option, 'expects a text')
}

const flag: Read = (option, value) => {
  const word = String(value).trim().toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  throw invalid(option, 'expects true or false')
}

const count: Read = (option, value) => {
  if ((typeof value === 'string' || typeof value === 'number') && /^\d{1,9}$/.test(String(value).trim())) {
    return Number(value)
  }
  throw invalid(option, 'expects a whole number')
}

const READERS: Readonly<Partial<Record<NamedOption, Read>>> = {
  allowAnyHost: flag,
  emulator: flag,
  checkIntervalMs: count,
  keySize: count,
}

/** Options out of a policy document and the environment. Throws ERR_CONFIG_INVALID. */
export function readOptions({ name, options }: ProviderSettings): AzureKeyVaultOptions {
  const known = Object.keys(VARIABLES)
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  const unknown = entries.filter(([option]) => !known.includes(option))
  if (unknown.length > 0) {
    throw new KeywrightError(
      'ERR_CONFIG_INVALID',
      `the Azure Key Vault provider "${name}" has an option that does not exist`,
      {
        hint: `its options are ${known.join(', ')}`,
      },
    )
  }
  const read = entries.map(([option, value]) => {
    const named = option as NamedOption
    return [option, (READERS[named] ?? text)(named, value)]
  })
  return { name, ...Object.fromEntries(read) }
}
