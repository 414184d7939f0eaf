/** Addresses and names: checked before anything reaches a URL, and the only place where key ids are made or read. */
import { KeywrightError } from '../../src/provider.ts'

/**
 * DNS suffixes of vaults and of Managed HSM pools in the public cloud and the sovereign ones.
 * https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-base-url
 */
const VAULT_SUFFIXES = ['vault.azure.net', 'vault.azure.cn', 'vault.usgovcloudapi.net']
const HSM_SUFFIXES = ['managedhsm.azure.net', 'managedhsm.azure.cn', 'managedhsm.usgovcloudapi.net']

/** https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers */
const KEY_NAME = /^[0-9a-zA-Z-]{1,127}$/
const KEY_VERSION = /^[0-9a-f]{32}$/

/** What kind of service a host is; 'other' is one that only an option allows. */
export type VaultKind = 'vault' | 'managed-hsm' | 'other'

export interface VaultAddress {
  /** 'https://NAME.vault.azure.net', without a slash at the end. */
  readonly url: string
  readonly host: string
  readonly kind: VaultKind
}

/** Throws ERR_CONFIG_INVALID, which never shows the URL: it may hold credentials. */
export function parseVaultUrl(text: string, allow: { emulator: boolean; anyHost: boolean }): VaultAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw invalid('is not a URL')
  if (url.protocol !== 'https:') throw invalid('does not begin with https://')
  if (url.username !== '' || url.password !== '') throw invalid('holds a user name or password')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalid('has something after the host: the name of the key goes into ENCRYPTION_KEY_ID')
  }
  const kind = kindOf(url.hostname)
  if (allow.emulator && !isLoopback(url.hostname)) {
    throw new KeywrightError(
      'ERR_CONFIG_INVALID',
      'an emulator of Azure Key Vault is used on loopback only',
      {
        hint: 'unset ENCRYPTION_AZURE_EMULATOR, or let ENCRYPTION_AZURE_VAULT_URL name localhost',
      },
    )
  }
  if (!allow.emulator && !allow.anyHost && (kind === 'other' || url.port !== '')) {
    throw invalid(
      'names no host of Azure Key Vault or Managed HSM (ENCRYPTION_AZURE_ALLOW_ANY_HOST allows another)',
    )
  }
  return { url: url.origin, host: url.hostname, kind }
}

function kindOf(host: string): VaultKind {
  const dot = host.indexOf('.')
  if (!/^[a-z0-9-]+$/.test(host.slice(0, Math.max(dot, 0)))) return 'other'
  const suffix = host.slice(dot + 1)
  if (VAULT_SUFFIXES.includes(suffix)) return 'vault'
  return HSM_SUFFIXES.includes(suffix) ? 'managed-hsm' : 'other'
}

/** The whole of 127.0.0.0/8, ::1, localhost. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

function invalid(problem: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `the URL of the Azure vault ${problem}`, {
    hint: 'write ENCRYPTION_AZURE_VAULT_URL (vaultUrl) as https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net',
  })
}

/** Throws ERR_CONFIG_INVALID for a name that is no name of a key: it would leave its place in a path. */
export function checkKeyName(name: string): string {
  if (KEY_NAME.test(name)) return name
  throw new KeywrightError('ERR_CONFIG_INVALID', 'the name of the Azure key is not one', {
    hint: 'ENCRYPTION_KEY_ID (keyId) is the name alone, without vault and version: 1 to 127 letters, digits and hyphens',
  })
}

/** Throws ERR_CONFIG_INVALID for what is no version of a key. */
export function checkKeyVersion(version: string): string {
  if (isKeyVersion(version)) return version
  throw new KeywrightError('ERR_CONFIG_INVALID', 'the pinned version of the Azure key is not one', {
    hint: 'ENCRYPTION_KEY_VERSION (keyVersion) is 32 hex digits, the last part of the key identifier; unset it to use the latest',
  })
}

export function isKeyVersion(version: string): boolean {
  return KEY_VERSION.test(version)
}

/** A master key's id without a version. */
export const masterKeyIdOf = (vaultUrl: string, name: string): string => `${vaultUrl}/keys/${name}`

/**
 * The version that an id from the service names, when it lies in `masterKeyId`; otherwise undefined. Names are
 * compared without regard to case, as the service does.
 */
export function versionWithin(masterKeyId: string, id: unknown): string | undefined {
  if (typeof id !== 'string') return undefined
  const start = `${masterKeyId}/`
  if (id.slice(0, start.length).toLowerCase() !== start.toLowerCase()) return undefined
  const version = id.slice(start.length)
  return isKeyVersion(version) ? version : undefined
}
