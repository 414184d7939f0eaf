/**
 * Reading, making and replacing a key file on disk. What stands in it is the business of master-keyset.ts.
 */
import { constants } from 'node:fs'
import { chown, lstat, mkdir, open, readdir, realpath, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { KeywrightError, replaceFile, withFileLock } from '../../src/provider.ts'
import { assertNotAborted } from './call.ts'
import { deriveSealingKey, type KdfOptions, newKdf } from './kdf.ts'
import { createMasterKeyset, formatKeyFile } from './master-keyset.ts'
import { type HeldRootSecret, holdRootSecret, type RootSecret } from './root-secret.ts'

/** The content of a key file and what the file system says of it. */
export interface RawKeyFile {
  /** One character per byte. */
  readonly text: string
  /** Changes whenever the file was written or replaced. */
  readonly stamp: string
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export interface CreateKeyFileOptions {
  readonly path: string
  /** Seals the file. Without it the master key lies in clear, for development. */
  readonly rootSecret?: RootSecret
  /** Refuses to make an unsealed file. @default false */
  readonly production?: boolean
  /** Cost of the key derivation when the root secret is a password. */
  readonly kdf?: KdfOptions
  /** How long to wait for another process, in milliseconds. @default 10_000 */
  readonly lockTimeoutMs?: number
  readonly signal?: AbortSignal
}

export interface CreatedKeyFile {
  readonly masterKeyId: string
  readonly masterKeyVersion: string
  readonly sealed: boolean
}

/** Room for thousands of versions. */
const MOST_BYTES = 1_000_000
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** How wraps name a key file. */
export function masterKeyIdOf(keyFileId: string): string {
  return `keyfile:${keyFileId}`
}

/**
 * Reads the file at once, so that text and stamp belong together.
 *
 * @throws KeywrightError ERR_KEY_FILE_MISSING, ERR_KEY_FILE_UNREADABLE, ERR_KEY_FILE_CORRUPT (far too long).
 */
export async function readKeyFile(path: string): Promise<RawKeyFile> {
  try {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = await file.stat({ bigint: true })
      if (!stats.isFile()) throw unreadable(path, 'not a regular file')
      if (stats.size > MOST_BYTES) {
        throw new KeywrightError('ERR_KEY_FILE_CORRUPT', `not a key file, it is too long: ${path}`, {
          hint: 'check the path of the key file, or restore it from a backup',
        })
      }
      const text = (await file.readFile()).toString('latin1')
      const mode = Number(stats.mode) & 0o777
      return { gid: Number(stats.gid), mode, stamp: toStamp(stats), text, uid: Number(stats.uid) }
    } finally {
      await file.close()
    }
  } catch (error) {
    throw toReadError(path, error)
  }
}

/** The stamp of the file as it is now. Throws like {@link readKeyFile}. */
export async function keyFileStamp(path: string): Promise<string> {
  try {
    return toStamp(await stat(path, { bigint: true }))
  } catch (error) {
    throw toReadError(path, error)
  }
}

/**
 * Makes a key file with one new master key, and its folder where that is missing (mode 0700). Durable when it
 * resolves.
 *
 * @throws KeywrightError ERR_KEY_FILE_EXISTS (whatever is there is left untouched), ERR_ROOT_SECRET_MISSING
 * (production without a root secret), ERR_ROOT_SECRET_INVALID, ERR_ARGUMENT_INVALID (kdf), ERR_ABORTED,
 * ERR_FILE_LOCKED, ERR_PROVIDER_FAILED (cannot be written).
 */
export async function createKeyFile(options: CreateKeyFileOptions): Promise<CreatedKeyFile> {
  const { rootSecret } = options
  return makeKeyFile(options, rootSecret === undefined ? undefined : holdRootSecret(rootSecret))
}

/** {@link createKeyFile} with a root secret that is held already. */
export async function makeKeyFile(
  options: Omit<CreateKeyFileOptions, 'rootSecret'>,
  root: HeldRootSecret | undefined,
): Promise<CreatedKeyFile> {
  const { path, production = false, signal } = options
  if (production && root === undefined) throw rootSecretMissing('a new key file has to be sealed')
  assertNotAborted(signal)
  await assertFree(path)
  const seal = root === undefined ? undefined : await newSeal(root, options.kdf)
  const keyset = createMasterKeyset(Date.now())
  const write = async (): Promise<void> => {
    await replaceFile(path, formatKeyFile(keyset, seal), { exclusive: true, mode: FILE_MODE })
  }
  try {
    await makeFolder(dirname(path))
    await withFileLock(path, write, lockOptions(options.lockTimeoutMs, signal))
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException // mkdir says EEXIST for a file in place of a folder
    throw code === 'EEXIST' && syscall === 'link' ? exists(path) : toWriteError(path, error, signal)
  }
  return { masterKeyId: masterKeyIdOf(keyset.id), masterKeyVersion: '1', sealed: seal !== undefined }
}

/**
 * Replaces the key file by what `next` makes of it, while no other process does the same. Mode and (where the
 * system lets us) owner stay as they were: the programs that could read it still can. The file behind a
 * symbolic link is replaced, not the link.
 *
 * @throws KeywrightError ERR_KEY_FILE_MISSING, ERR_KEY_FILE_UNREADABLE, ERR_ABORTED, ERR_FILE_LOCKED,
 * ERR_PROVIDER_FAILED (cannot be written), and whatever `next` throws.
 */
export async function replaceKeyFile(
  path: string,
  next: () => Promise<{ before: RawKeyFile; text: string }>,
  options: { lockTimeoutMs?: number | undefined; signal?: AbortSignal | undefined },
): Promise<void> {
  const { signal } = options
  const target = await realpath(path).catch((error: unknown) => {
    throw toReadError(path, error)
  })
  const replace = async (): Promise<void> => {
    const { before, text } = await next()
    assertNotAborted(signal)
    await removeLeftovers(target)
    await replaceFile(target, text, { mode: before.mode })
    const written = await stat(target)
    if (written.uid === before.uid && written.gid === before.gid) return
    await chown(target, before.uid, before.gid).catch(() => undefined) // only root may give a file away
  }
  try {
    await withFileLock(target, replace, lockOptions(options.lockTimeoutMs, signal))
  } catch (error) {
    throw toWriteError(path, error, signal)
  }
}

/** ERR_ROOT_SECRET_MISSING, with the ways to give one. */
export function rootSecretMissing(why: string): KeywrightError {
  return new KeywrightError('ERR_ROOT_SECRET_MISSING', `no root secret is configured: ${why}`, {
    hint: 'set ENCRYPTION_MASTER_KEY, ENCRYPTION_MASTER_KEY_FILE or ENCRYPTION_MASTER_PASSWORD; make a key with: openssl rand -base64 32',
  })
}

async function newSeal(root: HeldRootSecret, options: KdfOptions | undefined) {
  const kdf = newKdf(root.kind, options)
  return { kdf, key: await deriveSealingKey(root, kdf) }
}

/** Fails early, before a folder or a lock is made. Two at once are told apart by the exclusive link. */
async function assertFree(path: string): Promise<void> {
  const there = await lstat(path).then(
    () => true,
    () => false,
  )
  if (there) throw exists(path)
}

/** A folder that was just made is durable only when the folder above it is synced. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { mode: FOLDER_MODE, recursive: true })
  if (first === undefined) return
  const top = dirname(resolve(first))
  let above = resolve(path)
  while (above !== top) {
    above = dirname(above)
    const folder = await open(above, 'r')
    await folder.sync().finally(() => folder.close())
  }
}

/**
 * Removes what a process left that was killed while it wrote: it holds master keys too. All writers hold the
 * lock, so whatever has the name of a temporary file of `replaceFile` now is nobody's.
 */
async function removeLeftovers(path: string): Promise<void> {
  const start = `.${basename(path)}.`
  const names = await readdir(dirname(path))
  const left = names.filter(
    (name) => name.startsWith(start) && /^[0-9a-f]{12}\.tmp$/.test(name.slice(start.length)),
  )
  for (const name of left) await unlink(join(dirname(path), name))
}

function lockOptions(timeoutMs: number | undefined, signal: AbortSignal | undefined) {
  return { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) }
}

