/**
 * Re-encryption of one place's values: decrypted under the key that encrypted them, encrypted under the active key of
 * the same keyring with the same AAD. What is current stays; what does not decrypt is counted and stays.
 */
import { KeywrightError } from '../../errors.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import type { SourceRow, SourceValue } from '../../source.ts'
import { digestOf } from '../digest.ts'
import type { RowsPlace } from '../places.ts'
import { type BoundColumn, type BoundKeyring, bindColumns } from './binding.ts'
import { type ColumnMemory, Crypter } from './crypter.ts'
import { FOREIGN, keyIdIn, MALFORMED } from './prefix.ts'
import type { RowResult, ValueOutcome, ValueTask } from './task.ts'
import { valueFailure } from './value-errors.ts'

export interface ReencryptTaskOptions {
  readonly services: Pick<KeyServices, 'policy' | 'store'>
  readonly rings: Keyrings
  readonly place: Pick<RowsPlace, 'name' | 'table' | 'columns'>
  /** The columns to do. */
  readonly columns: readonly string[]
  /** Only values of these keyrings. @default all */
  readonly keyrings?: readonly string[] | undefined
  /** What does the cryptography; closed by whoever made it. @default this thread */
  readonly crypter?: Crypter
}

interface Column extends ColumnMemory {
  readonly bound: BoundColumn
}

/** One column of a page: what stands there afterwards, and what became of it. */
interface Page {
  readonly to: SourceValue[]
  readonly outcomes: ValueOutcome[]
  readonly failures: Map<number, string>
}

/** Values of a column and keyring that are to be re-encrypted. */
interface Group {
  readonly keyring: BoundKeyring
  /** The id of the active key. */
  readonly active: number
  readonly values: (string | Uint8Array)[]
  readonly ids: number[]
  readonly rows: string[]
  /** Where they stand in the page. */
  readonly places: number[]
}

export class ReencryptTask implements ValueTask {
  readonly kind = 'reencrypt'
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly counts: readonly string[]
  readonly digest: string
  readonly #columns: readonly Column[]
  readonly #keyrings: ReadonlySet<string> | undefined
  readonly #crypter: Crypter
  /** Keys that were active when this task encrypted: nothing else is stored. */
  readonly #sealedUnder = new Set<number>()

  /** Throws what `bindColumns` throws, and ERR_CONFIG_INVALID for a column whose key type only makes search tokens. */
  constructor({ services, rings, place, columns, keyrings, crypter }: ReencryptTaskOptions) {
    const bound = bindColumns({ policy: services.policy, rings }, place, columns)
    for (const column of bound.columns) assertSeals(place.name, column)
    this.reads = bound.reads
    this.writes = columns
    this.counts = columns
    this.digest = digestFor(place, bound.columns, keyrings)
    this.#columns = bound.columns.map((column) => ({ bound: column, jsonFirst: false }))
    this.#keyrings = keyrings === undefined ? undefined : new Set(keyrings)
    this.#crypter = crypter ?? new Crypter(services.store)
  }

  get pagesAtOnce(): number {
    return this.#crypter.pagesAtOnce
  }

