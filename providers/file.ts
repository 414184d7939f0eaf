/** Master keys in a file, sealed under a root secret: for development, single servers and air-gapped ones. */
import { type KeyProvider, KeywrightError, type ProviderSettings } from '../src/provider.ts'
import type { KdfOptions } from './local/kdf.ts'
import { KeyFile, type OpenedKeyFile, OTHERS_MODE } from './local/key-file.ts'
import { localProvider, type MasterKey, type MasterKeySource } from './local/local-provider.ts'
import { holdRootSecret, parseRootSecret, type RootSecret } from './local/root-secret.ts'

export { type CreatedKeyFile, type CreateKeyFileOptions, createKeyFile } from './local/key-file-io.ts'
export { parseRootKey, type RootSecret } from './local/root-secret.ts'

export interface FileProviderOptions {
  /** Instance name, stored with every wrap. @default 'file' */
  readonly name?: string
  /** Where the key file is. A symbolic link is followed. */
  readonly path: string
  /** What the key file is sealed with. Without it only an unsealed file opens, for development. */
  readonly rootSecret?: RootSecret
  /**
   * Makes the key file when there is none at the first use. An empty or broken one is never replaced.
   * @default false
   */
  readonly create?: boolean
  /** Refuses a key file that is not sealed. @default false */
  readonly production?: boolean
  /** Refuses any other key file: `keyfile:` and 32 hex digits, as `describeMasterKey` tells it. */
  readonly masterKeyId?: string
  /** Wraps under this version in place of the current one. Such a provider does not rotate. */
  readonly pinnedVersion?: string
  /** How long to wait for another process that changes the file, in milliseconds. @default 10_000 */
  readonly lockTimeoutMs?: number
  /** A wrap looks at the file when the last look is longer ago, in milliseconds. @default 1_000 */
  readonly checkIntervalMs?: number
  /** Cost of the key derivation from a password when the file is made. */
  readonly kdf?: KdfOptions
}

const NAME = 'file'
const CHECK_INTERVAL_MS = 1_000

/**
 * The file provider. The file is read by the first call, and again when it changed, so that a rotation by
 * another process is seen. Calls throw KeywrightError: ERR_KEY_FILE_MISSING, _EMPTY, _TRUNCATED, _UNREADABLE,
 * _CORRUPT, _FOREIGN, _ROLLED_BACK, _UNSEALED, ERR_ROOT_SECRET_MISSING, _WRONG, ERR_MASTER_KEY_NOT_FOUND,
 * ERR_UNWRAP_FAILED.
 *
 * @throws KeywrightError ERR_ROOT_SECRET_INVALID, ERR_CONFIG_INVALID at once.
 */
export default function fileProvider(options: FileProviderOptions): KeyProvider {
  const { checkIntervalMs = CHECK_INTERVAL_MS, create = false, name = NAME, path, pinnedVersion } = options
  const { kdf, lockTimeoutMs, production = false, rootSecret } = options
  if (typeof path !== 'string' || path === '') throw invalid('the path of the key file is empty')
  if (pinnedVersion !== undefined && !/^[1-9]\d{0,14}$/.test(pinnedVersion)) {
    throw invalid('the pinned master key version is not a whole number from 1')
  }
  const file = new KeyFile({
    checkIntervalMs,
    create,
    path,
    production,
    root: rootSecret === undefined ? undefined : holdRootSecret(rootSecret),
    ...(kdf === undefined ? {} : { kdf }),
    ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }),
  })
  return localProvider(name, keyFileSource(file, path, pinnedVersion, options.masterKeyId))
}

