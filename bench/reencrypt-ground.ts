/** What the re-encryption bench needs of a database. */
import type { Source } from '../src/source.ts'

/** Rows a page, for everything that is compared: the default of re-encryption. */
export const BATCH = 1_000

export interface Ground {
  readonly name: string
  /** Makes the table `people (id, email)` that `reset` copies. */
  fill(values: readonly string[]): Promise<void>
  /** The table as it was filled. */
  reset(): Promise<void>
  source(name: string): Source
  /** Reads every row and writes another value of the same length by compare-and-set, durable a page, without cryptography. */
  bare(): Promise<void>
  /** Milliseconds of one round trip, where there are any. */
  roundTripMs?(): Promise<number>
  close(): Promise<void>
}
