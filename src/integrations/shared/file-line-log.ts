/** A log of encrypted lines in a file: each is bound to its position and to the line before. */
import { createHash } from 'node:crypto'
import { fileAuditSink } from '../../audit/file-sink.ts'
import type { AuditHead, AuditLine, AuditSink, AuditWriter } from '../../audit/sink.ts'
import { CODECS } from '../../data/codecs.ts'
import type { Field } from '../../data/field.ts'
import { type ErrorCode, KeywrightError } from '../../errors.ts'
import { Batches } from './batches.ts'
import type { LineLog, LineLogOptions, LogEntry, LogHead, LogReport } from './line-log.ts'

/** What a line holds, so that with its position it stays below the 64 KiB that a file of lines takes. */
const MAX_TEXT_BYTES = 48_000
const LINE = /^([1-9][0-9]{0,15}) (kw1\.[\w-]+)$/
const NO_LINE = '0'.repeat(64)

/** What a changed line may end in: its key id and its spelling can be changed as well as its text. */
const CHANGED: ReadonlySet<ErrorCode> = new Set([
  'ERR_DECRYPTION_FAILED',
  'ERR_CIPHERTEXT_MALFORMED',
  'ERR_NOT_CIPHERTEXT',
  'ERR_KEY_UNKNOWN',
  'ERR_KEYRING_MISMATCH',
])

/** The field of a line behind the line with this hash. */
type FieldAfter = (previous: string) => Field<string>

export class FileLineLog implements LineLog {
  readonly #path: string
  readonly #fieldAfter: FieldAfter
  readonly #sink: AuditSink
  readonly #batches: Batches<readonly string[], LogHead>

  constructor(options: LineLogOptions, fieldAfter: FieldAfter) {
    const { path, lockTimeoutMs } = options
    this.#path = path
    this.#fieldAfter = fieldAfter
    this.#sink = fileAuditSink({ path, ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }) })
    this.#batches = new Batches((batch) => this.#write(batch))
  }

  async append(text: string | readonly string[]): Promise<LogHead> {
    const texts = Array.isArray(text) ? [...text] : [text]
    for (const one of texts) assertFits(one)
    return this.#batches.add(texts)
  }

  async *read(): AsyncGenerator<LogEntry> {
    let previous = NO_LINE
    let position = 0
    for await (const { bytes, torn } of this.#lines()) {
      if (torn) return
      const line = Buffer.from(bytes).toString()
      yield { position: ++position, text: await this.#open(line, position, previous) }
      previous = hashOf(line)
    }
  }

  async verify({ expected }: { readonly expected?: LogHead } = {}): Promise<LogReport> {
    const head = await this.#head() // before the lines: others may write meanwhile
    let end: LogHead = { position: 0, hash: NO_LINE }
    let torn = false
    const seen = new Map<number, string>([[0, NO_LINE]])
    const broken = (what: string): LogReport => ({
      ok: false,
      lines: end.position,
      torn,
      problem: { line: end.position + 1, what },
    })
    for await (const read of this.#lines()) {
      torn = read.torn
      if (torn) break
      const line = Buffer.from(read.bytes).toString()
      const failure = await this.#openFailure(line, end)
      if (failure !== undefined) return broken(failure)
      end = { position: end.position + 1, hash: hashOf(line) }
      if (end.position === head?.seq || end.position === expected?.position) seen.set(end.position, end.hash)
    }
    const what = await this.#compare(end, head, seen, expected)
    return what === undefined ? { ok: true, lines: end.position, torn } : broken(what)
  }

  /** What is wrong with the end of the log. */
  async #compare(
    end: LogHead,
    head: AuditHead | undefined,
    seen: ReadonlyMap<number, string>,
    expected: LogHead | undefined,
  ): Promise<string | undefined> {
    if (head === undefined && end.position > 0 && (await this.#head()) === undefined)
      return 'the head is missing'
    if (head !== undefined && head.seq > end.position) return 'the end was cut off'
    if (head !== undefined && head.seq > 0 && seen.get(head.seq) !== head.hash)
      return 'the last lines are not those of the head'
    if (expected !== undefined && seen.get(expected.position) !== expected.hash)
      return 'the log does not hold the line that was noted as expected'
    return undefined
  }

  async #openFailure(line: string, end: LogHead): Promise<string | undefined> {
    try {
      await this.#open(line, end.position + 1, end.hash)
      return undefined
    } catch (error) {
      if (!(error instanceof KeywrightError) || error.code !== 'ERR_AUDIT_TAMPERED') throw error
      return 'the line was changed, or lines before it were removed, moved or added'
    }
  }

  async #write(batch: readonly (readonly string[])[]): Promise<LogHead[]> {
    await this.#fieldAfter(NO_LINE).ready() // nobody waits for a provider with the lock in hand
    try {
      return await this.#sink.exclusive((writer) => this.#writeLocked(writer, batch))
    } catch (error) {
      throw this.#failed(error, 'write')
    }
  }

