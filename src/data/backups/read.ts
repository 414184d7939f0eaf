/**
 * Reading a backup from its first byte to its last. What is released is authenticated, segment by segment; that it is
 * the backup that its manifest names, and all of it, is known when this has ended without an error.
 */
import { createReadStream } from 'node:fs'
import { KeywrightError } from '../../errors.ts'
import { assertCompression, decompress } from './compression.ts'
import { assertGoing, damaged, fileFailure } from './failures.ts'
import type { FoundBackup } from './folder.ts'
import { decodeFrames, type Frame, MAGIC } from './frames.ts'
import {
  type BackupIdentity,
  type BackupManifest,
  identityMembers,
  isCount,
  parseObject,
  readIdentity,
} from './manifest.ts'
import { type Opener, unseal } from './sealed.ts'
import { Tally } from './tally.ts'

const READ_BYTES = 262_144
const SHA256_BYTES = 32

export interface ReadOptions {
  readonly opener: Opener
  /** Take a backup that is not encrypted. Anybody may have written it. @default false */
  readonly allowUnencrypted?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes of the data file so far. */
  readonly onProgress?: ((progress: { readonly bytes: number }) => void) | undefined
}

/** What a backup turned out to be. */
export interface VerifiedBackup extends BackupIdentity {
  readonly encrypted: boolean
  readonly storedBytes: number
  readonly contentBytes: number
  readonly files: number
}

/** Takes the content, and tells the SHA-256 of each file in it; resolves when it has read all. */
export type TakeContent = (
  content: AsyncIterable<Uint8Array>,
  identity: BackupIdentity,
  hashed: (sha256: Buffer) => void,
) => Promise<void>

/** What the tail of a stream says. */
export interface BackupTail {
  readonly contentBytes: number
  readonly sha256: string
  readonly files: number
  /** Permission bits of a database. */
  readonly mode: number | undefined
}

export interface ReadBackup extends VerifiedBackup {
  readonly mode: number | undefined
}

/**
 * Gives the content to `take` and checks everything. Throws ERR_BACKUP_DAMAGED, ERR_ARGUMENT_INVALID for one that is
 * not encrypted, ERR_ABORTED, and what finding its key throws.
 */
export async function readBackup(
  { data, manifest }: FoundBackup,
  options: ReadOptions,
  take: TakeContent,
): Promise<ReadBackup> {
  const stored = new Tally()
  const bytes = stored.over(fileBytes(data, options, () => stored.bytes))
  const { encrypted, chunks } = await opened(bytes, options)
  const stream = new BackupStream(decodeFrames(chunks))
  const identity = await stream.head()
  if (manifest !== undefined) assertSame(manifest, identity, encrypted)
  assertCompression(identity.compression)
  const content = new Tally()
  const checksums = new Checksums()
  const inner = content.over(decompress(stream.content(checksums), identity.compression))
  await take(inner, identity, (sha256) => checksums.got(sha256))
  for await (const _ of inner); // what is behind the content is checked, too
  const tail = stream.tail
  checksums.end()
  if (content.bytes !== tail.contentBytes || content.digest() !== tail.sha256)
    throw damaged('its content is not what was backed up')
  const { contentBytes, files, mode } = tail
  const found = { ...identity, encrypted, storedBytes: stored.bytes, contentBytes, files, mode }
  if (manifest !== undefined) assertFigures(manifest, found, stored.digest())
  return found
}

async function* fileBytes(
  path: string,
  { onProgress, signal }: ReadOptions,
  count: () => number,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
      assertGoing(signal)
      yield chunk as Buffer
      onProgress?.({ bytes: count() })
    }
  } catch (error) {
    throw fileFailure('read the backup', error)
  }
}

