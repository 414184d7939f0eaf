/** The SQL of a source. Names come from the catalog and are quoted; values are parameters. */
import { CHECKPOINT_TABLE } from '../shared/checkpoint-table.ts'
import { identifier } from '../shared/table-name.ts'
import { type Statement, statement } from './connections.ts'
import type { Column, Layout } from './layout.ts'

const list = (parts: readonly string[]): string => parts.join(', ')
const column = (name: string): string => `t.${identifier(name)}`

/** A value as text that does not depend on the settings of the session. */
const asText = ({ isBytes, name }: Column): string =>
  isBytes ? `pg_catalog.encode(${column(name)}, 'hex')` : `${column(name)}::text`

/** What `text` (an expression) stands for, as the type of the column. */
const asValue = ({ cast, isBytes }: Column, text: string): string =>
  isBytes ? `pg_catalog.decode(${text}, 'hex')` : `${text}::${cast}`

/** An element of an array that is unnested: bytes are still hex. */
const element = ({ isBytes }: Column, name: string): string =>
  isBytes ? `pg_catalog.decode(${name}, 'hex')` : name

const arrayType = ({ cast, isBytes }: Column): string => (isBytes ? 'text[]' : `${cast}[]`)

/** Arrays side by side: the short form, unnest of several, only exists without the schema before it. */
const rowsFrom = (arrays: readonly string[]): string =>
  `ROWS FROM (${list(arrays.map((array) => `pg_catalog.unnest(${array})`))})`

const keyNames = ({ key }: Layout): string => list(key.map(({ name }) => column(name)))

/** `(t."a", t."b") > ($1, $2)`: one comparison, which an index on the key serves. */
function bound({ key }: Layout, operator: string, first: number): string {
  const names = key.map(({ name }) => column(name))
  const values = key.map((one, at) => asValue(one, `$${first + at}`))
  return `ROW(${list(names)}) ${operator} ROW(${list(values)})`
}

/** A page. Parameters: the key to begin after, if any; the last key, if any. */
export function pageSql(
  layout: Layout,
  columns: readonly Column[],
  { after, limit, until }: { after: boolean; until: boolean; limit: number },
): Statement {
  const conditions = [
    ...(after ? [bound(layout, '>', 1)] : []),
    ...(until ? [bound(layout, '<=', after ? layout.key.length + 1 : 1)] : []),
  ]
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return statement(
    `SELECT ${list([...layout.key, ...columns].map(asText))} FROM ${layout.from} AS t${where}` +
      ` ORDER BY ${keyNames(layout)} LIMIT ${limit}`,
    true,
  )
}

/** Rows by key. Parameters: an array for each column of the key. */
export function keysSql(layout: Layout, columns: readonly Column[]): Statement {
  const { key } = layout
  const arrays = key.map((one, at) => `$${at + 1}::${arrayType(one)}`)
  const names = key.map((_, at) => `k${at}`)
  return statement(
    `SELECT ${list([...key, ...columns].map(asText))} FROM ${rowsFrom(arrays)} AS i(${list(names)})` +
      ` JOIN ${layout.from} AS t ON ${matches(layout)}`,
    true,
  )
}

const matches = ({ key }: Layout): string =>
  key.map((one, at) => `${column(one.name)} = ${element(one, `i.k${at}`)}`).join(' AND ')

/** Whether the column still holds what was read, byte by byte, whatever its collation takes for equal. */
function unchanged(one: Column, at: number): string {
  if (one.isBytes) return `${column(one.name)} IS NOT DISTINCT FROM ${element(one, `i.f${at}`)}`
  return `(${column(one.name)}::text COLLATE "C") IS NOT DISTINCT FROM i.f${at}`
}

/**
 * Writes a chunk, in one statement and so in one transaction. Parameters: an array for each column of the key, then one
 * of old values for each column, then one of new ones, the number of rows, and the checkpoint: table, name, text.
 * Gives how many rows were written and, unless it were all, their places.
 */
