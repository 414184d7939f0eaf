/** The columns of one place as a migration works with them: how they are bound, stored and searched. */

import type { FieldType } from '../../data/codecs.ts'
import { BlindIndex } from '../../data/search/blind-index.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import { BLIND_INDEX } from '../../policy/defaults.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { parseKeyring } from '../../policy/keyring-name.ts'
import type { SourceDescription, SourceRow } from '../../source.ts'
import type { IndexBinding } from '../places.ts'
import { assertDistinct, type BoundColumn, type BoundKeyring, bindColumns } from '../values/binding.ts'
import type { ChosenPlace } from './request.ts'

/** Tenants whose index is remembered; then all are forgotten and made again. */
const MAX_INDEXES = 10_000

export interface Work {
  readonly services: KeyServices
  readonly rings: Keyrings
}

/** A column of search tokens that is filled with its encrypted one. */
export class TokenColumn {
  readonly name: string
  readonly #work: Work
  readonly #binding: IndexBinding
  readonly #byKeyring = new Map<string, BlindIndex>()

  constructor(work: Work, binding: IndexBinding) {
    this.name = binding.column
    this.#work = work
    this.#binding = binding
  }

  /** The token of `text`, in the index of the tenant whose keyring encrypts the value. */
  token(keyring: BoundKeyring, text: string): Promise<string> {
    const { name } = keyring.ring
    let index = this.#byKeyring.get(name)
    if (index === undefined) {
      if (this.#byKeyring.size >= MAX_INDEXES) this.#byKeyring.clear()
      index = this.#open(keyring)
      this.#byKeyring.set(name, index)
    }
    return index.token(text)
  }

  #open({ context, ring }: BoundKeyring): BlindIndex {
    const { column: _, field, ...options } = this.#binding
    const { tenant } = parseKeyring(ring.name)
    const request = { keyType: BLIND_INDEX, ...(tenant === undefined ? {} : { tenant }) }
    const { keyring } = keyringFor(this.#work.services.policy, request)
    const place = [context['table'], context['column']].filter((part) => part !== undefined)
    return new BlindIndex(this.#work.rings, keyring, field ?? place.join('.'), options)
  }
}

/** One encrypted column. */
export interface MigratedColumn {
  readonly bound: BoundColumn
  readonly type: FieldType
  /** What the column holds: a ciphertext is written in this form. */
  readonly kind: 'text' | 'bytes'
  /** Characters or bytes that fit. */
  readonly maxLength: number
  readonly tokens: readonly TokenColumn[]
}

export interface MigratedColumns {
  /** The encrypted columns, those of row and tenant, those of tokens. */
  readonly reads: readonly string[]
  readonly columns: readonly MigratedColumn[]
}

/**
 * Binds the chosen columns. `description` is that of their source. Throws ERR_FIELD_UNMATCHED, ERR_KEY_TYPE_UNKNOWN,
 * ERR_CONTEXT_INVALID and ERR_CONFIG_INVALID for a column that is declared wrongly.
 */
export function migratedColumns(
  work: Work,
  { place, columns }: ChosenPlace,
  description: SourceDescription,
): MigratedColumns {
  const bound = bindColumns({ policy: work.services.policy, rings: work.rings }, place, columns)
  const found = new Map(description.columns?.map((column) => [column.name, column]))
  const migrated = bound.columns.map((column) => {
    const { kind, maxLength = Number.POSITIVE_INFINITY } = found.get(column.name) ?? {}
    return {
      bound: column,
      type: column.binding.as ?? 'string',
      kind: kind === 'bytes' ? ('bytes' as const) : ('text' as const),
      maxLength,
      tokens: (column.binding.indexes ?? []).map((index) => new TokenColumn(work, index)),
    }
  })
  const tokens = migrated.flatMap((column) => column.tokens.map(({ name }) => name))
  assertDistinct(place.name, [...columns, ...tokens])
  return { reads: [...new Set([...bound.reads, ...tokens])], columns: migrated }
}

/** The keyring and AAD of a value that is to be sealed or opened. Throws what is wrong with its row or tenant. */
export function placeOf(
  { bound }: Pick<MigratedColumn, 'bound'>,
  row: SourceRow,
): { readonly keyring: BoundKeyring; readonly rowId: string | undefined } {
  return { keyring: bound.keyringOf(row), rowId: bound.rowIdOf(row) }
}