/** By what stands at its beginning, not by what its manifest says: that could be made to say it is not encrypted. */
async function opened(
  bytes: AsyncGenerator<Uint8Array>,
  { allowUnencrypted, opener, signal }: ReadOptions,
): Promise<{ encrypted: boolean; chunks: AsyncIterable<Uint8Array> }> {
  const first = await bytes.next()
  const start = first.done === true ? new Uint8Array(0) : first.value
  const chunks = withStart(start, bytes)
  if (!Buffer.from(start.subarray(0, MAGIC.length)).equals(MAGIC))
    return { encrypted: true, chunks: unseal(chunks, opener, signal) }
  if (allowUnencrypted === true) return { encrypted: false, chunks }
  await bytes.return(undefined)
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'the backup is not encrypted: anybody may have written it',
    {
      hint: 'if you know where it comes from: --allow-unencrypted',
    },
  )
}

async function* withStart(start: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start
  yield* rest
}

/** The frames of a stream in the order in which they must come. */
class BackupStream {
  readonly #frames: AsyncGenerator<Frame>
  #tail: BackupTail | undefined

  constructor(frames: AsyncGenerator<Frame>) {
    this.#frames = frames
  }

  async head(): Promise<BackupIdentity> {
    const { done, value } = await this.#frames.next()
    if (done === true || value.type !== 'H') throw damaged('it does not begin with what it is')
    return readIdentity(parseObject(value.bytes.toString('utf8')), 'its head')
  }

  async *content(checksums: Checksums): AsyncGenerator<Uint8Array> {
    for await (const { type, bytes } of this.#frames) {
      if (this.#tail !== undefined || type === 'H') throw damaged('its parts are in a wrong order')
      if (type === 'D') yield bytes
      else if (type === 'C') checksums.expect(bytes)
      else this.#tail = parseTail(bytes)
    }
  }

  /** Once the content has ended. Throws ERR_BACKUP_DAMAGED when it was cut. */
  get tail(): BackupTail {
    if (this.#tail === undefined) throw damaged('its end is missing')
    return this.#tail
  }
}

function parseTail(bytes: Buffer): BackupTail {
  const { contentBytes, files, mode, sha256 } = parseObject(bytes.toString('utf8'))
  const isWhole = isCount(contentBytes) && isCount(files) && typeof sha256 === 'string'
  if (!isWhole || !(mode === undefined || isCount(mode))) throw damaged('its end is not whole')
  return { contentBytes, files, sha256, mode: mode === undefined ? undefined : mode & 0o777 }
}

/** Checksums as the stream tells them, against those of the files as they were read; both come in the same order. */
class Checksums {
  readonly #expected: Buffer[] = []
  readonly #got: Buffer[] = []

  expect(bytes: Buffer): void {
    if (bytes.length % SHA256_BYTES !== 0) throw damaged('its checksums are not whole')
    for (let at = 0; at < bytes.length; at += SHA256_BYTES)
      this.#expected.push(Buffer.from(bytes.subarray(at, at + SHA256_BYTES)))
    this.#compare()
  }

  got(sha256: Buffer): void {
    this.#got.push(sha256)
    this.#compare()
  }

  /** Throws ERR_BACKUP_DAMAGED when one has no counterpart. */
  end(): void {
    if (this.#expected.length + this.#got.length > 0) throw damaged('it lacks checksums, or files')
  }

  #compare(): void {
    const both = Math.min(this.#expected.length, this.#got.length)
    const expected = this.#expected.splice(0, both)
    const got = this.#got.splice(0, both)
    if (expected.some((one, at) => !one.equals(got[at] ?? Buffer.alloc(0))))
      throw damaged('a file in it is not what was backed up')
  }
}

function assertSame(manifest: BackupManifest, identity: BackupIdentity, encrypted: boolean): void {
  const told = identityMembers(manifest)
  const isSame = Object.entries(identityMembers(identity)).every(([name, value]) => told[name] === value)
  if (isSame && manifest.encrypted === encrypted) return
  throw damaged(
    'its data are those of another backup than its manifest says',
    'do not trust who could write there',
  )
}

function assertFigures(manifest: BackupManifest, found: VerifiedBackup, sha256: string): void {
  const isSame =
    manifest.sha256 === sha256 &&
    manifest.storedBytes === found.storedBytes &&
    manifest.contentBytes === found.contentBytes &&
    manifest.files === found.files
  if (!isSame)
    throw damaged('its manifest tells other figures than it has', 'do not trust who could write there')
}