function keyFileSource(
  file: KeyFile,
  path: string,
  pinnedVersion: string | undefined,
  expectedId: string | undefined,
): MasterKeySource {
  async function find(id: string, version: string): Promise<MasterKey> {
    const known = await file.known()
    if (id !== known.masterKeyId) throw foreign(path, known.masterKeyId, id)
    // Another process may have added the version since the file was read.
    const found = pick(known, version) ?? pick(await file.reload(), version)
    if (found !== undefined) return found
    throw new KeywrightError(
      'ERR_MASTER_KEY_NOT_FOUND',
      `the key file has no such master key version: ${path}`,
      {
        details: { masterKeyId: known.masterKeyId },
        hint: 'an older copy of the key file was put back, or the version is misspelt: restore the latest key file',
      },
    )
  }
  return {
    async current(always) {
      const opened = await file.fresh(always)
      if (expectedId !== undefined && opened.masterKeyId !== expectedId)
        throw unexpected(path, opened.masterKeyId)
      return find(opened.masterKeyId, pinnedVersion ?? String(opened.keyset.current))
    },
    find,
    warnings: () => (file.opened === undefined ? [] : warningsOf(file.opened, path)),
    close: () => file.close(),
    ...(pinnedVersion === undefined ? { rotate: (signal) => file.rotate(signal) } : {}),
  }
}

function pick(opened: OpenedKeyFile, version: string): MasterKey | undefined {
  const found = opened.keyset.versions.find((known) => String(known.version) === version)
  if (found === undefined) return undefined
  return { createdAt: found.createdAt, id: opened.masterKeyId, key: found.key, version }
}

function warningsOf({ raw, seal }: OpenedKeyFile, path: string): string[] {
  if (seal === undefined) {
    return [
      `THE MASTER KEY LIES IN CLEAR in ${path}: whoever reads this file decrypts everything; for development only`,
    ]
  }
  if ((raw.mode & OTHERS_MODE) === 0) return []
  return [`other users may read or write the key file: chmod 600 ${path}`]
}

/** `wrapId` is stored data: it is shown only when it looks like the id of a key file. */
function foreign(path: string, ownId: string, wrapId: string): KeywrightError {
  const shown = /^keyfile:[0-9a-f]{32}$/.test(wrapId) ? wrapId : 'something that is no key file'
  return new KeywrightError(
    'ERR_KEY_FILE_FOREIGN',
    `the key was wrapped by ${shown}, not by ${ownId}: ${path}`,
    {
      details: { configured: ownId },
      hint: 'put back the key file that made the wrap; to change key files, export the keyrings and import them under the new one',
    },
  )
}

function unexpected(path: string, foundId: string): KeywrightError {
  return new KeywrightError(
    'ERR_KEY_FILE_FOREIGN',
    `the key file is ${foundId}, another one is configured: ${path}`,
    {
      hint: 'put the right key file there, or correct ENCRYPTION_KEY_ID',
    },
  )
}

function invalid(message: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', message, { hint: 'check the options of the file provider' })
}

const OPTIONS: readonly string[] = ['path', 'masterKeyId', 'pinnedVersion']

/**
 * The provider by configuration: options from the policy document and the environment. Throws
 * ERR_CONFIG_INVALID.
 */
export async function configure(settings: ProviderSettings): Promise<KeyProvider> {
  const { create, name, options, production, rootSecret } = settings
  const path = textOption(options, 'path')
  const pinnedVersion = textOption(options, 'pinnedVersion')
  const masterKeyId = textOption(options, 'masterKeyId')
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option))
  if (unknown !== undefined) throw invalid(`the file provider "${name}" has an option that does not exist`)
  if (path === undefined) throw invalid(`the file provider "${name}" has no path`)
  return fileProvider({
    name,
    path,
    create,
    production,
    ...(masterKeyId === undefined ? {} : { masterKeyId }),
    ...(pinnedVersion === undefined ? {} : { pinnedVersion }),
    ...(rootSecret === undefined ? {} : { rootSecret: parseRootSecret(rootSecret) }),
  })
}

function textOption(options: ProviderSettings['options'], option: string): string | undefined {
  const value = options[option]
  if (value === undefined || typeof value === 'string') return value
  throw invalid(`"${option}" of the file provider is not a text`)
}
