/**
 * What stands beside a backup in clear, so that it can be listed without a key. It proves nothing by itself: what is
 * in the head and the tail of the encrypted stream is compared with it before anything is restored.
 */
import { randomBytes } from 'node:crypto'
import { damaged, wrongArgument } from './failures.ts'

/** A tree of files, a SQLite database, or bytes that a program gave (a dump). */
export type BackupKind = 'folder' | 'sqlite' | 'stream'
export type BackupCompression = 'zstd' | 'none'

const KINDS: readonly string[] = ['folder', 'sqlite', 'stream']
const FORMAT = 'keywright-backup'
const VERSION = 1

export interface BackupIdentity {
  /** Time and 48 random bits: '20260522T090000Z-1f2e3d4c5b6a'. The backup's folder has this name. */
  readonly id: string
  /** What it is a backup of, in the words of whoever made it; retention counts by name. */
  readonly name: string
  readonly kind: BackupKind
  /** When it was begun: UTC, ISO 8601 with milliseconds. */
  readonly created: string
  /** What wrote it: 'keywright 1.2.3'. */
  readonly tool: string
  readonly compression: BackupCompression
}

/** The file manifest.json. */
export interface BackupManifest extends BackupIdentity {
  readonly format: typeof FORMAT
  readonly version: typeof VERSION
  readonly encrypted: boolean
  /** Name of the file that holds it, in the same folder. */
  readonly file: string
  /** Bytes of that file. */
  readonly storedBytes: number
  /** SHA-256 of that file, hexadecimal. */
  readonly sha256: string
  /** Bytes of what was backed up, before compression and encryption. */
  readonly contentBytes: number
  /** Regular files in a folder; 1 for the other kinds. */
  readonly files: number
}

export const MANIFEST_FILE = 'manifest.json'
/** By the form of the data: encrypted as a file of Keywright, or as it is. */
export const DATA_FILES = { encrypted: 'backup.kwf', plain: 'backup.kwb' } as const

const NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/
const ID = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{12}$/
const SHA256 = /^[0-9a-f]{64}$/
/** A manifest has some 500 bytes. */
export const MAX_MANIFEST_BYTES = 16_384

/** Throws ERR_ARGUMENT_INVALID for a name that may not stand in a manifest. */
export function assertBackupName(name: string): void {
  if (typeof name === 'string' && NAME.test(name)) return
  throw wrongArgument('the name of the backup is not allowed', 'use 1 to 64 of a-z, 0-9, "_", "." and "-"')
}

export const isBackupId = (text: string): boolean => ID.test(text)

export function newBackupId(now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
  return `${time}-${randomBytes(6).toString('hex')}`
}

/** The identity and the figures of a new backup as they stand in manifest.json. */
export function manifestOf(
  identity: BackupIdentity,
  figures: Pick<BackupManifest, 'encrypted' | 'storedBytes' | 'sha256' | 'contentBytes' | 'files'>,
): BackupManifest {
  const { id, name, kind, created, tool, compression } = identity
  const file = figures.encrypted ? DATA_FILES.encrypted : DATA_FILES.plain
  const { encrypted, storedBytes, sha256, contentBytes, files } = figures
  return {
    ...{ format: FORMAT, version: VERSION, id, name, kind, created, tool, compression },
    ...{ encrypted, file, storedBytes, sha256, contentBytes, files },
  }
}

/** Throws ERR_BACKUP_DAMAGED for a text that is no manifest, or one of a newer version. */
export function parseManifest(text: string): BackupManifest {
  const members = parseObject(text)
  const { encrypted, storedBytes, sha256, contentBytes, files, file } = members
  const expected = encrypted === true ? DATA_FILES.encrypted : DATA_FILES.plain
  const isWhole =
    typeof encrypted === 'boolean' &&
    file === expected &&
    isCount(storedBytes) &&
    isCount(contentBytes) &&
    isCount(files) &&
    typeof sha256 === 'string' &&
    SHA256.test(sha256)
  if (!isWhole) throw damaged('its manifest is not whole')
  return manifestOf(readIdentity(members, 'its manifest'), {
    ...{ encrypted, storedBytes, sha256, contentBytes, files },
  })
}

/** The identity in a manifest or in the head of a stream. */
export function readIdentity(members: Record<string, unknown>, where: string): BackupIdentity {
  const { format, version, id, name, kind, created, tool, compression } = members
  if (format !== FORMAT) throw damaged(`${where} is no manifest of a backup`)
  if (version !== VERSION) {
    throw damaged(`${where} has a format that this version does not know`, 'use a newer version of Keywright')
  }
  const isWhole =
    isText(id) && ID.test(id) && isText(name) && NAME.test(name) && isText(tool) && isText(created)
  const isKnown = isText(kind) && KINDS.includes(kind) && (compression === 'zstd' || compression === 'none')
  if (!isWhole || !isKnown || !isTimeOf(id, created)) throw damaged(`${where} is not whole`)
  return { id, name, kind: kind as BackupKind, created, tool, compression }
}

/** The identity as it stands at the head of the stream. */
export function identityMembers(identity: BackupIdentity): Record<string, unknown> {
  const { id, name, kind, created, tool, compression } = identity
  return { format: FORMAT, version: VERSION, id, name, kind, created, tool, compression }
}

export function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw damaged('what describes it is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged('what describes it is no JSON object')
  }
  return value as Record<string, unknown>
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 200

/** The id begins with the time at which the backup was begun, in whole seconds. */
function isTimeOf(id: string, created: string): boolean {
  const time = new Date(created)
  return (
    !Number.isNaN(time.getTime()) &&
    id.startsWith(`${time.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z-`)
  )
}

/** When it was begun, ms since the epoch. */
export const createdAt = ({ created }: BackupIdentity): number => Date.parse(created)