  async transform(rows: readonly SourceRow[]): Promise<RowResult[]> {
    const pages = await Promise.all(this.#columns.map((column) => this.#column(column, rows)))
    const results: RowResult[] = []
    for (let at = 0; at < rows.length; at++) results.push(resultOf(pages, at))
    return results
  }

  mayStore(value: SourceValue): boolean {
    return value !== null && this.#sealedUnder.has(keyIdIn(value))
  }

  async #column(column: Column, rows: readonly SourceRow[]): Promise<Page> {
    const page: Page = { to: new Array(rows.length), outcomes: new Array(rows.length), failures: new Map() }
    const groups: Group[] = []
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at] as SourceRow
      const value = row.values[column.bound.at] as SourceValue
      page.to[at] = value
      const sorted = value === null ? 'empty' : this.#sort(column, row, value, at, page, groups)
      page.outcomes[at] = typeof sorted === 'string' ? sorted : await sorted
    }
    for (const group of groups) if (group.values.length > 0) await this.#group(column, group, page)
    return page
  }

  /** 'done' for what is put into its group; the others need no decryption. */
  #sort(
    column: Column,
    row: SourceRow,
    value: string | Uint8Array,
    at: number,
    page: Page,
    groups: Group[],
  ): ValueOutcome | Promise<ValueOutcome> {
    const id = keyIdIn(value)
    if (id < 0 && id !== MALFORMED) return id === FOREIGN ? 'foreign' : 'plain'
    let keyring: BoundKeyring
    let rowId: string | undefined
    try {
      if (id === MALFORMED) throw malformed()
      keyring = column.bound.keyringOf(row)
      rowId = column.bound.rowIdOf(row)
    } catch (error) {
      page.failures.set(at, valueFailure(error))
      return 'failed'
    }
    if (this.#keyrings !== undefined && !this.#keyrings.has(keyring.ring.name)) return 'skipped'
    const group = groups.find((one) => one.keyring === keyring)
    if (group !== undefined) return put(group, value, id, rowId, at)
    return this.#newGroup(keyring, groups).then((made) => put(made, value, id, rowId, at))
  }

  async #newGroup(keyring: BoundKeyring, groups: Group[]): Promise<Group> {
    const { ring } = keyring
    if (!ring.readyToSeal()) await ring.prepare()
    const active = ring.activeKey().id
    this.#sealedUnder.add(active)
    const group: Group = { keyring, active, values: [], ids: [], rows: [], places: [] }
    groups.push(group)
    return group
  }

  async #group(column: Column, { keyring, places, rows, ...work }: Group, page: Page): Promise<void> {
    const isBound = rows.length > 0
    const done = await this.#crypter.run({ ...work, keyring, column, rows: isBound ? rows : undefined })
    for (let at = 0; at < places.length; at++) {
      const to = done.values[at]
      const place = places[at] as number
      if (to === undefined) page.outcomes[place] = 'failed'
      else page.to[place] = to
    }
    for (const [at, code] of done.failures) page.failures.set(places[at] as number, code)
    this.#sealedUnder.add(keyring.ring.activeKey().id) // it may have rotated meanwhile
  }
}

function put(
  { active, ids, places, rows, values }: Group,
  value: string | Uint8Array,
  id: number,
  rowId: string | undefined,
  at: number,
): ValueOutcome {
  if (id === active) return 'current'
  values.push(value)
  ids.push(id)
  places.push(at)
  if (rowId !== undefined) rows.push(rowId)
  return 'done'
}

function resultOf(pages: readonly Page[], at: number): RowResult {
  const to: SourceValue[] = []
  const outcomes: ValueOutcome[] = []
  let isChanged = false
  let isFailed = false
  for (const page of pages) {
    const outcome = page.outcomes[at] as ValueOutcome
    to.push(page.to[at] as SourceValue)
    outcomes.push(outcome)
    if (outcome === 'done') isChanged = true
    else if (outcome === 'failed') isFailed = true
  }
  if (!isFailed) return isChanged ? { outcomes, to } : { outcomes }
  const failures = pages.map((page) => page.failures.get(at))
  return isChanged ? { outcomes, to, failures } : { outcomes, failures }
}

const malformed = (): KeywrightError =>
  new KeywrightError('ERR_CIPHERTEXT_MALFORMED', 'the value begins as a ciphertext and cannot be one')

function assertSeals(place: string, { name, keyType, policy }: BoundColumn): void {
  if (policy.algorithm !== 'HMAC-SHA-256') return
  throw new KeywrightError(
    'ERR_CONFIG_INVALID',
    `column "${name}" of "${place}" has the key type "${keyType}", which only makes search tokens`,
    {
      hint: 'declare it under "indexes" of the encrypted column, or give it the key type that encrypts it',
      details: { place, column: name },
    },
  )
}

/** All that decides what is done with the values, but for the keys that happen to be active. */
function digestFor(
  place: Pick<RowsPlace, 'name' | 'table'>,
  columns: readonly BoundColumn[],
  keyrings: readonly string[] | undefined,
): string {
  const bound = columns.map(({ name, keyType, binding: { table, column, row, tenant, context } }) => {
    const given = { table: table ?? place.table ?? place.name, column, row, tenant, context }
    return { name, keyType, ...JSON.parse(JSON.stringify(given)) }
  })
  return digestOf({ kind: 'reencrypt', v: 1, place: place.name, columns: bound, keyrings: keyrings ?? null })
}
