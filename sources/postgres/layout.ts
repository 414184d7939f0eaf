/** What the catalog says of the table: its columns, and by which unique key rows are told apart. */
import type { SourceColumn } from '../../src/source.ts'
import { quotedName, sourceError } from '../shared/errors.ts'
import { identifier, type TableName } from '../shared/table-name.ts'
import { type Connections, statement } from './connections.ts'
import type { TextRow } from './lib.ts'

export interface Column extends SourceColumn {
  /** Its type as a cast may name it, without a length. */
  readonly cast: string
  /** Its values are bytes, whether it may be written or not. */
  readonly isBytes: boolean
}

export interface Layout {
  readonly schema: string
  readonly table: string
  /** The table in SQL, without the rows of tables that inherit from it. */
  readonly from: string
  readonly columns: ReadonlyMap<string, Column>
  /** The columns of the key, in the order of its index. */
  readonly key: readonly Column[]
  /** Tables inherit from it. */
  readonly hasChildren: boolean
}

const BYTEA = '17'
const WITH_LENGTH = ['1042', '1043'] // character(n), character varying(n)
/** "char" and name: short ones of the catalog. */
const NO_TEXT = ['18', '19']
/** What PostgreSQL puts before the length it was told. */
const MODIFIER_OFFSET = 4

const TABLE = statement(
  `SELECT c.oid::text, n.nspname, c.relname, c.relkind,
     EXISTS (SELECT 1 FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)::text
   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = pg_catalog.to_regclass($1)`,
  true,
)

const COLUMNS = statement(
  `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.format_type(a.atttypid, -1),
     b.oid::text, b.typcategory, (CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)::text,
     (a.attnotnull OR t.typnotnull)::text, (a.attgenerated <> '')::text
   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
     JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
   WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
  true,
)

/** Unique indexes over columns alone and over all rows; the primary key first. */
const KEYS = statement(
  `SELECT i.indisprimary::text, (
       SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
       FROM pg_catalog.unnest((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number)::text
   FROM pg_catalog.pg_index i
   WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid
     AND i.indpred IS NULL AND i.indexprs IS NULL
   ORDER BY i.indisprimary DESC, i.indexrelid`,
  true,
)

export interface Wanted {
  readonly name: string
  readonly table: TableName
  /** The columns of the unique key to use. */
  readonly key: readonly string[] | undefined
}

/** Reads the catalog. Throws ERR_SOURCE_INVALID, and what the connection throws. */
export async function readLayout(connections: Connections, wanted: Wanted): Promise<Layout> {
  const { name, table: given } = wanted
  const shown = [given.schema, given.table].filter((part) => part !== undefined)
  const [found] = await connections.run(TABLE, [shown.map(identifier).join('.')])
  const [oid, schema, table, kind, hasChildren] = found ?? []
  // Longer names are cut by the server, and then might be those of another table.
  if (typeof oid !== 'string' || typeof schema !== 'string' || table !== given.table) {
    throw sourceError('ERR_SOURCE_INVALID', name, {
      says: `has no table ${shown.map(quotedName).join('.')}`,
      hint: 'check "table": its name is taken as it is written, in upper and lower case, with its schema before a dot',
    })
  }
  if (kind !== 'r' && kind !== 'p') {
    throw sourceError('ERR_SOURCE_INVALID', name, {
      says: `names ${shown.map(quotedName).join('.')}, which is a view or foreign table`,
      hint: 'name the table behind it: rows are paged by its key and written one by one',
    })
  }
  const [columnRows, keyRows] = [await connections.run(COLUMNS, [oid]), await connections.run(KEYS, [oid])]
  const columns = new Map(columnRows.map((row) => [String(row[0]), columnOf(row)]))
  const notNull = new Set(columnRows.filter((row) => row[6] === 'true').map((row) => row[0]))
  const names = keyOf(wanted, keyRows, notNull)
  return {
    schema,
    table,
    from: `${kind === 'r' ? 'ONLY ' : ''}${identifier(schema)}.${identifier(table)}`,
    columns,
    key: names.map((column) => columns.get(column) as Column),
    hasChildren: kind === 'r' && hasChildren === 'true',
  }
}

function columnOf(row: TextRow): Column {
  const [name = '', type = '', cast = '', base = '', category, modifier, , generated] = row
  const isText = category === 'S' && !NO_TEXT.includes(base ?? '')
  const isBytes = base === BYTEA
  const length = Number(modifier) - MODIFIER_OFFSET
  const limited = WITH_LENGTH.includes(base ?? '') && length > 0
  return {
    name: name ?? '',
    kind: generated === 'true' ? 'other' : isText ? 'text' : isBytes ? 'bytes' : 'other',
    type: generated === 'true' ? `${type} (generated)` : (type ?? ''),
    cast: cast ?? '',
    isBytes,
    ...(limited ? { maxLength: length } : {}),
  }
}

function keyOf(
  { key: wanted, name, table }: Wanted,
  rows: readonly TextRow[],
  notNull: ReadonlySet<string | null | undefined>,
): readonly string[] {
  const keys = rows.map(([primary, columns]) => ({
    primary: primary === 'true',
    columns: JSON.parse(columns ?? '[]') as readonly string[],
  }))
  const usable = keys.filter(({ columns }) => columns.every((column) => notNull.has(column)))
  if (wanted === undefined) {
    const primary = usable.find((key) => key.primary)
    if (primary !== undefined) return primary.columns
    const other = usable[0]?.columns.map(quotedName).join(', ')
    throw sourceError('ERR_SOURCE_INVALID', name, {
      says: `has a table ${quotedName(table.table)} without a primary key`,
      hint:
        other === undefined
          ? 'add a primary key, or a unique index on columns that are NOT NULL, and name those as "key"'
          : `name the columns of a unique key as "key": ${other}`,
    })
  }
  const same = usable.find(
    ({ columns }) => columns.length === wanted.length && wanted.every((column) => columns.includes(column)),
  )
  if (same !== undefined) return same.columns
  throw sourceError('ERR_SOURCE_INVALID', name, {
    says: `has a "key" of columns (${wanted.map(quotedName).join(', ')}) that are no unique key`,
    hint: 'name the columns of a primary key or of a unique index, all of them NOT NULL; or leave "key" out for the primary key',
  })
}

/** The columns by name. Throws ERR_SOURCE_INVALID for one that the table does not have. */
export function columnsOf(name: string, layout: Layout, names: readonly string[]): readonly Column[] {
  return names.map((column) => {
    const found = layout.columns.get(column)
    if (found !== undefined) return found
    throw noSuchColumn(name, layout, column)
  })
}

function noSuchColumn(name: string, { columns, table }: Layout, column: string) {
  const folded = [...columns.keys()].find((other) => other.toLowerCase() === column.toLowerCase())
  return sourceError('ERR_SOURCE_INVALID', name, {
    says: `has no column ${quotedName(column)} in table ${quotedName(table)}`,
    hint:
      folded === undefined
        ? `its columns are ${[...columns.keys()].slice(0, 30).map(quotedName).join(', ')}`
        : `did you mean ${quotedName(folded)}? names are taken as they are written`,
  })
}
