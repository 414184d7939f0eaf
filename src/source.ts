/**
 * The contract between core and the places where ciphertexts live, and all that a source may import from core.
 * A source moves values; it knows no key and no context. Every write is a compare-and-set on what was read.
 */
export { KeywrightError } from './errors.ts'

/** What stands in one column of one row. */
export type SourceValue = string | Uint8Array | null

/** One row. Text where the column is text (or anything else that has a text form), bytes where it is binary. */
export interface SourceRow {
  /** The row's key in the source's own form: opaque, stable, never shown with a value. */
  readonly key: string
  /** In the order of the columns that were asked for. */
  readonly values: readonly SourceValue[]
}

export interface SourceCallOptions {
  readonly signal?: AbortSignal | undefined
}

/** A page of all rows, in an order that writes do not change. */
export interface PageQuery extends SourceCallOptions {
  readonly columns: readonly string[]
  /** `next` of the page before; absent for the first. */
  readonly after?: string | undefined
  /** The last position to read, one of those that `split` gave; absent: to the end. */
  readonly until?: string | undefined
  /** About so many rows, at least 1. A page may be empty and yet have a `next`. */
  readonly limit: number
}

/** Some rows by key, for those that changed meanwhile. Rows that are gone are left out. */
export interface KeysQuery extends SourceCallOptions {
  readonly columns: readonly string[]
  readonly keys: readonly string[]
}

export interface SourcePage {
  readonly rows: readonly SourceRow[]
  /** Where the next page begins; absent on the last one. */
  readonly next?: string
}

export interface RowWrite {
  readonly key: string
  /** What was read, in the order of the columns of the request. */
  readonly from: readonly SourceValue[]
  /** What is to stand there. */
  readonly to: readonly SourceValue[]
}

export interface WriteRequest extends SourceCallOptions {
  readonly columns: readonly string[]
  readonly rows: readonly RowWrite[]
  /** Written in the same transaction, by sources that have `checkpoints`. */
  readonly checkpoint?: SourceCheckpoint
}

/**
 * What became of one row: 'changed' when a column no longer holds what was read, 'gone' when the row is not there any
 * more. Both leave the row as it is.
 */
export type WriteOutcome = 'written' | 'changed' | 'gone'

/** How far a job is, kept beside the rows. */
export interface SourceCheckpoint {
  /** `[a-z0-9][a-z0-9:._/-]{0,199}` */
  readonly name: string
  /** At most 64 KiB. Never a secret. */
  readonly text: string
}

export interface SourceColumn {
  readonly name: string
  /** 'other' cannot hold a ciphertext: a number, a date. */
  readonly kind: 'text' | 'bytes' | 'other'
  /** As the source calls it: 'character varying(50)'. */
  readonly type: string
  /** Characters of a text, bytes of a binary column; absent: as many as one likes. */
  readonly maxLength?: number
}

export interface SourceDescription {
  /** Where it is, without credentials, for people. */
  readonly location: string
  /** The columns that the source knows; absent where rows have whatever members they have. */
  readonly columns?: readonly SourceColumn[]
  /** Number of rows, counted or estimated; absent when that would take as long as reading them. */
  readonly rows?: number
  /** What a person should know: a missing persistence. One sentence each. */
  readonly warnings: readonly string[]
}

/**
 * A place where values live: one table, the keys of one pattern. Three required methods.
 *
 * Errors: ERR_SOURCE_INVALID (no such table or column, no primary key), ERR_SOURCE_UNAVAILABLE (may pass),
 * ERR_SOURCE_DENIED, ERR_SOURCE_FAILED, ERR_ABORTED. None holds a value of a row.
 */
export interface Source {
  /** As reports and checkpoints call it: `[A-Za-z0-9][A-Za-z0-9_.-]{0,99}` */
  readonly name: string
  describe(options?: SourceCallOptions): Promise<SourceDescription>
  read(query: PageQuery): Promise<SourcePage>
  read(query: KeysQuery): Promise<SourcePage>
  /**
   * Writes rows by compare-and-set, each as a whole or not at all; durable when it resolves. Outcomes are in the order
   * of the rows. Where the source has transactions it is one, the checkpoint included.
   */
  write(request: WriteRequest): Promise<readonly WriteOutcome[]>
  /** Positions that cut the rows into about `parts` equal ranges, for several workers: at most `parts - 1` of them. */
  split?(parts: number, options?: SourceCallOptions): Promise<readonly string[]>
  /** For sources that write a checkpoint in the transaction of its rows. */
  readonly checkpoints?: {
    read(name: string): Promise<string | undefined>
    remove(name: string): Promise<void>
  }
  /** Twice is harmless. */
  close?(): Promise<void>
}
