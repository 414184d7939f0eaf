/**
 * Search tokens of one place under the active index keys: each value is decrypted, its tokens are made anew, and
 * stored where they differ. A value that the application changes meanwhile keeps what the application stored with it.
 */
import { isUtf8 } from 'node:buffer'
import { parseCiphertext } from '../../crypto/ciphertext.ts'
import { looksLikeToken, parseToken, tokenKeyId } from '../../crypto/token.ts'
import { BlindIndex } from '../../data/search/blind-index.ts'
import { decryptionFailed, KeywrightError } from '../../errors.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { parseKeyring } from '../../policy/keyring-name.ts'
import type { SourceRow, SourceValue } from '../../source.ts'
import { digestOf } from '../digest.ts'
import type { IndexBinding, RowsPlace } from '../places.ts'
import { assertDistinct, type BoundColumn, type BoundKeyring, bindColumns } from '../values/binding.ts'
import { KeyOwners } from '../values/key-owners.ts'
import { FOREIGN, keyIdIn } from '../values/prefix.ts'
import type { RowResult, ValueOutcome, ValueTask } from '../values/task.ts'
import { valueFailure } from '../values/value-errors.ts'

const BLIND_INDEX = 'blind_index'
/** Tenants whose indexes are remembered; then all are forgotten and made again. */
const MAX_TENANTS = 10_000

/** One column of tokens. */
interface TokenColumn {
  readonly binding: IndexBinding
  /** Where it stands in `reads`. */
  readonly at: number
  /** Where it stands in `writes`. */
  readonly to: number
  readonly byKeyring: Map<string, BlindIndex>
}

interface Column {
  readonly bound: BoundColumn
  readonly tokens: readonly TokenColumn[]
}

export interface ReindexTaskOptions {
  readonly services: Pick<KeyServices, 'policy' | 'store'>
  readonly rings: Keyrings
  readonly place: Pick<RowsPlace, 'name' | 'table' | 'columns'>
  /** The encrypted columns whose tokens are made. */
  readonly columns: readonly string[]
}

export class ReindexTask implements ValueTask {
  readonly kind = 'reindex'
  readonly reads: readonly string[]
  /** The encrypted columns too, which stay as they are: a token belongs to the value that was read. */
  readonly writes: readonly string[]
  readonly counts: readonly string[]
  readonly digest: string
  readonly #columns: readonly Column[]
  /** Where each of `writes` stands in `reads`. */
  readonly #writesAt: readonly number[]
  readonly #services: Pick<KeyServices, 'policy' | 'store'>
  readonly #rings: Keyrings
  readonly #owners: KeyOwners
  /** Index keys that made tokens here: nothing else is stored. */
  readonly #madeUnder = new Set<number>()

