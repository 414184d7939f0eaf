/**
 * Encrypts what is not Keywright's yet: opens the old value, seals it under the active key of its keyring with the
 * context of its place, and fills its search tokens in the same write. Everything else stays as it is and is counted.
 */
import { isCiphertext, keyIdOf, parseCiphertext, toText } from '../../crypto/ciphertext.ts'
import { looksLikeToken } from '../../crypto/token.ts'
import { CODECS } from '../../data/codecs.ts'
import type { ForeignReader } from '../../data/foreign/reader.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import { readKeyring } from '../../policy/keyring-name.ts'
import type { SourceRow, SourceValue } from '../../source.ts'
import { digestOf } from '../digest.ts'
import type { BoundKeyring } from '../values/binding.ts'
import type { RowResult, ValueTask } from '../values/task.ts'
import { valueFailure } from '../values/value-errors.ts'
import { type MigratedColumn, type MigratedColumns, placeOf } from './columns.ts'
import type { OldValues, Readable } from './old-value.ts'
import { type Made, RowBuilder } from './row-builder.ts'

/** A column and what of it is migrated. */
export interface MigratingColumn extends MigratedColumn {
  readonly formats: readonly string[]
  readonly readers: readonly ForeignReader[]
}

export interface MigrateTaskOptions {
  readonly place: string
  readonly rings: Keyrings
  readonly columns: readonly MigratingColumn[]
  readonly reads: MigratedColumns['reads']
  readonly old: OldValues
}

export class MigrateTask implements ValueTask {
  readonly kind = 'migrate'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly counts: readonly string[]
  readonly digest: string
  readonly #rings: Keyrings
  readonly #columns: readonly MigratingColumn[]
  readonly #old: OldValues
  readonly #rows: RowBuilder
  /** Keys that were active when they sealed something here: nothing else is stored. */
  readonly #sealedUnder = new Set<number>()

  constructor({ columns, old, place, reads, rings }: MigrateTaskOptions) {
    this.reads = reads
    this.counts = columns.map(({ bound }) => bound.name)
    this.writes = [...this.counts, ...columns.flatMap(({ tokens }) => tokens.map(({ name }) => name))]
    this.digest = digestOf({ kind: this.kind, v: 1, place, columns: columns.map(describeColumn) })
    this.#rings = rings
    this.#columns = columns
    this.#old = old
    this.#rows = new RowBuilder(reads, this.writes)
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

  /** A ciphertext under a key that was active when it was made, of the column's key type; or a search token. */
  mayStore(value: SourceValue, at: number): boolean {
    const column = this.#columns[at]
    if (column === undefined) return looksLikeToken(value)
    if (!isCiphertext(value)) return false
    const id = keyIdOf(parseCiphertext(value))
    const ring = this.#rings.withKeySync(id)
    const isOfType = ring !== undefined && readKeyring(ring.name)?.keyType === column.bound.keyType
    return isOfType && this.#sealedUnder.has(id)
  }

  async #value(column: MigratingColumn, row: SourceRow): Promise<Made> {
    const value = row.values[column.bound.at] ?? null
    const found = await this.#old.look(column, column.readers, row, value)
    if (found.outcome !== 'done') return found
    let place: ReturnType<typeof placeOf>
    try {
      place = placeOf(column, row)
    } catch (error) {
      return { outcome: 'failed', failure: valueFailure(error) }
    }
    const made = await this.#seal(column, place.keyring, place.rowId, found)
    if (typeof found.plaintext !== 'string') found.plaintext.fill(0)
    return made
  }

  async #seal(
    { bound, kind, maxLength, tokens }: MigratingColumn,
    keyring: BoundKeyring,
    rowId: string | undefined,
    { plaintext }: Readable,
  ): Promise<Made> {
    const values = new Map<string, SourceValue>()
    try {
      const text = tokens.length === 0 ? '' : textOf(plaintext)
      for (const column of tokens) values.set(column.name, await column.token(keyring, text))
    } catch (error) {
      return { outcome: 'failed', failure: unsearchable(error) }
    }
    const { ring } = keyring
    const aad = keyring.aad(rowId)
    const wire = ring.readyToSeal() ? ring.sealSync(plaintext, aad) : await ring.seal(plaintext, aad)
    this.#sealedUnder.add(keyIdOf(wire))
    const stored = kind === 'bytes' ? wire : toText(wire)
    // Some databases cut what is too long without a word.
    if (stored.length > maxLength) return { outcome: 'failed', failure: 'ERR_COLUMN_UNSUITABLE' }
    return { outcome: 'done', values: values.set(bound.name, stored) }
  }
}

/** What is searched for: the text of the value. Throws ERR_VALUE_TYPE for bytes that are none. */
function textOf(plaintext: string | Uint8Array): string {
  return CODECS.string.decode(Buffer.from(plaintext))
}

/** The value has no text to search for, or the normaliser has none. Throws everything else again. */
function unsearchable(error: unknown): string {
  if (error instanceof KeywrightError && error.code === 'ERR_VALUE_TYPE') return error.code
  throw error
}

/** All that decides what becomes of a column, but for the keys. */
function describeColumn({ bound, formats, kind, type }: MigratingColumn): object {
  const { binding, keyType, name } = bound
  return { name, keyType, kind, type, formats, ...JSON.parse(JSON.stringify(binding)) }
}
