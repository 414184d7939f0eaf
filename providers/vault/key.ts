/**
 * The Transit key as the server describes it: https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key,
 * and whether it can hold data keys.
 */
import { KeywrightError, type MasterKeyDescription, type ServerFacts } from '../../src/provider.ts'
import type { VaultSettings } from './settings.ts'

export interface TransitKey {
  /** Vault's name of the algorithm: 'aes256-gcm96'. */
  readonly type: string
  readonly latestVersion: number
  readonly minEncryptionVersion: number
  readonly minDecryptionVersion: number
  readonly isDerived: boolean
  readonly isConvergent: boolean
  /** OpenBao only. */
  readonly isSoftDeleted: boolean
  readonly isExportable: boolean
  readonly isDeletable: boolean
  /** Seconds; 0 when the server does not rotate it by itself. */
  readonly autoRotateSeconds: number
  /** When a version was made, in ms since the epoch. */
  createdAt(version: number): number | undefined
}

/** Authenticated, with associated data, and no weaker than the keys they wrap: aes128-gcm96 is not among them. */
const AEAD_TYPES: readonly string[] = ['aes256-gcm96', 'chacha20-poly1305', 'xchacha20-poly1305']

export const isAeadType = (type: string): boolean => AEAD_TYPES.includes(type)

type Data = Readonly<Record<string, unknown>>

/** Undefined when `data` does not describe a Transit key. */
export function parseKey(data: Data): TransitKey | undefined {
  const { keys, latest_version: latestVersion, type } = data
  if (typeof type !== 'string' || !isCount(latestVersion)) return undefined
  return {
    type,
    latestVersion,
    minEncryptionVersion: countOf(data['min_encryption_version']),
    minDecryptionVersion: countOf(data['min_decryption_version']),
    isDerived: data['derived'] === true,
    isConvergent: data['convergent_encryption'] === true,
    isSoftDeleted: data['soft_deleted'] === true,
    isExportable: data['exportable'] === true || data['allow_plaintext_backup'] === true,
    isDeletable: data['deletion_allowed'] === true,
    autoRotateSeconds: countOf(data['auto_rotate_period']),
    createdAt(version) {
      const seconds: unknown = (Object(keys) as Data)[String(version)]
      return typeof seconds === 'number' ? seconds * 1000 : undefined
    },
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0
const countOf = (value: unknown): number => (isCount(value) ? value : 0)

/** Throws ERR_MASTER_KEY_UNSUITABLE for a key that must not wrap data keys, or not as it is configured. */
export function assertSuitable(key: TransitKey, { derived = false }: VaultSettings): void {
  if (!isAeadType(key.type)) {
    throw unsuitable('its type is not one that binds a context', `use a key of type ${AEAD_TYPES.join(', ')}`)
  }
  if (key.isConvergent) {
    throw unsuitable(
      'its encryption is convergent: equal keys would show as equal wraps',
      'use a key without it',
    )
  }
  if (key.isDerived === derived) return
  throw key.isDerived
    ? unsuitable('it is derived', 'set ENCRYPTION_VAULT_DERIVED=true')
    : unsuitable('it is not derived', 'unset ENCRYPTION_VAULT_DERIVED, or use a key made with derived=true')
}

function unsuitable(why: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_MASTER_KEY_UNSUITABLE', `the transit key cannot be used: ${why}`, { hint })
}

/** In the terms of all providers. */
export function describeKey(
  key: TransitKey,
  settings: VaultSettings,
  facts: ServerFacts,
): MasterKeyDescription {
  const version = settings.keyVersion ?? key.latestVersion
  const createdAt = key.createdAt(version)
  const latestAt = key.createdAt(key.latestVersion)
  const isRotated = key.autoRotateSeconds > 0 && latestAt !== undefined
  return {
    id: settings.keyId,
    version: String(version),
    state: stateOf(key, version),
    algorithm: key.type,
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(isRotated ? { rotatesAt: latestAt + key.autoRotateSeconds * 1000 } : {}),
    server: facts,
    warnings: warningsOf(key, settings),
  }
}

function stateOf(key: TransitKey, version: number): MasterKeyDescription['state'] {
  if (key.isSoftDeleted) return 'pending-deletion'
  if (version > key.latestVersion) return 'unavailable'
  return version < Math.max(key.minEncryptionVersion, key.minDecryptionVersion) ? 'disabled' : 'enabled'
}

function warningsOf(key: TransitKey, { isExposed, keyVersion }: VaultSettings): string[] {
  const isBehind = keyVersion !== undefined && keyVersion < key.latestVersion
  const warnings: readonly (readonly [boolean, string])[] = [
    [key.isExportable, 'the transit key can be exported or backed up in clear, which cannot be undone'],
    [key.isDeletable, 'deletion_allowed is on: one call can delete the transit key for good'],
    [isExposed, 'tokens and data keys travel in clear: ENCRYPTION_VAULT_ALLOW_INSECURE is set'],
    [
      isBehind,
      `new wraps use version ${keyVersion}, the latest is ${key.latestVersion}: ENCRYPTION_KEY_VERSION pins it`,
    ],
  ]
  return warnings.flatMap(([applies, text]) => (applies ? [text] : []))
}
