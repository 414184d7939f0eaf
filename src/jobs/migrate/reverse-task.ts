/** The way back: opens Keywright's values and stores them as plain text or Fernet tokens. Search tokens stay. */
import { isUtf8 } from 'node:buffer'
import { writeFernet } from '../../data/foreign/fernet.ts'
import type { FernetKey } from '../../data/foreign/fernet-key.ts'
import { looksCurrent, looksLikeFernet } from '../../data/foreign/forms.ts'
import type { SourceRow, SourceValue } from '../../source.ts'
import { digestOf } from '../digest.ts'
import type { RowResult, ValueTask } from '../values/task.ts'
import type { MigratedColumn, MigratedColumns } from './columns.ts'
import { outcomeOf } from './old-value.ts'
import type { Opening } from './opening.ts'
import { type Made, RowBuilder } from './row-builder.ts'

/** What the values become. */
export type ReverseTarget =
  | { readonly to: 'plain' }
  | { readonly to: 'fernet'; readonly key: FernetKey; readonly now: () => number }

export interface ReverseTaskOptions {
  readonly place: string
  readonly columns: MigratedColumns
  readonly opening: Opening
  readonly target: ReverseTarget
}

export class ReverseTask implements ValueTask {
  readonly kind = 'reverse'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly counts: readonly string[]
  readonly digest: string
  readonly #columns: readonly MigratedColumn[]
  readonly #opening: Opening
  readonly #target: ReverseTarget
  readonly #rows: RowBuilder

  constructor({ columns: { columns, reads }, opening, place, target }: ReverseTaskOptions) {
    const names = columns.map(({ bound }) => bound.name)
    this.reads = reads
    this.writes = names
    this.counts = names
    this.digest = digestOf({ kind: this.kind, v: 1, place, to: target.to, columns: names })
    this.#columns = columns
    this.#opening = opening
    this.#target = target
    this.#rows = new RowBuilder(reads, names)
  }

  async transform(rows: readonly SourceRow[]): Promise<RowResult[]> {
    const results: RowResult[] = []
    for (const row of rows) {
      const made: Made[] = []
      for (const column of this.#columns) made.push(await this.#value(column, row))
      results.push(this.#rows.build(row, made))
    }
    return results
  }

  /** Anything but a ciphertext of ours, which would be read as one; for Fernet a token. */
  mayStore(value: SourceValue): boolean {
    if (value === null) return false
    return this.#target.to === 'fernet' ? looksLikeFernet(value) : !looksCurrent(value)
  }

  async #value(column: MigratedColumn, row: SourceRow): Promise<Made> {
    const value = row.values[column.bound.at] ?? null
    if (value === null) return { outcome: 'empty' }
    if (!looksCurrent(value)) return { outcome: this.#unlikeOurs(value) }
    const found = await this.#opening.open(column, row, value)
    if ('failure' in found) return { outcome: 'failed', failure: found.failure }
    const stored = this.#stored(column, found.plaintext)
    if (stored === undefined) return { outcome: 'failed', failure: 'ERR_VALUE_TYPE' }
    if (stored.length > column.maxLength) return { outcome: 'failed', failure: 'ERR_COLUMN_UNSUITABLE' }
    return { outcome: 'done', values: new Map([[column.bound.name, stored]]) }
  }

  /** 'current' when it is as it is to be. */
  #unlikeOurs(value: string | Uint8Array): Made['outcome'] {
    const is = outcomeOf(value)
    if (this.#target.to === 'fernet') return looksLikeFernet(value) ? 'current' : is
    return is === 'foreign' ? is : 'current'
  }

  /** Undefined for bytes that a column of text cannot hold, and for text that would be taken for a ciphertext. */
  #stored({ kind }: MigratedColumn, plaintext: Buffer): string | Uint8Array | undefined {
    if (this.#target.to === 'fernet') {
      const token = writeFernet(this.#target.key, plaintext, this.#target.now())
      return kind === 'bytes' ? Buffer.from(token, 'latin1') : token
    }
    const isText = kind === 'text'
    if (isText && (!isUtf8(plaintext) || plaintext.includes(0))) return undefined
    const stored = isText ? plaintext.toString('utf8') : plaintext
    return looksCurrent(stored) ? undefined : stored
  }
}
