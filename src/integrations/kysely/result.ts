/** The columns of a result by name, and no two of them under one: a driver keeps only the last. */
import { notInSelection, sameName } from './refusals.ts'
import { type Appearance, type Columns, type Encrypted, noColumns } from './scope.ts'

export class Result {
  readonly columns: Columns = noColumns()
  /** What stands under a name: an encrypted column, the ids of an appearance, or something of no interest. */
  readonly #owners = new Map<string, Encrypted | Appearance | undefined>()
  #relations = 0

  /** One selection. Throws where an encrypted column has no name, or it or its row id shares one. */
  add(name: string | undefined, encrypted: Encrypted | undefined, rows: Appearance | undefined): void {
    if (name === undefined) {
      if (encrypted !== undefined) throw notInSelection(encrypted.column.name)
      return
    }
    this.#own(name, encrypted ?? rows)
    if (encrypted !== undefined) this.columns.encrypted.set(name, encrypted)
    if (rows !== undefined) this.columns.rowIds.set(rows, name)
  }

  /** All columns of a relation; which others it has besides is not known. */
  addAll(relation: Columns): void {
    this.#relations++
    for (const [name, encrypted] of relation.encrypted) this.add(name, encrypted, undefined)
    for (const [rows, name] of relation.rowIds) this.add(name, undefined, rows)
    const [first] = this.columns.encrypted.values()
    if (this.#relations > 1 && first !== undefined) throw sameName(first.column.name)
  }

  #own(name: string, owner: Encrypted | Appearance | undefined): void {
    const other = this.#owners.get(name)
    const isTaken = this.#owners.has(name) && !isSame(other, owner)
    if (isTaken) {
      const column = columnOf(owner) ?? columnOf(other)
      if (column !== undefined) throw sameName(column)
    }
    this.#owners.set(name, owner)
  }
}

type Owner = Encrypted | Appearance | undefined

const isSame = (a: Owner, b: Owner): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    'column' in a &&
    'column' in b &&
    a.column === b.column &&
    a.from === b.from)

/** The column that cannot be read when its name, or its row's, is taken by another. */
function columnOf(owner: Owner): string | undefined {
  if (owner === undefined) return undefined
  if ('column' in owner) return owner.column.name
  const [any] = owner.table.columns.values()
  return any?.name
}
