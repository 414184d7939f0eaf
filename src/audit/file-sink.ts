/**
 * The audit log in a JSON Lines file, shared by any number of processes of one machine.
 *
 *   <path>        the log, mode 0600: one record per line (chain.ts)
 *   <path>.head   {"hash":…,"seq":…,"v":1} of the last record: finds a cut end
 *   <path>.lock   empty; keeps writers apart (files/atomic.ts)
 *
 * Order of every append: lines, sync, head. So after a crash the head may be behind the log, never ahead of it.
 * The head is made before the first line is, so lines without a head lost it. An unfinished last line was never
 * acknowledged; the next append removes it.
 */
import type { BigIntStats } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { KeywrightError } from '../errors.ts'
import { replaceFile, syncDirectory, withFileLock } from '../files/atomic.ts'
import { canonicalJson, NO_HASH } from './chain.ts'
import { copyRange, offsetAfter, readLines, readTail, type Tail, writeAt } from './file-lines.ts'
import type { AuditHead, AuditLine, AuditSink, AuditWriter } from './sink.ts'

const MODE = 0o600
const FOLDER_MODE = 0o700
const HEAD = /^\{"hash":"([0-9a-f]{64})","seq":(0|[1-9][0-9]{0,15}),"v":1\}\n$/

export interface FileAuditSinkOptions {
  /** The log's path; its folder is made (mode 0700) when it is missing. */
  readonly path: string
  /** How long to wait for other writers, in milliseconds. @default 30_000 */
  readonly lockTimeoutMs?: number
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

const headPath = (path: string): string => `${path}.head`

async function readHead(path: string): Promise<AuditHead | undefined> {
  let text: string
  try {
    text = await readFile(headPath(path), 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  const [, hash, seq] = HEAD.exec(text) ?? []
  if (hash !== undefined && Number.isSafeInteger(Number(seq))) return { seq: Number(seq), hash }
  throw new KeywrightError(
    'ERR_AUDIT_TAMPERED',
    `the head of the audit log is malformed: ${headPath(path)}`,
    {
      hint: 'verify the log, keep both files as evidence, and move them away to begin a new log',
    },
  )
}

async function writeHead(path: string, head: AuditHead): Promise<void> {
  const text = canonicalJson({ v: 1, seq: head.seq, hash: head.hash })
  await replaceFile(headPath(path), `${text}\n`, { mode: MODE, locked: true })
}

/** The tail as this process knows it, and by what it recognises that nobody else wrote since. */
interface KnownTail {
  readonly tail: Tail
  readonly stats: BigIntStats
}

function isUnchanged(known: KnownTail | undefined, stats: BigIntStats): known is KnownTail {
  return (
    known !== undefined &&
    known.stats.dev === stats.dev &&
    known.stats.ino === stats.ino &&
    known.stats.size === stats.size &&
    known.stats.mtimeNs === stats.mtimeNs
  )
}

/** Makes a folder with those above it, and their names durable: a log is no good in a folder that is lost. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  if (first === undefined) return
  for (let made = folder; made.startsWith(first); made = dirname(made)) await syncDirectory(dirname(made))
}

/** Opens the log for writing; makes it when it is missing. */
async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  const file = await open(path, 'wx+', MODE)
  await file.chmod(MODE) // the umask may have narrowed what we asked for
  await syncDirectory(dirname(path))
  return file
}

/** The head, which is made before the first line is: lines without a head then mean that it was removed. */
async function headOfLog(path: string, tail: Tail): Promise<AuditHead | undefined> {
  const head = await readHead(path)
  if (head !== undefined || tail.end > 0) return head
  const first = { seq: 0, hash: NO_HASH }
  await writeHead(path, first)
  return first
}

function failed(message: string): KeywrightError {
  return new KeywrightError('ERR_AUDIT_FAILED', message, { hint: 'name a file that nothing else writes to' })
}

function assertFile(path: string, stats: BigIntStats): void {
  if (!stats.isFile()) throw failed(`the audit log is not a regular file: ${path}`)
}

class FileWriter implements AuditWriter {
  readonly #path: string
  #file: FileHandle
  #known: KnownTail
  #head: AuditHead | undefined

  constructor(path: string, file: FileHandle, known: KnownTail, head: AuditHead | undefined) {
    this.#path = path
    this.#file = file
    this.#known = known
    this.#head = head
  }

  get last(): Uint8Array | undefined {
    return this.#known.tail.last
  }

  get torn(): number {
    return this.#known.tail.torn
  }

  get head(): AuditHead | undefined {
    return this.#head
  }

  get known(): KnownTail {
    return this.#known
  }

  async append(lines: readonly string[], head: AuditHead): Promise<void> {
    const { end, torn } = this.#known.tail
    const data = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'utf8')
    try {
      if (torn > 0) await this.#file.truncate(end)
      await writeAt(this.#file, data, end)
      await this.#file.datasync()
    } catch (error) {
      // What was written is not acknowledged. Should this fail too, the next append sees an unfinished line.
      await this.#file.truncate(end).catch(() => undefined)
      throw error
    }
    await this.#remember({ end: end + data.length, last: Buffer.from(lines.at(-1) ?? ''), torn: 0 })
    await writeHead(this.#path, head)
    this.#head = head
  }

  async dropStart(count: number, line: string): Promise<void> {
    const { end, last } = this.#known.tail
    const start = await offsetAfter(this.#file, count, end)
    if (start === undefined) throw failed(`the audit log has fewer than ${count} lines`)
    const first = Buffer.from(`${line}\n`, 'utf8')
    const temporary = `${this.#path}.prune.tmp` // one name under the lock: what a crash left is written over
    const file = await open(temporary, 'w+', MODE)
    try {
      await file.chmod(MODE)
      await writeAt(file, first, 0)
      await copyRange(this.#file, { start, end }, file, first.length)
      await file.sync()
      await rename(temporary, this.#path)
    } catch (error) {
      await file.close()
      await unlink(temporary).catch(() => undefined)
      throw error
    }
    const old = this.#file
    this.#file = file
    await old.close()
    await syncDirectory(dirname(this.#path))
    const tail = { end: first.length + end - start, last: start === end ? Buffer.from(line) : last, torn: 0 }
    await this.#remember(tail)
  }

  async #remember(tail: Tail): Promise<void> {
    this.#known = { tail, stats: await this.#file.stat({ bigint: true }) }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

class FileAuditSink implements AuditSink {
  readonly #path: string
  readonly #timeoutMs: number
  #known: KnownTail | undefined

  constructor(options: FileAuditSinkOptions) {
    this.#path = resolve(options.path)
    this.#timeoutMs = options.lockTimeoutMs ?? 30_000
  }

  async exclusive<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T> {
    await makeFolder(dirname(this.#path))
    return withFileLock(this.#path, () => this.#write(critical), { timeoutMs: this.#timeoutMs })
  }

  async #write<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T> {
    const file = await openForWriting(this.#path)
    let writer: FileWriter
    try {
      const stats = await file.stat({ bigint: true })
      assertFile(this.#path, stats)
      const known = isUnchanged(this.#known, stats)
        ? this.#known
        : { tail: await readTail(file, Number(stats.size)), stats }
      writer = new FileWriter(this.#path, file, known, await headOfLog(this.#path, known.tail))
    } catch (error) {
      await file.close()
      throw error
    }
    this.#known = undefined // after a failure nothing is known
    try {
      const result = await critical(writer)
      this.#known = writer.known
      return result
    } finally {
      await writer.close()
    }
  }

  async *read(): AsyncGenerator<AuditLine> {
    let file: FileHandle
    try {
      file = await open(this.#path, 'r')
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    try {
      const { size } = await file.stat()
      const { end, torn } = await readTail(file, size)
      let line = 0
      for await (const bytes of readLines(file, end)) {
        line += 1
        yield { line, bytes, torn: false }
      }
      if (torn > 0) yield { line: line + 1, bytes: Buffer.alloc(0), torn: true }
    } finally {
      await file.close()
    }
  }

  head(): Promise<AuditHead | undefined> {
    return readHead(this.#path)
  }
}

/** An audit log in the file `path`. Errors are those of node:fs; AuditLog gives them a code. */
export function fileAuditSink(options: FileAuditSinkOptions): AuditSink {
  return new FileAuditSink(options)
}