  async #writeLocked(writer: AuditWriter, batch: readonly (readonly string[])[]): Promise<LogHead[]> {
    let end = this.#endOf(writer)
    const lines: string[] = []
    const heads: LogHead[] = []
    for (const texts of batch) {
      for (const text of texts) {
        const position = end.position + 1
        const field = this.#fieldAfter(end.hash)
        const line = `${position} ${await field.encrypt(text, { row: String(position) })}`
        lines.push(line)
        end = { position, hash: hashOf(line) }
      }
      heads.push(end)
    }
    if (lines.length > 0) await writer.append(lines, { seq: end.position, hash: end.hash })
    return heads
  }

  /** Where the file ends. Nothing is added to one that was cut: that would hide it. */
  #endOf(writer: AuditWriter): LogHead {
    const last = writer.last === undefined ? undefined : Buffer.from(writer.last).toString()
    const position = last === undefined ? 0 : Number(LINE.exec(last)?.[1])
    if (!Number.isSafeInteger(position)) throw this.#tampered('its last line is none of such a log')
    const { head } = writer
    if (head === undefined || head.seq > position) throw this.#tampered('its end, or its head, was cut off')
    const end = { position, hash: last === undefined ? NO_LINE : hashOf(last) }
    if (head.seq === position && head.seq > 0 && head.hash !== end.hash)
      throw this.#tampered('its last line is not that of the head')
    return end
  }

  async #open(line: string, position: number, previous: string): Promise<string> {
    const [, written, ciphertext] = LINE.exec(line) ?? []
    if (ciphertext === undefined || Number(written) !== position)
      throw this.#tampered(`line ${position} is none, or stands in another place`)
    try {
      return await this.#fieldAfter(previous).decrypt(ciphertext, {
        row: String(position),
      })
    } catch (error) {
      if (!(error instanceof KeywrightError) || !CHANGED.has(error.code)) throw error
      throw this.#tampered(`line ${position} was changed, or lines before it were removed, moved or added`)
    }
  }

  async *#lines(): AsyncGenerator<AuditLine> {
    try {
      yield* this.#sink.read()
    } catch (error) {
      throw this.#failed(error, 'read')
    }
  }

  async #head(): Promise<AuditHead | undefined> {
    try {
      return await this.#sink.head()
    } catch (error) {
      throw this.#failed(error, 'read')
    }
  }

  #tampered(what: string): KeywrightError {
    return new KeywrightError('ERR_AUDIT_TAMPERED', `the log ${this.#path}: ${what}`, {
      hint: 'keep the file and its .head as evidence, and move them away to begin a new log',
    })
  }

  #failed(error: unknown, verb: 'read' | 'write'): unknown {
    if (error instanceof KeywrightError) return error
    const { code = '' } = error as NodeJS.ErrnoException
    const full = code === 'ENOSPC' || code === 'EDQUOT'
    const which = full ? 'ERR_DISK_FULL' : verb === 'read' ? 'ERR_FILE_UNREADABLE' : 'ERR_OUTPUT_FAILED'
    return new KeywrightError(which, `cannot ${verb} the log ${this.#path} (${code || 'unknown'})`, {
      hint: full
        ? 'make room on the disk'
        : 'name a file in the option "path" that this process may read and write',
      cause: error,
    })
  }
}

/** One that is wrong is refused before it stands in a batch with those of others. */
function assertFits(text: unknown): void {
  CODECS.string.encode(text as string)
  const bytes = Buffer.byteLength(text as string)
  if (bytes <= MAX_TEXT_BYTES) return
  throw new KeywrightError(
    'ERR_VALUE_TOO_LARGE',
    `a line has ${bytes} bytes, at most ${MAX_TEXT_BYTES} fit`,
    {
      hint: 'cut it into several lines',
      details: { bytes, limit: MAX_TEXT_BYTES },
    },
  )
}

const hashOf = (line: string): string => createHash('sha256').update(line).digest('hex')
