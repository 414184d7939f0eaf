/**
 * Making a backup: everything is written into a folder beside the others, synced, and gets its name by one rename. Until
 * then there is no backup; a crash leaves a folder that the next one removes.
 */
import { mkdir, open, realpath, rename, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { assertBytes } from '../../crypto/bytes.ts'
import { KeywrightError } from '../../errors.ts'
import { syncDirectory } from '../../files/atomic.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import { assertCompression, compress } from './compression.ts'
import { assertGoing, orFail, wrongArgument } from './failures.ts'
import { type FolderTally, folderContent, type Told } from './folder-source.ts'
import { encodeFrames } from './frames.ts'
import {
  assertBackupName,
  type BackupIdentity,
  type BackupKind,
  type BackupManifest,
  DATA_FILES,
  identityMembers,
  MANIFEST_FILE,
  manifestOf,
  newBackupId,
} from './manifest.ts'
import { newScratch } from './scratch.ts'
import { newSeal, type Seal } from './sealed.ts'
import { bytesOf, snapshotOf } from './sqlite-source.ts'
import { Tally } from './tally.ts'
import { toolName } from './tool.ts'

/** The key type under which backups are encrypted unless somebody names another. */
const BACKUPS_KEY_TYPE = 'backups'

/** What is backed up: a folder, the file of a SQLite database, or bytes as they come. */
export type BackupSource =
  | { readonly folder: string }
  | {
      readonly sqlite: string
      /** Folder for the copy that is taken first, in clear. @default the folder of the database */
      readonly scratch?: string | undefined
    }
  | {
      /** A failure of the stream fails the backup. */
      readonly stream: AsyncIterable<Uint8Array>
      /** Take a stream without a byte; else it is refused, as what a failed dump leaves. @default false */
      readonly allowEmpty?: boolean | undefined
    }

export interface CreateBackupOptions {
  /** The folder of all backups; made when there is none. */
  readonly to: string
  /** What it is a backup of: 1 to 64 of a-z, 0-9, '_', '.', '-'. Retention counts by name. */
  readonly name: string
  readonly source: BackupSource
  /** @default 'backups' */
  readonly keyType?: string | undefined
  readonly tenant?: string | undefined
  /** @default 'none' */
  readonly compression?: 'zstd' | 'none' | undefined
  /** False writes it in clear: whoever reads the folder reads everything. @default true */
  readonly encrypt?: boolean | undefined
  /** For the audit log. */
  readonly reason?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

export interface BackupProgress {
  /** Bytes of content so far. */
  readonly bytes: number
}

export interface CreatedBackup extends BackupManifest {
  /** The folder of this backup. */
  readonly path: string
  /** Not in the backup: sockets, devices, links out of the folder, what vanished while it was read. */
  readonly left: Told
  /** Files that changed while they were read; what is stored of them may be of two moments. */
  readonly changed: Told
}

const NOTHING: Told = Object.freeze({ count: 0, names: [] })

/** What one kind of source gives. */
interface Content {
  readonly chunks: AsyncIterable<Uint8Array>
  checksums(): Uint8Array[]
  /** What is told of it when it has ended. */
  facts(): { files: number; mode?: number; tree?: FolderTally }
  end(): Promise<void>
}

export async function createBackup(
  services: KeyServices,
  rings: Keyrings,
  options: CreateBackupOptions,
): Promise<CreatedBackup> {
  const { compression = 'none', signal } = options
  const encrypt = options.encrypt !== false // nothing else that is no true switches it off
  assertBackupName(options.name)
  assertCompression(compression)
  const kind = kindOf(options.source)
  const now = services.clock.now()
  const identity: BackupIdentity = {
    id: newBackupId(now),
    name: options.name,
    kind,
    created: new Date(now).toISOString(),
    tool: await toolName(),
    compression,
  }
  const folder = resolve(options.to)
  await orFail(`make ${folder}`, mkdir(folder, { recursive: true, mode: 0o700 }))
  // Before anything is read: a key that is made now belongs into a backup of the key store.
  const seal = encrypt ? await sealFor(services, rings, options) : undefined
  const scratch = await newScratch(folder, 'keywright')
  try {
    const content = await contentOf(options, folder)
    try {
      await announce(services, identity, seal, options.reason)
      const written = await writeData(scratch.path, identity, content, seal, options)
      const path = join(folder, identity.id)
      const manifest = manifestOf(identity, { ...written, encrypted: encrypt, files: content.facts().files })
      await finish(scratch.path, path, manifest, signal)
      const { changed = NOTHING, left = NOTHING } = content.facts().tree ?? {}
      return { ...manifest, path, left, changed }
    } finally {
      await content.end()
    }
  } finally {
    await scratch.remove()
  }
}

function sealFor(
  services: KeyServices,
  rings: Keyrings,
  { keyType = BACKUPS_KEY_TYPE, signal, tenant }: CreateBackupOptions,
): Promise<Seal> {
  return newSeal(services, rings, { keyType, tenant, signal })
}

function kindOf(source: BackupSource): BackupKind {
  if ('folder' in source) return 'folder'
  return 'sqlite' in source ? 'sqlite' : 'stream'
}

async function announce(
  { audit }: KeyServices,
  { id, name, kind }: BackupIdentity,
  seal: Seal | undefined,
  reason: string | undefined,
): Promise<void> {
  await audit.append({
    event: 'backup.create',
    ...(seal === undefined ? {} : { keyring: seal.keyring }),
    ...(reason === undefined ? {} : { reason }),
    details: { id, name, kind, encrypted: seal !== undefined },
  })
}

async function contentOf({ signal, source }: CreateBackupOptions, backups: string): Promise<Content> {
  if ('folder' in source) return fromFolder(source.folder, backups, signal)
  if ('sqlite' in source) {
    const { mode, path, remove } = await snapshotOf(resolve(source.sqlite), { ...source, signal })
    const facts = { files: 1, mode }
    return { chunks: bytesOf(path, signal), checksums: () => [], facts: () => facts, end: remove }
  }
  const chunks = refusingNothing(source.stream, source.allowEmpty === true, signal)
  return { chunks, checksums: () => [], facts: () => ({ files: 1 }), end: async () => undefined }
}

async function fromFolder(path: string, backups: string, signal: AbortSignal | undefined): Promise<Content> {
  const root = await orFail(`read ${path}`, realpath(path))
  const inside = await realpath(backups)
  if (relative(inside, root) === '' || !relative(inside, root).startsWith('..')) {
    throw wrongArgument(
      'the folder to back up lies in the folder of backups',
      'name another one for the backups: --to',
    )
  }
  const { checksums, content, tally } = folderContent(root, inside, signal)
  const facts = () => ({ files: tally.files, tree: tally })
  return { chunks: content, checksums, facts, end: async () => undefined }
}

/** A dump that failed behind a pipe ends without a byte and without a word. */
async function* refusingNothing(
  stream: AsyncIterable<Uint8Array>,
  allowEmpty: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let isEmpty = true
  for await (const chunk of stream) {
    assertGoing(signal)
    assertBytes(chunk, 'chunk')
    isEmpty &&= chunk.length === 0
    yield chunk
  }
  if (isEmpty && !allowEmpty) {
    throw new KeywrightError('ERR_INPUT_INVALID', 'there was nothing to back up: the input is empty', {
      hint: 'did the program before it fail? if it may be empty, say so: --allow-empty',
    })
  }
}

async function writeData(
  folder: string,
  identity: BackupIdentity,
  content: Content,
  seal: Seal | undefined,
  { onProgress, signal }: CreateBackupOptions,
): Promise<Pick<BackupManifest, 'storedBytes' | 'sha256' | 'contentBytes'>> {
  const plain = new Tally()
  const stored = new Tally()
  const frames = encodeFrames({
    head: identityMembers(identity),
    content: compress(plain.over(content.chunks), identity.compression),
    checksums: content.checksums,
    tail: () => tailOf(plain, content),
  })
  const file = await orFail(
    'write the backup',
    open(join(folder, seal === undefined ? DATA_FILES.plain : DATA_FILES.encrypted), 'wx', 0o600),
  )
  try {
    for await (const chunk of stored.over(seal === undefined ? frames : seal.seal(frames))) {
      assertGoing(signal)
      await orFail('write the backup', file.writeFile(chunk))
      onProgress?.({ bytes: plain.bytes })
    }
    await orFail('write the backup', file.sync())
  } finally {
    await file.close()
  }
  return { storedBytes: stored.bytes, sha256: stored.digest(), contentBytes: plain.bytes }
}

/** What ends the stream, so that whoever restores knows that everything was there. */
function tailOf(plain: Tally, content: Content): object {
  const { files, mode, tree } = content.facts()
  return {
    contentBytes: plain.bytes,
    sha256: plain.digest(),
    files,
    ...(mode === undefined ? {} : { mode }),
    ...(tree === undefined ? {} : { left: tree.left, changed: tree.changed }),
  }
}

async function finish(
  from: string,
  to: string,
  manifest: BackupManifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`
  const path = join(from, MANIFEST_FILE)
  await orFail('write the manifest', writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true }))
  await orFail('write the backup', syncDirectory(from))
  assertGoing(signal)
  await orFail('name the backup', rename(from, to))
  await orFail('name the backup', syncDirectory(join(to, '..')))
}
