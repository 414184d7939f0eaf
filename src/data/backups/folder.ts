/** The folder of all backups: finding and listing what is in there. Needs no key. */
import { open, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { KeywrightError } from '../../errors.ts'
import { damaged, fileFailure, orFail, systemCode, wrongArgument } from './failures.ts'
import {
  assertBackupName,
  type BackupManifest,
  isBackupId,
  MANIFEST_FILE,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from './manifest.ts'

/** A backup as its folder and its manifest tell; nothing of it is proven before it is verified. */
export interface ListedBackup {
  readonly id: string
  /** The folder of this backup. */
  readonly path: string
  /** Absent when it cannot be read. */
  readonly manifest?: BackupManifest
  /** What is wrong at first sight: no manifest, a file that lacks or has another length. */
  readonly problem?: string
}

/** Where the data of a backup are, and what stands beside them. */
export interface FoundBackup {
  readonly data: string
  /** Absent for a file that was taken out of its folder. */
  readonly manifest?: BackupManifest
}

/** All backups of a folder, or those of one name, the newest first. Throws ERR_FILE_MISSING, ERR_FILE_UNREADABLE. */
export async function listBackups(
  folder: string,
  { name }: { readonly name?: string | undefined } = {},
): Promise<ListedBackup[]> {
  if (name !== undefined) assertBackupName(name)
  const entries = await orFail(`read ${folder}`, readdir(folder))
  const listed: ListedBackup[] = []
  for (const id of entries.filter(isBackupId)) listed.push(await look(resolve(folder, id), id))
  return listed
    .filter(({ manifest }) => name === undefined || manifest?.name === name)
    .sort((a, b) => (orderOf(a) < orderOf(b) ? 1 : -1))
}

/** By time: an id tells it in seconds only. */
const orderOf = ({ id, manifest }: ListedBackup): string =>
  manifest === undefined ? id : manifest.created.replace(/[-:]/g, '')

async function look(path: string, id: string): Promise<ListedBackup> {
  try {
    const manifest = await readManifest(path)
    const problem = await problemOf(path, manifest)
    return { id, path, manifest, ...(problem === undefined ? {} : { problem }) }
  } catch (error) {
    return { id, path, problem: error instanceof KeywrightError ? error.message : 'cannot be read' }
  }
}

async function problemOf(path: string, manifest: BackupManifest): Promise<string | undefined> {
  try {
    const { size } = await stat(join(path, manifest.file))
    return size === manifest.storedBytes
      ? undefined
      : `${manifest.file} has another length than its manifest says`
  } catch (error) {
    return `${manifest.file} cannot be read (${systemCode(error)})`
  }
}

/** The manifest in the folder of a backup, which has the name of the backup. Throws ERR_BACKUP_DAMAGED. */
async function readManifest(path: string): Promise<BackupManifest> {
  const text = await readSmall(join(path, MANIFEST_FILE))
  if (text === undefined) throw damaged(`${MANIFEST_FILE} is not there`)
  const manifest = parseManifest(text)
  const id = basename(path)
  if (isBackupId(id) && id !== manifest.id) throw damaged('its manifest is that of another backup')
  return manifest
}

/** A text of a bounded length; undefined when there is none. */
async function readSmall(path: string): Promise<string | undefined> {
  try {
    const file = await open(path)
    try {
      const buffer = Buffer.alloc(MAX_MANIFEST_BYTES + 1)
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
      if (bytesRead > MAX_MANIFEST_BYTES) throw damaged('its manifest is too long')
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileFailure('read the manifest', error)
  }
}

/**
 * The backup at `path`: its folder, or its data file alone. Throws ERR_BACKUP_UNKNOWN, ERR_BACKUP_DAMAGED.
 */
export async function findBackup(path: string): Promise<FoundBackup> {
  const found = resolve(path)
  const stats = await stat(found).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) throw unknown()
    throw fileFailure('read the backup', error)
  })
  if (!stats.isDirectory()) return { data: found }
  const manifest = await readManifest(found)
  return { data: join(found, manifest.file), manifest }
}

/** The folder of the newest backup of a name. Throws ERR_BACKUP_UNKNOWN. */
export async function latestBackup(folder: string, name: string): Promise<ListedBackup> {
  const [newest] = await listBackups(folder, { name })
  if (newest === undefined) throw unknown(name)
  return newest
}

/** The folder of a backup by its id. Throws ERR_ARGUMENT_INVALID for what is no id. */
export function backupPath(folder: string, id: string): string {
  if (isBackupId(id)) return resolve(folder, id)
  throw wrongArgument('not the id of a backup', 'an id is as `keywright backup list` shows it')
}

function unknown(name?: string): KeywrightError {
  const what = name === undefined ? 'there is no such backup' : `there is no backup named ${name}`
  return new KeywrightError('ERR_BACKUP_UNKNOWN', what, {
    hint: '`keywright backup list` shows those there are; --from names their folder',
  })
}
