/** The rows of a PostgreSQL table. Needs the package `pg`. */
import {
  type KeysQuery,
  KeywrightError,
  type PageQuery,
  type RowWrite,
  type Source,
  type SourceCallOptions,
  type SourceCheckpoint,
  type SourceDescription,
  type SourcePage,
  type WriteOutcome,
  type WriteRequest,
} from '../src/source.ts'
import { Checkpoints } from './postgres/checkpoints.ts'
import { Connections } from './postgres/connections.ts'
import { type Column, columnsOf, type Layout, readLayout } from './postgres/layout.ts'
import type { PgConnection, PgLib, PgPool, TextRow } from './postgres/lib.ts'
import { keysSql, markSql, pageSql, rowsSql, splitSql, writeSql } from './postgres/statements.ts'
import { arrayLiteral, fromText, toText } from './postgres/values.ts'
import { sourceError } from './shared/errors.ts'
import { formatKey, parseKey } from './shared/keys.ts'
import { milliseconds, wholeNumber } from './shared/options.ts'
import {
  assertGoesOn,
  assertParts,
  checkedName,
  checkQuery,
  checkWrite,
  isKeysQuery,
} from './shared/requests.ts'
import { parseTableName, type TableName } from './shared/table-name.ts'

export type { PgConnection, PgLib, PgPool } from './postgres/lib.ts'

export interface PostgresSourceOptions {
  /** As reports and checkpoints call it: `[A-Za-z0-9][A-Za-z0-9_.-]{0,99}` */
  readonly name: string
  /** 'users' or 'app.users', as the catalog spells it; in double quotes where a name has a dot. */
  readonly table: string
  /** The columns of the unique key to page by; all NOT NULL. @default the primary key */
  readonly key?: readonly string[]
  /** As pg takes it: postgres://user:password@host:5432/database?sslmode=verify-full. Or `pool`, or `client`. */
  readonly url?: string
  /** A pool of the application's own. It is not ended by `close`. Deadlines of the server are its own settings. */
  readonly pool?: PgPool
  /** A connected client of the application's own; not in a transaction, since writes are durable only without one. */
  readonly client?: PgConnection
  /** The module `pg`. @default the installed one */
  readonly lib?: PgLib
  /** Behind PgBouncer in transaction mode: no prepared statements, no settings. @default false, or as in the URL */
  readonly pgbouncer?: boolean
  /** Size of the pool that is made. @default 5 */
  readonly maxConnections?: number
  /** How long a connection may take, in ms. @default 5_000 */
  readonly connectTimeoutMs?: number
  /** How long the server may work on a statement, in ms. @default 60_000 */
  readonly statementTimeoutMs?: number
  /** How long a statement waits for a lock, in ms. @default 5_000 */
  readonly lockTimeoutMs?: number
}

/** Counting more rows takes longer than anybody wants to wait for a description. */
const COUNTED_ROWS = 200_000
/** Rows of the sample by which a large table is cut. */
const SAMPLED_ROWS = 50_000

/**
 * The rows of a table. Connects with the first call. A write is one statement, and so one transaction, with its
 * checkpoint; after ERR_SOURCE_UNAVAILABLE it happened wholly or not at all, which reading the rows again shows.
 *
 * Throws ERR_ARGUMENT_INVALID for options that cannot be; calls throw ERR_SOURCE_INVALID, _UNAVAILABLE, _DENIED,
 * _FAILED, ERR_COLUMN_UNSUITABLE, ERR_CONFIG_INVALID, ERR_DEPENDENCY_MISSING, ERR_ABORTED and ERR_CLOSED.
 */
export default function postgresSource(options: PostgresSourceOptions): Source {
  return new PostgresSource(options)
}

class PostgresSource implements Source {
  readonly name: string
  readonly checkpoints: NonNullable<Source['checkpoints']>
  readonly #table: TableName
  readonly #key: readonly string[] | undefined
  readonly #connections: Connections
  readonly #checkpoints: Checkpoints
  #layout: Promise<Layout> | undefined

