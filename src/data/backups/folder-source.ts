/**
 * A folder as a tar archive (POSIX pax), in one pass: each file is hashed while it is read. A file that grows is
 * taken up to the length it had when it was opened; one that shrinks cannot be stored and ends the backup.
 */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, opendir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type Header, type Pack, pack } from 'tar-stream'
import { KeywrightError } from '../../errors.ts'
import { assertGoing, fileFailure, orFail, systemCode } from './failures.ts'
import { feed } from './tar-feed.ts'
import { staysInside } from './tree-names.ts'

const READ_BYTES = 262_144
/** So many names are told; the rest is counted. */
const MAX_TOLD = 50
/** The list is a part of the stream, which has bounds. */
const MAX_TOLD_NAME = 200

/** What was found in a folder, and what is not in its backup. Names are relative to the folder. */
export interface FolderTally {
  files: number
  folders: number
  links: number
  /** Sockets, pipes, devices; links that leave the folder; files that vanished while it was read. */
  readonly left: Told
  /** Changed while they were read: what is stored may be of two moments. */
  readonly changed: Told
}

export interface Told {
  count: number
  /** The first of them. */
  readonly names: string[]
}

const newTold = (): Told => ({ count: 0, names: [] })

function tell(told: Told, name: string): void {
  told.count++
  if (told.names.length < MAX_TOLD) told.names.push(name.slice(0, MAX_TOLD_NAME))
}

export interface FolderContent {
  readonly content: AsyncIterable<Uint8Array>
  readonly tally: FolderTally
  /** SHA-256 of the files that were read since the last call. */
  checksums(): Uint8Array[]
}

/** The archive of the folder at `root`. Throws while it is read. `skip`: a path that is left out with all below. */
export function folderContent(root: string, skip: string, signal: AbortSignal | undefined): FolderContent {
  const tally: FolderTally = { files: 0, folders: 0, links: 0, left: newTold(), changed: newTold() }
  const archive = pack()
  const walk = new Walk(root, skip, archive, tally, signal)
  return {
    tally,
    checksums: () => walk.hashes.splice(0),
    content: streamed(archive, () => walk.run()),
  }
}

/** Fills the archive while it is read; a failure on either side ends both. */
async function* streamed(archive: Pack, fill: () => Promise<void>): AsyncGenerator<Uint8Array> {
  let failure: unknown
  const filled = fill().then(
    () => archive.finalize(),
    (error: unknown) => {
      failure = error
      archive.destroy(error as Error)
    },
  )
  try {
    yield* archive as AsyncIterable<Uint8Array>
  } catch (error) {
    throw failure ?? error
  } finally {
    archive.destroy()
    await filled
  }
}

class Walk {
  readonly hashes: Uint8Array[] = []
  readonly #root: string
  readonly #skip: string
  readonly #archive: Pack
  readonly #tally: FolderTally
  readonly #signal: AbortSignal | undefined

  constructor(
    root: string,
    skip: string,
    archive: Pack,
    tally: FolderTally,
    signal: AbortSignal | undefined,
  ) {
    this.#root = root
    this.#skip = skip
    this.#archive = archive
    this.#tally = tally
    this.#signal = signal
  }

