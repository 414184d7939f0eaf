/** The SQL of a source. Names come from the schema and are quoted; values are parameters. */
import { CHECKPOINT_TABLE } from '../shared/checkpoint-table.ts'
import { identifier } from '../shared/table-name.ts'
import type { Column, Layout } from './layout.ts'

const list = (names: readonly string[]): string => names.map(identifier).join(', ')
/** Under names that keep their order in an object. */
const selected = (names: readonly string[]): string =>
  names.map((name, at) => `${identifier(name)} AS c${at}`).join(', ')
const marks = (count: number): string => Array.from({ length: count }, () => '?').join(', ')
const tuple = (inner: string): string => `(${inner})`

/** Qualified, since a column may be called like one of the names above. */
const ordered = (key: readonly string[], from: string): string =>
  key.map((name) => `${from}.${identifier(name)}`).join(', ')

/** A page: the key to begin after, if any; the last key, if any; the limit. */
export function pageSql(
  { from, key }: Layout,
  columns: readonly Column[],
  { after, until }: { after: boolean; until: boolean },
): string {
  const bounds = [
    ...(after ? [`${tuple(list(key))} > ${tuple(marks(key.length))}`] : []),
    ...(until ? [`${tuple(list(key))} <= ${tuple(marks(key.length))}`] : []),
  ]
  const where = bounds.length === 0 ? '' : ` WHERE ${bounds.join(' AND ')}`
  return `SELECT ${selected([...key, ...columns.map(({ name }) => name)])} FROM ${from}${where} ORDER BY ${ordered(key, from)} LIMIT ?`
}

const byKey = (key: readonly string[]): string =>
  key.map((column) => `${identifier(column)} = ?`).join(' AND ')

/** One row: its key. */
export function rowSql({ from, key }: Layout, columns: readonly Column[]): string {
  const names = [...key, ...columns.map(({ name }) => name)]
  return `SELECT ${selected(names)} FROM ${from} WHERE ${byKey(key)}`
}

/** Whether any row has no key. */
export const keylessSql = ({ from, nullable }: Layout): string =>
  `SELECT 1 FROM ${from} WHERE ${nullable.map((column) => `${identifier(column)} IS NULL`).join(' OR ')} LIMIT 1`

/** Writes one row: new values, its key, old values. Compared byte by byte, whatever the collation takes for equal. */
export function writeSql({ from, key }: Layout, columns: readonly Column[]): string {
  const sets = columns.map(({ name }) => `${identifier(name)} = ?`).join(', ')
  const same = columns.map((column) => `${stored(column)} COLLATE BINARY IS ?`).join(' AND ')
  return `UPDATE ${from} SET ${sets} WHERE ${byKey(key)} AND ${same}`
}

/** An integer in a column without a type was read as text, and is compared as such. */
function stored({ isUntyped, name }: Column): string {
  const column = identifier(name)
  return isUntyped
    ? `CASE typeof(${column}) WHEN 'integer' THEN CAST(${column} AS TEXT) ELSE ${column} END`
    : column
}

export const countSql = ({ from }: Layout): string => `SELECT count(*) AS c0 FROM ${from}`

/** Keys that cut the rows into ranges of so many. */
export const splitSql = ({ from, key }: Layout): string =>
  `SELECT ${key.map((_, at) => `c${at}`).join(', ')} FROM (SELECT ${selected(key)},` +
  ` row_number() OVER (ORDER BY ${ordered(key, from)}) AS n FROM ${from}) WHERE n % ? = 0 ORDER BY n`

/** Checkpoints, in the same file as the rows. Parameters: table, name, and the text. */
export const CHECKPOINTS = {
  create:
    `CREATE TABLE IF NOT EXISTS ${CHECKPOINT_TABLE} (table_name TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,` +
    ' PRIMARY KEY (table_name, name)) STRICT, WITHOUT ROWID',
  exists: `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '${CHECKPOINT_TABLE}'`,
  read: `SELECT text FROM ${CHECKPOINT_TABLE} WHERE table_name = ? AND name = ?`,
  write:
    `INSERT INTO ${CHECKPOINT_TABLE} (table_name, name, text) VALUES (?, ?, ?)` +
    ' ON CONFLICT (table_name, name) DO UPDATE SET text = excluded.text',
  remove: `DELETE FROM ${CHECKPOINT_TABLE} WHERE table_name = ? AND name = ?`,
} as const