  constructor(options: PostgresSourceOptions) {
    this.name = checkedName(options.name)
    this.#table = parseTableName(options.table)
    this.#key = options.key
    this.#connections = new Connections({
      name: this.name,
      url: options.url,
      pool: options.pool,
      client: options.client,
      lib: options.lib,
      pgbouncer: options.pgbouncer,
      maxConnections: wholeNumber('maxConnections', options.maxConnections ?? 5),
      connectTimeoutMs: milliseconds('connectTimeoutMs', options.connectTimeoutMs ?? 5000),
      statementTimeoutMs: milliseconds('statementTimeoutMs', options.statementTimeoutMs ?? 60_000),
      lockTimeoutMs: milliseconds('lockTimeoutMs', options.lockTimeoutMs ?? 5000),
    })
    this.#checkpoints = new Checkpoints(this.name, this.#connections)
    this.checkpoints = {
      read: async (name) => this.#checkpoints.read(await this.#known(), name),
      remove: async (name) => this.#checkpoints.remove(await this.#known(), name),
    }
  }

  async describe({ signal }: SourceCallOptions = {}): Promise<SourceDescription> {
    assertGoesOn(this.name, signal)
    const layout = await this.#known()
    const rows = await this.#rows(layout, signal)
    const place = `${layout.schema}.${layout.table}`
    return {
      location: `${await this.#connections.location()} table ${place}`,
      columns: [...layout.columns.values()].map(({ kind, maxLength, name, type }) => ({
        name,
        kind,
        type,
        ...(maxLength === undefined ? {} : { maxLength }),
      })),
      rows,
      warnings: layout.hasChildren
        ? [`tables inherit from ${place}: their rows are not in this source, declare each of them`]
        : [],
    }
  }

  async read(query: PageQuery | KeysQuery): Promise<SourcePage> {
    checkQuery(this.name, query)
    const layout = await this.#known()
    const columns = await this.#columns(query.columns)
    const keys = layout.key.length
    if (isKeysQuery(query)) {
      if (query.keys.length === 0) return { rows: [] }
      const arrays = keyArrays(layout, query.keys)
      return { rows: toRows(await this.#run(keysSql(layout, columns), arrays, query.signal), keys, columns) }
    }
    const { after, limit, until } = query
    const sql = pageSql(layout, columns, { after: after !== undefined, until: until !== undefined, limit })
    const bounds = [after, until].flatMap((one) => (one === undefined ? [] : parseKey(one, keys)))
    const rows = toRows(await this.#run(sql, bounds, query.signal), keys, columns)
    const last = rows[limit - 1]
    return last === undefined || last.key === until ? { rows } : { rows, next: last.key }
  }

  async write(request: WriteRequest): Promise<readonly WriteOutcome[]> {
    checkWrite(this.name, request)
    const { checkpoint, rows, signal } = request
    const layout = await this.#known()
    const columns = await this.#columns(request.columns)
    for (const column of columns) this.#assertWritable(column)
    if (checkpoint !== undefined) await this.#checkpoints.ensure(layout, signal)
    try {
      return await this.#write(layout, columns, rows, checkpoint, signal)
    } catch (error) {
      // Somebody may have dropped the table of checkpoints; the next write makes it again.
      if (error instanceof KeywrightError && error.code === 'ERR_SOURCE_INVALID') this.#forget()
      throw error
    }
  }

  async split(parts: number, { signal }: SourceCallOptions = {}): Promise<readonly string[]> {
    assertParts(parts)
    assertGoesOn(this.name, signal)
    const layout = await this.#known()
    const rows = await this.#rows(layout, signal)
    const percent = rows > COUNTED_ROWS ? Math.min(100, (100 * SAMPLED_ROWS) / rows) : undefined
    const found = await this.#run(splitSql(layout, parts, percent), [], signal)
    return found.map((row) => formatKey(row, layout.key.length))
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  async #write(
    layout: Layout,
    columns: readonly Column[],
    rows: readonly RowWrite[],
    checkpoint: SourceCheckpoint | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly WriteOutcome[]> {
    const mark = checkpoint === undefined ? [] : [layout.table, checkpoint.name, checkpoint.text]
    if (rows.length === 0) {
      if (checkpoint !== undefined) await this.#run(markSql(layout), mark, signal)
      return []
    }
    const keys = rows.map(({ key }) => key)
    const values = [
      ...keyArrays(layout, keys),
      ...columns.map((column, at) => arrayLiteral(rows.map(({ from }) => toText(from[at] ?? null, column)))),
      ...columns.map((column, at) => arrayLiteral(rows.map(({ to }) => toText(to[at] ?? null, column)))),
      String(rows.length),
      ...mark,
    ]
    const [result] = await this.#run(writeSql(layout, columns, checkpoint !== undefined), values, signal)
    const [count, places] = result ?? []
    if (Number(count) === rows.length) return rows.map(() => 'written')
    return this.#outcomes(layout, keys, places ?? '{}')
  }

  /** Which rows were written, and which of the others are still there. What was written is told whatever the signal says. */
  async #outcomes(layout: Layout, keys: readonly string[], places: string): Promise<WriteOutcome[]> {
    const written = new Set(places.slice(1, -1).split(',').map(Number))
    const open = keys.filter((_, at) => !written.has(at + 1))
    const found = await this.#run(keysSql(layout, []), keyArrays(layout, open))
    const there = new Set(found.map((row) => formatKey(row, layout.key.length)))
    return keys.map((key, at) => (written.has(at + 1) ? 'written' : there.has(key) ? 'changed' : 'gone'))
  }

  #run(
    sql: Parameters<Connections['run']>[0],
    values: readonly (string | null)[],
    signal?: AbortSignal,
  ): Promise<readonly TextRow[]> {
    return this.#connections.run(sql, values, signal)
  }

  async #rows(layout: Layout, signal: AbortSignal | undefined): Promise<number> {
    const [row] = await this.#run(rowsSql(layout, COUNTED_ROWS), [], signal)
    const [estimated, counted] = (row ?? []).map(Number)
    const exact = counted ?? 0
    return exact <= COUNTED_ROWS ? exact : Math.max(exact, estimated ?? 0)
  }

  /** The layout, read once; a failure is forgotten. */
  async #known(): Promise<Layout> {
    this.#connections.assertOpen()
    const wanted = { name: this.name, table: this.#table, key: this.#key }
    this.#layout ??= readLayout(this.#connections, wanted).catch((error: unknown) => {
      this.#layout = undefined
      throw error
    })
    return this.#layout
  }

  #forget(): void {
    this.#layout = undefined
    this.#checkpoints.forget()
  }

  /** A column that is not known may have been added since. */
  async #columns(names: readonly string[]): Promise<readonly Column[]> {
    const layout = await this.#known()
    if (!names.every((name) => layout.columns.has(name))) this.#forget()
    return columnsOf(this.name, await this.#known(), names)
  }

  #assertWritable({ kind, name, type }: Column): void {
    if (kind !== 'other') return
    throw sourceError('ERR_COLUMN_UNSUITABLE', this.name, {
      says: `has a column ${JSON.stringify(name)} of type ${type}, which holds no ciphertext`,
      hint: 'make it text (kw1.… as text) or bytea',
      details: { column: name },
    })
  }
}

/** An array for each column of the key. */
function keyArrays({ key }: Layout, keys: readonly string[]): string[] {
  if (key.length === 1) return [arrayLiteral(keys)]
  const parsed = keys.map((one) => parseKey(one, key.length))
  return key.map((_, at) => arrayLiteral(parsed.map((texts) => texts[at] ?? null)))
}

function toRows(rows: readonly TextRow[], keys: number, columns: readonly Column[]): SourcePage['rows'] {
  const kinds = columns.map(({ isBytes }) => isBytes)
  return rows.map((row) => ({
    key: formatKey(row, keys),
    values: kinds.map((isBytes, at) => fromText(row[keys + at] ?? null, isBytes)),
  }))
}