  async run(): Promise<void> {
    const stats = await orFail(`read ${this.#root}`, lstat(this.#root))
    await this.#entry('.', stats, 'directory')
    await this.#children('')
  }

  async #children(folder: string): Promise<void> {
    const names = await this.#namesIn(folder)
    if (names === undefined) return tell(this.#tally.left, folder)
    for (const one of names) {
      const name = folder === '' ? one : `${folder}/${one}`
      assertGoing(this.#signal)
      await this.#one(name)
    }
  }

  /** Sorted, so that two backups of one tree are alike. Undefined when the folder has vanished. */
  async #namesIn(folder: string): Promise<string[] | undefined> {
    const names: Buffer[] = []
    try {
      const encoding = 'buffer' as BufferEncoding // the types do not know it here
      for await (const { name } of await opendir(join(this.#root, folder), { encoding }))
        names.push(name as unknown as Buffer)
    } catch (error) {
      if (systemCode(error) === 'ENOENT' && folder !== '') return undefined
      throw fileFailure('read a folder', error)
    }
    if (!names.every((name) => isUtf8(name))) throw strangeName()
    return names.map((name) => name.toString('utf8')).sort()
  }

  async #one(name: string): Promise<void> {
    const path = join(this.#root, name)
    if (path === this.#skip) return
    const stats = await unlessGone(lstat(path))
    if (stats === undefined) return tell(this.#tally.left, name)
    if (stats.isDirectory()) {
      this.#tally.folders++
      await this.#entry(name, stats, 'directory')
      return this.#children(name)
    }
    if (stats.isSymbolicLink()) return this.#link(name, stats)
    if (stats.isFile()) return this.#file(name)
    tell(this.#tally.left, name)
  }

  async #link(name: string, stats: Stats): Promise<void> {
    const target = await unlessGone(readlink(join(this.#root, name), 'buffer'))
    if (target !== undefined && !isUtf8(target)) throw strangeName()
    const linkname = target?.toString('utf8')
    if (linkname === undefined || !staysInside(name, linkname)) return tell(this.#tally.left, name)
    this.#tally.links++
    await this.#entry(name, stats, 'symlink', linkname)
  }

  async #file(name: string): Promise<void> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await unlessGone(open(join(this.#root, name), flags))
    if (file === undefined) return tell(this.#tally.left, name)
    try {
      const before = await file.stat()
      if (!before.isFile()) return tell(this.#tally.left, name) // it was replaced by a pipe meanwhile
      await this.#contentOf(file, name, before)
      const after = await file.stat()
      if (after.mtimeMs !== before.mtimeMs || after.size !== before.size) tell(this.#tally.changed, name)
      this.#tally.files++
    } finally {
      await file.close()
    }
  }

  async #contentOf(file: FileHandle, name: string, stats: Stats): Promise<void> {
    const hash = createHash('sha256')
    const done = Promise.withResolvers<void>()
    const entry = this.#archive.entry({ ...headersOf(name, stats, 'file'), size: stats.size }, (error) =>
      error ? done.reject(error) : done.resolve(),
    )
    done.promise.catch(() => undefined)
    entry.on('error', () => undefined) // when the archive is given up; whoever gave it up knows why
    for (let at = 0; at < stats.size; ) {
      assertGoing(this.#signal)
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, stats.size - at))
      const { bytesRead } = await orFail('read a file', file.read(buffer, 0, buffer.length, at))
      if (bytesRead === 0) throw shrunk()
      const chunk = buffer.subarray(0, bytesRead)
      hash.update(chunk)
      await feed(entry, chunk)
      at += bytesRead
    }
    entry.end(null)
    await done.promise
    this.hashes.push(hash.digest())
  }

  async #entry(name: string, stats: Stats, type: 'directory' | 'symlink', linkname?: string): Promise<void> {
    const headers = { ...headersOf(name, stats, type), ...(linkname === undefined ? {} : { linkname }) }
    await new Promise<void>((resolve, reject) => {
      this.#archive.entry(headers, (error) => (error ? reject(error) : resolve()))
    })
  }
}

/** What is said of an entry; the size is that of a file only. */
type EntryHeader = Partial<Header> & Pick<Header, 'name'>

/** What the fields of a tar header hold: tar-stream cuts off what is more. */
const MAX_ID = 0o777777
const MAX_SECONDS = 2 ** 31 - 1

/** The mode is given with its type, or tar-stream would take 0 for none. Large numbers go into pax records. */
function headersOf(name: string, { mode, uid, gid, mtimeMs }: Stats, type: Header['type']): EntryHeader {
  const seconds = Math.floor(mtimeMs / 1000)
  const fits = uid <= MAX_ID && gid <= MAX_ID && seconds >= 0 && seconds <= MAX_SECONDS
  const mtime = new Date(Math.min(Math.max(seconds, 0), MAX_SECONDS) * 1000)
  const headers = { name, mode, uid: Math.min(uid, MAX_ID), gid: Math.min(gid, MAX_ID), mtime, type }
  return fits ? headers : Object.assign(headers, { pax: { uid, gid, mtime: seconds } })
}

/** Undefined for what has vanished since its folder was listed. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes(systemCode(error))) return undefined
    throw fileFailure('read a file of the folder', error)
  }
}

const strangeName = (): KeywrightError =>
  new KeywrightError('ERR_FILE_UNREADABLE', 'the folder has a name that is not UTF-8', {
    hint: 'rename it, or pack the folder yourself: keywright backup create --name NAME -- tar -cf - FOLDER',
  })

const shrunk = (): KeywrightError =>
  new KeywrightError('ERR_FILE_CHANGED', 'a file became shorter while it was read', {
    hint: 'stop what writes there, or back up a snapshot; for a database use --sqlite or its own dump',
  })
