/** Which columns of a query are encrypted, by the tables, aliases, subqueries and common table expressions in it. */
import type { EncryptedColumn } from '../shared/column.ts'
import { member, type Node, nameOf, part, schemaOf } from './nodes.ts'
import { refuseOtherSpelling, type Table } from './tables.ts'

/** One appearance of a table in a query: two of them are two, each with its rows. */
export interface Appearance {
  readonly table: Table
}

/** An encrypted column of one appearance of its table. */
export interface Encrypted {
  readonly column: EncryptedColumn<unknown>
  readonly from: Appearance
}

/** What a query gives, or a relation in FROM offers: encrypted columns by name, and where the ids of rows stand. */
export interface Columns {
  readonly encrypted: Map<string, Encrypted>
  readonly rowIds: Map<Appearance, string>
  /** Columns of search tokens, in tables. */
  readonly tokens?: ReadonlySet<string>
}

export const noColumns = (): Columns => ({ encrypted: new Map(), rowIds: new Map() })

/** The columns of a table. */
export function columnsOf(table: Table): Columns {
  const from: Appearance = { table }
  const encrypted = new Map([...table.columns].map(([name, column]) => [name, { column, from }]))
  const rowIds = new Map(table.row === undefined ? [] : [[from, table.row]])
  return { encrypted, rowIds, tokens: new Set(table.tokens.keys()) }
}

/** The same columns of other appearances: an expression that is joined twice gives two rows. */
function anotherTime({ encrypted, rowIds }: Columns): Columns {
  const appearances = new Map<Appearance, Appearance>()
  const again = (from: Appearance): Appearance => {
    const known = appearances.get(from) ?? { table: from.table }
    appearances.set(from, known)
    return known
  }
  return {
    encrypted: new Map(
      [...encrypted].map(([name, { column, from }]) => [name, { column, from: again(from) }]),
    ),
    rowIds: new Map([...rowIds].map(([from, name]) => [again(from), name])),
  }
}

/** The relations that names in one query refer to; what is not found here may be in the query around it. */
export class Scope {
  readonly relations = new Map<string, Columns>()
  readonly expressions = new Map<string, Columns>()
  readonly #outer: Scope | undefined
  readonly #tables: ReadonlyMap<string, Table>

  constructor(tables: ReadonlyMap<string, Table>, outer?: Scope) {
    this.#tables = tables
    this.#outer = outer
  }

  inner(): Scope {
    return new Scope(this.#tables, this)
  }

  /** The configured table that a node names; a common table expression of that name hides it. */
  table(node: Node | undefined): Table | undefined {
    const name = nameOf(node)
    if (name === undefined || this.#expression(name, node) !== undefined) return undefined
    const schema = schemaOf(node)
    const qualified = schema === undefined ? undefined : this.#tables.get(`${schema}.${name}`)
    const known = qualified ?? this.#tables.get(name)
    if (known === undefined) refuseOtherSpelling(name, this.#tables.keys(), 'a table')
    return known
  }

  /** The columns of a table or a common table expression. */
  columns(table: Node): Columns {
    const expression = this.#expression(nameOf(table) ?? '', table)
    if (expression !== undefined) return anotherTime(expression)
    const known = this.table(table)
    return known === undefined ? noColumns() : columnsOf(known)
  }

  #expression(name: string, node: Node | undefined): Columns | undefined {
    if (schemaOf(node) !== undefined) return undefined
    const known = this.expressions.get(name)
    return known === undefined && this.#outer !== undefined ? this.#outer.#expression(name, undefined) : known
  }

  /** The encrypted column that a reference means. */
  encrypted(reference: Node): Encrypted | undefined {
    const name = nameOf(reference)
    if (name === undefined) return undefined
    return this.#find(reference, (columns) => columns.encrypted.get(name))
  }

  /** The appearance whose row ids a reference means. */
  rowsOf(reference: Node): Appearance | undefined {
    const name = nameOf(reference)
    return this.#find(reference, ({ rowIds }) => [...rowIds].find(([, column]) => column === name)?.[0])
  }

  /** Whether a reference means a column of search tokens. */
  isToken(reference: Node): boolean {
    const name = nameOf(reference) ?? ''
    return this.#find(reference, ({ tokens }) => tokens?.has(name) || undefined) === true
  }

  /** The relations of `table.*`, or of `*`. */
  all(reference: Node | undefined): readonly Columns[] {
    const alias = nameOf(part(reference, 'table'))
    if (alias === undefined) return [...this.relations.values()]
    const columns = this.relations.get(alias)
    return columns === undefined ? [] : [columns]
  }

  #find<T>(reference: Node, pick: (columns: Columns) => T | undefined): T | undefined {
    const alias = nameOf(part(reference, 'table'))
    const named = alias === undefined ? undefined : this.relations.get(alias)
    if (named !== undefined) return pick(named)
    if (alias === undefined) {
      for (const columns of this.relations.values()) {
        const found = pick(columns)
        if (found !== undefined) return found
      }
    }
    return this.#outer === undefined ? undefined : this.#outer.#find(reference, pick)
  }
}

/** Whether a selection is `*` or `table.*`. */
export function isAll(selection: Node | undefined): boolean {
  return (
    selection?.kind === 'SelectAllNode' ||
    (selection?.kind === 'ReferenceNode' && (member(selection, 'column') as Node).kind === 'SelectAllNode')
  )
}