function toStamp(stats: {
  dev: bigint
  ino: bigint
  size: bigint
  mtimeNs: bigint
  ctimeNs: bigint
}): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':')
}

function exists(path: string): KeywrightError {
  return new KeywrightError('ERR_KEY_FILE_EXISTS', `there is a file already: ${path}`, {
    hint: 'nothing was changed; use the file as it is, or move it away if no data was encrypted under it',
  })
}

function toReadError(path: string, error: unknown): unknown {
  if (error instanceof KeywrightError) return error
  const { code = 'unknown error' } = error as NodeJS.ErrnoException
  if (code !== 'ENOENT') return unreadable(path, code, error)
  return new KeywrightError('ERR_KEY_FILE_MISSING', `there is no key file: ${path}`, {
    cause: error,
    hint: 'restore it from a backup or check the path; only for a new installation make one with: keywright init',
  })
}

function unreadable(path: string, why: string, cause?: unknown): KeywrightError {
  return new KeywrightError('ERR_KEY_FILE_UNREADABLE', `cannot read the key file (${why}): ${path}`, {
    cause,
    hint: 'check the path, and that the user who runs this may read the file and enter its folders',
  })
}

function toWriteError(path: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof KeywrightError) return error
  assertNotAborted(signal) // the lock throws the signal's reason, which may be anything
  const { code = 'unknown error' } = error as NodeJS.ErrnoException
  return new KeywrightError('ERR_PROVIDER_FAILED', `cannot write the key file (${code}): ${path}`, {
    cause: error,
    hint: 'check that its folder exists, has space and may be written by the user who runs this',
  })
}