export function writeSql(layout: Layout, columns: readonly Column[], checkpoint: boolean): Statement {
  const keys = layout.key.length
  const count = columns.length
  const arrays = [
    ...layout.key.map((one, at) => `$${at + 1}::${arrayType(one)}`),
    ...Array.from({ length: 2 * count }, (_, at) => `$${keys + at + 1}::text[]`),
  ]
  const names = [
    ...layout.key.map((_, at) => `k${at}`),
    ...columns.map((_, at) => `f${at}`),
    ...columns.map((_, at) => `t${at}`),
  ]
  const sets = columns.map((one, at) => `${identifier(one.name)} = ${element(one, `i.t${at}`)}`)
  const conditions = [matches(layout), ...columns.map(unchanged)].join(' AND ')
  const all = `$${keys + 2 * count + 1}::bigint`
  const mark = checkpoint ? `, mark AS (${checkpointSql(layout, keys + 2 * count + 2)})` : ''
  return statement(
    `WITH done AS (UPDATE ${layout.from} AS t SET ${list(sets)}` +
      ` FROM ${rowsFrom(arrays)} WITH ORDINALITY AS i(${list(names)}, n)` +
      ` WHERE ${conditions} RETURNING i.n)${mark}` +
      ` SELECT pg_catalog.count(*)::text,` +
      ` CASE WHEN pg_catalog.count(*) < ${all} THEN pg_catalog.array_agg(n)::text END FROM done`,
    false,
  )
}

const checkpointTable = ({ schema }: Layout): string =>
  `${identifier(schema)}.${identifier(CHECKPOINT_TABLE)}`

function checkpointSql(layout: Layout, first: number): string {
  return (
    `INSERT INTO ${checkpointTable(layout)} AS c (table_name, name, text)` +
    ` VALUES ($${first}::text, $${first + 1}::text, $${first + 2}::text)` +
    ` ON CONFLICT (table_name, name) DO UPDATE SET text = EXCLUDED.text`
  )
}

/** The checkpoint alone, of a chunk in which nothing changes. Parameters: table, name, text. */
export const markSql = (layout: Layout): Statement => statement(checkpointSql(layout, 1), false)

/** Parameters: table, name. */
export const checkpointReadSql = (layout: Layout): Statement =>
  statement(`SELECT text FROM ${checkpointTable(layout)} WHERE table_name = $1 AND name = $2`, true)

/** Parameters: table, name. */
export const checkpointRemoveSql = (layout: Layout): Statement =>
  statement(`DELETE FROM ${checkpointTable(layout)} WHERE table_name = $1 AND name = $2`, false)

/** Whether the table of checkpoints is there. */
export const checkpointsExistSql = (layout: Layout): Statement =>
  statement(
    `SELECT 1::text FROM pg_catalog.pg_tables WHERE schemaname = ${literal(layout.schema)} AND tablename = '${CHECKPOINT_TABLE}'`,
    true,
  )

/** Makes the table of checkpoints. */
export const checkpointsCreateSql = (layout: Layout): Statement =>
  statement(
    `CREATE TABLE IF NOT EXISTS ${checkpointTable(layout)} (table_name text NOT NULL, name text NOT NULL,` +
      ' text text NOT NULL, PRIMARY KEY (table_name, name))',
    false,
  )

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** An estimate of the rows, and a count that ends soon. Parameters: none. */
export const rowsSql = (layout: Layout, most: number): Statement =>
  statement(
    `SELECT (SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = ${literal(regclass(layout))}::pg_catalog.regclass)::text,` +
      ` (SELECT pg_catalog.count(*) FROM (SELECT 1 FROM ${layout.from} LIMIT ${most + 1}) AS s)::text`,
    true,
  )

const regclass = ({ schema, table }: Layout): string => `${identifier(schema)}.${identifier(table)}`

/** Keys that cut the rows, or a sample of about so many per cent of their pages, into equal ranges. */
export function splitSql(layout: Layout, parts: number, percent: number | undefined): Statement {
  const { key } = layout
  const names = key.map((_, at) => `s.k${at}`)
  const inner = key.map((one, at) => `${column(one.name)} AS k${at}`)
  const texts = key.map((one, at) => (one.isBytes ? `pg_catalog.encode(s.k${at}, 'hex')` : `s.k${at}::text`))
  const sample = percent === undefined ? '' : ` TABLESAMPLE SYSTEM (${percent})`
  return statement(
    `SELECT ${list(texts)} FROM (SELECT ${list(inner)}, pg_catalog.row_number() OVER (ORDER BY ${keyNames(layout)}) AS n,` +
      ` pg_catalog.count(*) OVER () AS c FROM ${layout.from} AS t${sample}) AS s` +
      ` WHERE n < c AND n * ${parts} / c > (n - 1) * ${parts} / c ORDER BY ${list(names)}`,
    true,
  )
}
