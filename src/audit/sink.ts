/**
 * The contract between the audit log and where its lines are kept: a file, a table, a stream.
 *
 * A sink keeps lines in order and keeps writers apart. It knows nothing of records and hashes; the chain is made
 * and checked above it.
 */

/** The end of the log as it is kept beside the log, so that a cut end is found. */
export interface AuditHead {
  /** `seq` of the last record; 0 for a log that was made and has none yet. */
  readonly seq: number
  /** `hash` of the last record, in hex. */
  readonly hash: string
}

/** A line as it was read. */
export interface AuditLine {
  /** 1, 2, 3 … from the start of the log. */
  readonly line: number
  /** The exact bytes, without the LF. A line that is too long for a record may come cut to 65,537 bytes. */
  readonly bytes: Uint8Array
  /** True for an unfinished last line: a write that was never acknowledged, or one that is under way. */
  readonly torn: boolean
}

/** The log in the hands of its only writer. Valid until the function that got it is done. */
export interface AuditWriter {
  /** The last complete line, without the LF; `undefined` when there is none. */
  readonly last: Uint8Array | undefined
  /** Bytes of an unfinished line after it. The next `append` removes them. Always 0 where writes are atomic. */
  readonly torn: number
  /** `undefined` when there is none. */
  readonly head: AuditHead | undefined
  /**
   * Adds lines, then sets the head; durable when it resolves. The head is never durable before the lines are.
   * When it rejects, none or all of the lines may be there, or some followed by an unfinished one.
   */
  append(lines: readonly string[], head: AuditHead): Promise<void>
  /** Replaces the first `count` lines by `line`: after a crash the log is the old or the new one. */
  dropStart(count: number, line: string): Promise<void>
}

/** Where an audit log is kept. */
export interface AuditSink {
  /**
   * Runs `critical` while no other process and no other caller in this one writes, and resolves to its result.
   * The lock must end with its holder. Rejects when the lock is not to be had in due time.
   */
  exclusive<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T>
  /** The lines from the first on, as they were at one moment; may run beside writers and inside `exclusive`. */
  read(): AsyncIterable<AuditLine>
  /** Rejects with ERR_AUDIT_TAMPERED when there is one that is malformed. */
  head(): Promise<AuditHead | undefined>
  /** Twice is harmless. */
  close?(): Promise<void>
}
