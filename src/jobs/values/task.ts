/**
 * What is done with the values of a source, one page at a time: re-encryption, migration and re-indexing are tasks;
 * the engine pages, writes by compare-and-set, keeps checkpoints, counts, throttles and stops.
 */
import type { SourceRow, SourceValue } from '../../source.ts'

/** What became of one value. A value that is null is 'empty'; one that is as it should be is 'current'. */
export type ValueOutcome = 'done' | 'current' | 'empty' | 'plain' | 'foreign' | 'failed' | 'skipped'

/** What a task makes of one row. */
export interface RowResult {
  /** New values in the order of `writes`; absent when the row stays as it is. */
  readonly to?: readonly SourceValue[]
  /** In the order of `counts`. */
  readonly outcomes: readonly ValueOutcome[]
  /** Why values failed, by code; no value of the row. In the order of `counts`; absent when none failed. */
  readonly failures?: readonly (string | undefined)[]
}

/** Work on the rows of one source. Rows come and go in order; the task keeps nothing between pages. */
export interface ValueTask {
  /** 'reencrypt', 'migrate', 'reverse', 'reindex'. */
  readonly kind: string
  /** Columns to read, those that are written included. */
  readonly reads: readonly string[]
  /** Columns that may be written: a subset of `reads`, compared and set together. */
  readonly writes: readonly string[]
  /** Columns that reports count, in order. */
  readonly counts: readonly string[]
  /** Hex SHA-256 of all that decides what this task does: a checkpoint of another task is not taken for its own. */
  readonly digest: string
  /** Pages that may be transformed at once, by a task that has threads. @default 1 */
  readonly pagesAtOnce?: number
  transform(rows: readonly SourceRow[]): Promise<readonly RowResult[]>
  /**
   * Whether `value` may be stored in column `writes[at]`: a ciphertext of the active key, a token; plain text only
   * for a task that takes encryption back. Asserted of every value that differs from what was read, before it is
   * written.
   */
  mayStore(value: SourceValue, at: number): boolean
  close?(): Promise<void>
}
