/** What the file says of the table: its columns, and by which unique key rows are told apart. */
import type { DatabaseSync } from 'node:sqlite'
import type { SourceColumn } from '../../src/source.ts'
import { quotedName, sourceError } from '../shared/errors.ts'
import { identifier } from '../shared/table-name.ts'

export interface Column extends SourceColumn {
  /** Declared without a type: values keep the type they were given. */
  readonly isUntyped: boolean
  readonly notNull: boolean
}

export interface Layout {
  readonly table: string
  /** The table in SQL. */
  readonly from: string
  readonly columns: ReadonlyMap<string, Column>
  readonly key: readonly string[]
  /** Columns of the key that SQLite would let be NULL: https://sqlite.org/quirks.html */
  readonly nullable: readonly string[]
}

interface Wanted {
  readonly name: string
  readonly table: string
  readonly key: readonly string[] | undefined
}

type Row = Readonly<Record<string, unknown>>

/** Reads the schema. Throws ERR_SOURCE_INVALID. */
export function readLayout(database: DatabaseSync, wanted: Wanted): Layout {
  const { name, table } = wanted
  const found = database.prepare(
    "SELECT type FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')",
  )
  const kind = found.get(table)?.['type']
  if (kind !== 'table') {
    throw sourceError('ERR_SOURCE_INVALID', name, {
      says:
        kind === 'view' ? `names ${quotedName(table)}, which is a view` : `has no table ${quotedName(table)}`,
      hint: 'check "table": its name is taken as it is written, in upper and lower case',
    })
  }
  const rows = database.prepare('SELECT * FROM pragma_table_xinfo(?)').all(table) as Row[]
  const columns = new Map(rows.map((row) => [String(row['name']), columnOf(row)]))
  const hasRowid = database.prepare('SELECT wr FROM pragma_table_list(?)').get(table)?.['wr'] !== 1
  const primary = rows
    .filter((row) => Number(row['pk']) > 0)
    .sort((a, b) => Number(a['pk']) - Number(b['pk']))
    .map((row) => String(row['name']))
  const key = wanted.key === undefined ? primary : uniqueKey(database, wanted, primary)
  if (key.length === 0) {
    throw sourceError('ERR_SOURCE_INVALID', name, {
      says: `has a table ${quotedName(table)} without a primary key`,
      hint: 'add a primary key, or a unique index on columns that are NOT NULL, and name those as "key"',
    })
  }
  const isRowid = hasRowid && primary.length === 1 && isInteger(rows, primary[0])
  const nullable = key.filter((column) => columns.get(column)?.notNull === false)
  return {
    table,
    from: identifier(table),
    columns,
    key,
    nullable:
      isRowid && key[0] === primary[0] && key.length === 1 ? [] : hasRowid || wanted.key ? nullable : [],
  }
}

const isInteger = (rows: readonly Row[], column: string | undefined): boolean =>
  rows.some((row) => row['name'] === column && String(row['type']).toUpperCase() === 'INTEGER')

/** By the rules of affinity: https://sqlite.org/datatype3.html#determination_of_column_affinity */
function columnOf(row: Row): Column {
  const type = String(row['type'])
  const upper = type.toUpperCase()
  const isText = !upper.includes('INT') && /CHAR|CLOB|TEXT/.test(upper)
  const isBytes = !isText && !upper.includes('INT') && upper.includes('BLOB')
  const isGenerated = Number(row['hidden']) > 1
  const isUntyped = type === ''
  const kind = isText || isUntyped ? 'text' : isBytes ? 'bytes' : 'other'
  return {
    name: String(row['name']),
    kind: isGenerated ? 'other' : kind,
    type: isGenerated ? `${type} (generated)` : type,
    isUntyped,
    notNull: Number(row['notnull']) === 1,
  }
}

function uniqueKey(database: DatabaseSync, wanted: Wanted, primary: readonly string[]): readonly string[] {
  const { key = [], name, table } = wanted
  const same = (columns: readonly string[]): boolean =>
    columns.length === key.length && key.every((column) => columns.includes(column))
  if (same(primary)) return primary
  const indexes = database.prepare(
    'SELECT i.name FROM pragma_index_list(?) AS i WHERE i."unique" = 1 AND i.partial = 0',
  )
  for (const { name: index } of indexes.all(table)) {
    const parts = database
      .prepare('SELECT name FROM pragma_index_info(?) ORDER BY seqno')
      .all(index as string)
    const columns = parts.map((part) => String(part['name']))
    if (same(columns)) return columns
  }
  throw sourceError('ERR_SOURCE_INVALID', name, {
    says: `has a "key" of columns (${key.map(quotedName).join(', ')}) that are no unique key`,
    hint: 'name the columns of the primary key or of a unique index; or leave "key" out for the primary key',
  })
}

/** The columns by name. Throws ERR_SOURCE_INVALID for one that the table does not have. */
export function columnsOf(
  name: string,
  { columns, table }: Layout,
  names: readonly string[],
): readonly Column[] {
  return names.map((column) => {
    const found = columns.get(column)
    if (found !== undefined) return found
    throw sourceError('ERR_SOURCE_INVALID', name, {
      says: `has no column ${quotedName(column)} in table ${quotedName(table)}`,
      hint: `its columns are ${[...columns.keys()].slice(0, 30).map(quotedName).join(', ')}`,
    })
  })
}