  /** Throws what binding a column throws, and ERR_CONFIG_INVALID for a column of tokens that is declared twice. */
  constructor({ services, rings, place, columns }: ReindexTaskOptions) {
    const bound = bindColumns({ policy: services.policy, rings }, place, columns)
    const tokens = columns.flatMap((name) => place.columns[name]?.indexes?.map(({ column }) => column) ?? [])
    assertDistinct(place.name, [...columns, ...tokens])
    this.reads = [...new Set([...bound.reads, ...tokens])]
    this.writes = [...columns, ...tokens]
    this.#writesAt = this.writes.map((name) => this.reads.indexOf(name))
    this.counts = tokens
    this.digest = digestFor(place, bound.columns)
    this.#services = services
    this.#rings = rings
    this.#owners = new KeyOwners(services.store)
    this.#columns = bound.columns.map((column) => ({
      bound: column,
      tokens: (column.binding.indexes ?? []).map((binding) => ({
        binding,
        at: this.reads.indexOf(binding.column),
        to: this.writes.indexOf(binding.column),
        byKeyring: new Map(),
      })),
    }))
  }

  async transform(rows: readonly SourceRow[]): Promise<RowResult[]> {
    const results: RowResult[] = []
    for (const row of rows) results.push(await this.#transform(row))
    return results
  }

  mayStore(value: SourceValue): boolean {
    return value === null || (looksLikeToken(value) && this.#madeUnder.has(tokenKeyId(parseToken(value))))
  }

  async #transform(row: SourceRow): Promise<RowResult> {
    const to = this.#writesAt.map((at) => row.values[at] as SourceValue)
    const outcomes: ValueOutcome[] = []
    const failures: (string | undefined)[] = []
    for (const { bound, tokens } of this.#columns) {
      const made = await this.#tokensOf(row, bound, tokens)
      for (const [index, column] of tokens.entries()) {
        const { outcome, token, failure } = made(index, row.values[column.at] as SourceValue)
        if (token !== undefined) to[column.to] = token
        outcomes.push(outcome)
        failures.push(failure)
      }
    }
    return {
      outcomes,
      ...(outcomes.includes('done') ? { to } : {}),
      ...(failures.some((code) => code !== undefined) ? { failures } : {}),
    }
  }

  /** What becomes of each token column of one value. */
  async #tokensOf(row: SourceRow, column: BoundColumn, tokens: readonly TokenColumn[]): Promise<MadeTokens> {
    const value = row.values[column.at] as SourceValue
    if (value === null) return cleared
    const id = keyIdIn(value)
    if (id < 0) return () => ({ outcome: id === FOREIGN ? 'foreign' : 'plain' })
    let text: string
    let keyring: BoundKeyring
    try {
      keyring = column.keyringOf(row)
      text = await this.#open(value, id, keyring, column.rowIdOf(row))
    } catch (error) {
      const failure = valueFailure(error)
      return () => ({ outcome: 'failed', failure })
    }
    const made: string[] = []
    for (const one of tokens) made.push(await this.#token(one, keyring, text))
    return (index, before) =>
      before === made[index] ? { outcome: 'current' } : { outcome: 'done', token: made[index] as string }
  }

  async #open(
    value: string | Uint8Array,
    id: number,
    { aad, jsonAad, ring }: BoundKeyring,
    rowId: string | undefined,
  ): Promise<string> {
    await this.#owners.assertOwns(ring, id)
    const wire = parseCiphertext(value)
    let plaintext: Buffer
    try {
      plaintext = await ring.open(wire, aad(rowId))
    } catch (error) {
      if (!(error instanceof KeywrightError) || error.code !== 'ERR_DECRYPTION_FAILED') throw error
      plaintext = await ring.open(wire, jsonAad(rowId))
    }
    // Bytes have no token: whoever stored them with one converted them in a way nobody else knows.
    if (!isUtf8(plaintext)) throw decryptionFailed()
    const text = plaintext.toString('utf8')
    plaintext.fill(0)
    return text
  }

  async #token(column: TokenColumn, { context, ring }: BoundKeyring, text: string): Promise<string> {
    let index = column.byKeyring.get(ring.name)
    if (index === undefined) {
      const { field = [context['table'], context['column']].filter(Boolean).join('.') } = column.binding
      const { tenant } = parseKeyring(ring.name)
      const request = { keyType: BLIND_INDEX, ...(tenant === undefined ? {} : { tenant }) }
      const { keyring } = keyringFor(this.#services.policy, request)
      const { bits, normaliser, slow } = column.binding
      index = new BlindIndex(this.#rings, keyring, field, {
        ...(bits === undefined ? {} : { bits }),
        ...(normaliser === undefined ? {} : { normaliser }),
        ...(slow === undefined ? {} : { slow }),
      })
      if (column.byKeyring.size >= MAX_TENANTS) column.byKeyring.clear()
      column.byKeyring.set(ring.name, index)
    }
    const token = await index.token(text)
    this.#madeUnder.add(tokenKeyId(parseToken(token)))
    return token
  }
}

interface MadeToken {
  readonly outcome: ValueOutcome
  readonly token?: string | null
  readonly failure?: string
}
type MadeTokens = (index: number, before: SourceValue) => MadeToken

/** The token of a value that is not there any more tells of the value that was. */
const cleared = (_index: number, before: SourceValue): MadeToken =>
  before === null ? { outcome: 'empty' } : { outcome: 'done', token: null }

/** All that decides which tokens are made, but for the keys that happen to be active. */
function digestFor(place: Pick<RowsPlace, 'name' | 'table'>, columns: readonly BoundColumn[]): string {
  const bound = columns.map(
    ({ name, keyType, binding: { table, column, row, tenant, context, indexes } }) => {
      const names = indexes?.map((index) => ({
        ...index,
        normaliser: typeof index.normaliser === 'object' ? index.normaliser.name : index.normaliser,
      }))
      const given = {
        table: table ?? place.table ?? place.name,
        column,
        row,
        tenant,
        context,
        indexes: names,
      }
      return { name, keyType, ...JSON.parse(JSON.stringify(given)) }
    },
  )
  return digestOf({ kind: 'reindex', v: 1, place: place.name, columns: bound })
}
