/** A folder to another one, encrypted file by file. Running it again goes on where it was. */
import { randomBytes } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { StreamLayout } from '../../crypto/streaming.ts'
import { KeywrightError } from '../../errors.ts'
import { encryptFile } from './encrypt-file.ts'
import { isEncryptedFile, readHead } from './file-head.ts'
import type { FileKeys } from './file-keys.ts'
import {
  assertFolders,
  type FolderItem,
  type FolderOptions,
  type FolderReport,
  runFolder,
  TargetFolders,
} from './folder-run.ts'
import { knownNames } from './names.ts'
import type { SealOptions } from './options.ts'
import { SourceFile, sameTime } from './source-file.ts'
import type { FolderEntry } from './walk-folder.ts'

/** What encrypted files end with. */
export const SUFFIX = '.kwf'

export interface EncryptFolderOptions extends SealOptions, FolderOptions {
  /**
   * 'encrypt': files get random names in one flat folder, and their path goes encrypted into the header; folders that
   * are empty are lost. 'keep': names and folders stay, files get the suffix `.kwf`. @default 'keep'
   */
  readonly names?: 'keep' | 'encrypt' | undefined
}

/**
 * Encrypts what is in `from` into `to`. Throws ERR_ARGUMENT_INVALID when one folder is in the other, and what
 * `runFolder` throws; what is wrong with single files stands in the report.
 */
export async function encryptFolder(
  keys: FileKeys,
  from: string,
  to: string,
  options: EncryptFolderOptions,
): Promise<FolderReport> {
  const hidden = isHidden(options.names)
  await assertFolders(from, to)
  const ring = keys.keyring(options)
  const dryRun = options.dryRun === true
  if (!dryRun) await keys.activeKeyId(ring) // without a key no file would go better than the first
  const known = hidden ? await knownNames(keys.unlocker(options), to, options.context) : undefined
  const folders = new TargetFolders(to)
  return runFolder(from, options, {
    async folder({ path, relative }) {
      if (hidden || dryRun) return
      await folders.makeLike(relative, ((await lstat(path)).mode & 0o777) | 0o700)
    },
    async file(entry, report) {
      const path = entry.relative
      const target = known === undefined ? `${path}${SUFFIX}` : (known.get(path) ?? randomName())
      const found = await survey(entry, join(to, target))
      if (found.isEncrypted) return { path, outcome: 'skipped', reason: 'encrypted' }
      const item: FolderItem = { path, outcome: 'done', target, bytes: found.bytes }
      if (found.isCurrent) return { ...item, outcome: 'current' }
      if (found.isThere && options.force !== true) throw differs(target)
      if (dryRun) return item
      await folders.make(hidden ? '' : path.split('/').slice(0, -1).join('/'))
      const more = { follow: false, ...(hidden ? { name: path } : {}) }
      const onProgress = ({ bytes }: { bytes: number }): void => report(bytes)
      await encryptFile(keys, entry.path, join(to, target), { ...options, onProgress }, more)
      return item
    },
  })
}

/** A word that is misspelt must not show names. */
function isHidden(names: EncryptFolderOptions['names'] = 'keep'): boolean {
  if (names === 'keep' || names === 'encrypt') return names === 'encrypt'
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'names are kept or encrypted', {
    hint: "names is 'keep' or 'encrypt'",
  })
}

const randomName = (): string => `${randomBytes(16).toString('hex')}${SUFFIX}`

function differs(target: string): KeywrightError {
  return new KeywrightError(
    'ERR_FILE_EXISTS',
    `${target} is there already, made of another state of the file`,
    {
      hint: 'the option "force" (--force) replaces it',
      details: { path: target },
    },
  )
}

interface Survey {
  readonly bytes: number
  /** The source is an encrypted file itself. */
  readonly isEncrypted: boolean
  readonly isThere: boolean
  /** The target was made of the source as it is now: by its time, and where it tells, its length. */
  readonly isCurrent: boolean
}

async function survey({ path }: FolderEntry, target: string): Promise<Survey> {
  const source = await SourceFile.open(path, { follow: false })
  try {
    const isEncrypted = await isEncryptedFile(source)
    const isThere = (await lstat(target).catch(() => undefined)) !== undefined
    const isCurrent = isThere && (await isMadeOf(source, target))
    return { bytes: source.size, isEncrypted, isThere, isCurrent }
  } finally {
    await source.close()
  }
}

async function isMadeOf(source: SourceFile, target: string): Promise<boolean> {
  const made = await SourceFile.open(target, { follow: false }).catch(() => undefined)
  if (made === undefined) return false
  try {
    const { header, bytes } = await readHead(made)
    const fits = made.size === bytes.length + new StreamLayout(source.size).streamBytes
    return sameTime(source, made) && (header.compression !== 'none' || fits)
  } catch {
    return false // no encrypted file, so none of this one
  } finally {
    await made.close()
  }
}
