/** What stands in a column that is being migrated: nothing yet, ours already, or something that can be read. */
import { parseCiphertext } from '../../crypto/ciphertext.ts'
import { looksEncrypted } from '../../data/foreign/forms.ts'
import type { ForeignReader } from '../../data/foreign/reader.ts'
import { recognise } from '../../data/foreign/readers.ts'
import { typedPlaintext } from '../../data/foreign/typed.ts'
import { KeywrightError } from '../../errors.ts'
import type { SourceRow, SourceValue } from '../../source.ts'
import type { KeyOwners } from '../values/key-owners.ts'
import { keyIdIn } from '../values/prefix.ts'
import type { ValueOutcome } from '../values/task.ts'
import { valueFailure } from '../values/value-errors.ts'
import type { MigratedColumn } from './columns.ts'

/** A value that stays, and why. */
export interface Staying {
  readonly outcome: Exclude<ValueOutcome, 'done'>
  /** Why it failed, by code. */
  readonly failure?: string
}

/** A value that was read from another format. */
export interface Readable {
  readonly outcome: 'done'
  readonly format: string
  /** To be sealed, in the form of the column's type. */
  readonly plaintext: string | Uint8Array
}

export type OldValue = Staying | Readable

const LONG_BASE64 = /^[A-Za-z0-9+/_-]{40,}={0,2}$/

/** Looks at values and opens them with `readers`. */
export class OldValues {
  readonly #owners: KeyOwners

  constructor(owners: KeyOwners) {
    this.#owners = owners
  }

  /** Throws what a reader throws that cannot work at all, and what the key store throws. */
  async look(
    column: MigratedColumn,
    readers: readonly ForeignReader[],
    row: SourceRow,
    value: SourceValue,
  ): Promise<OldValue> {
    if (value === null) return { outcome: 'empty' }
    const found = recognise(value, readers)
    if (found.kind === 'current') return this.#current(column, row, value)
    if (found.kind === 'foreign') return { outcome: outcomeOf(value) }
    const opened = await found.reader.open(value)
    if (opened === undefined) return { outcome: 'failed', failure: 'ERR_DECRYPTION_FAILED' }
    try {
      return { outcome: 'done', format: found.reader.name, plaintext: typedPlaintext(column.type, opened) }
    } catch (error) {
      if (error instanceof KeywrightError && error.code === 'ERR_VALUE_TYPE')
        return { outcome: 'failed', failure: error.code }
      throw error
    }
  }

  /** Ours, unless its key is another installation's or another keyring's: such a value would open nowhere. */
  async #current({ bound }: MigratedColumn, row: SourceRow, value: string | Uint8Array): Promise<Staying> {
    try {
      parseCiphertext(value)
      await this.#owners.assertOwns(bound.keyringOf(row).ring, keyIdIn(value))
      return { outcome: 'current' }
    } catch (error) {
      return { outcome: 'failed', failure: valueFailure(error) }
    }
  }
}

/** What may not be read now: nothing at all, what looks like a ciphertext of any kind, plain text. */
export function outcomeOf(value: string | Uint8Array): 'skipped' | 'foreign' | 'plain' {
  if (value.length === 0) return 'skipped'
  const opaque = typeof value === 'string' && LONG_BASE64.test(value)
  return opaque || looksEncrypted(value) ? 'foreign' : 'plain'
}
