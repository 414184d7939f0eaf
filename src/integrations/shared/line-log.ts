/** What a log of lines is, for whoever writes and reads one. */

export interface LogOptions {
  /** The log's name: what its lines are bound to. */
  readonly log: string
  /** @default 'audit_logs' */
  readonly keyType?: string
  readonly tenant?: string
}

export interface LineLogOptions extends LogOptions {
  /** The file; its folder is made when it is missing. */
  readonly path: string
  /** How long to wait for other writers, in ms. @default 30_000 */
  readonly lockTimeoutMs?: number
}

/** Where a log ends. Note it elsewhere to find out later that lines before it were cut off together with the head. */
export interface LogHead {
  readonly position: number
  /** SHA-256 of the last line, in hex. */
  readonly hash: string
}

export interface LogEntry {
  readonly position: number
  readonly text: string
}

export interface LogReport {
  /** Whether every line opened in its place and nothing is missing. */
  readonly ok: boolean
  /** Lines that are in order, from the first on. */
  readonly lines: number
  /** An unfinished last line: a write that was never acknowledged. It is no problem. */
  readonly torn: boolean
  /** What is wrong, and from which line on; lines behind it cannot be told. */
  readonly problem?: { readonly line: number; readonly what: string }
}

export interface LineLog {
  /** Adds lines; resolves when they are durable. Lines of callers who wait together are written together. */
  append(text: string | readonly string[]): Promise<LogHead>
  /** The lines, decrypted. Throws ERR_AUDIT_TAMPERED at the first that does not open in its place. */
  read(): AsyncGenerator<LogEntry>
  /** Reads everything and compares the end with the head, and with one that was noted elsewhere. An outage throws. */
  verify(options?: { readonly expected?: LogHead }): Promise<LogReport>
}
