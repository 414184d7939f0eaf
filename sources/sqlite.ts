/** The rows of a table in a SQLite file. Needs no package: `node:sqlite`. */
import { resolve } from 'node:path'
import type { SQLInputValue } from 'node:sqlite'
import type {
  KeysQuery,
  PageQuery,
  RowWrite,
  Source,
  SourceCallOptions,
  SourceDescription,
  SourcePage,
  WriteOutcome,
  WriteRequest,
} from '../src/source.ts'
import { invalid, sourceError } from './shared/errors.ts'
import { milliseconds } from './shared/options.ts'
import {
  assertCheckpointName,
  assertGoesOn,
  assertParts,
  checkedName,
  checkQuery,
  checkWrite,
  isKeysQuery,
} from './shared/requests.ts'
import { parseTableName } from './shared/table-name.ts'
import { Connection, type Session } from './sqlite/connection.ts'
import { type Column, columnsOf } from './sqlite/layout.ts'
import {
  CHECKPOINTS,
  countSql,
  keylessSql,
  pageSql,
  rowSql,
  splitSql,
  writeSql,
} from './sqlite/statements.ts'
import { keyOf, keyValues, toRow } from './sqlite/values.ts'

export interface SqliteSourceOptions {
  /** As reports and checkpoints call it: `[A-Za-z0-9][A-Za-z0-9_.-]{0,99}` */
  readonly name: string
  /** Path of the file. Relative to the working directory at the time of the call. */
  readonly path: string
  /** The table, as the schema spells it. */
  readonly table: string
  /** The columns of the unique key to page by. @default the primary key */
  readonly key?: readonly string[]
  /** How long a call waits for another process that writes, in ms. @default 5_000 */
  readonly busyTimeoutMs?: number
}

/**
 * The rows of a table. Opens the file with the first call, and makes none. A write is one transaction with its
 * checkpoint. Values that are overwritten are overwritten in the file too (`secure_delete`); a write-ahead log keeps
 * them until its next checkpoint.
 *
 * Throws ERR_ARGUMENT_INVALID for options that cannot be; calls throw ERR_SOURCE_INVALID, _UNAVAILABLE, _DENIED,
 * _FAILED, ERR_COLUMN_UNSUITABLE, ERR_ABORTED and ERR_CLOSED.
 */
export default function sqliteSource(options: SqliteSourceOptions): Source {
  return new SqliteSource(options)
}

class SqliteSource implements Source {
  readonly name: string
  readonly checkpoints: NonNullable<Source['checkpoints']>
  readonly #path: string
  readonly #connection: Connection

  constructor({ busyTimeoutMs = 5000, key, name, path, table }: SqliteSourceOptions) {
    this.name = checkedName(name)
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw invalid('"path" of a SQLite source names no file', 'pass the path of the database file')
    }
    this.#path = resolve(path)
    const { schema, table: inFile } = parseTableName(table)
    if (schema !== undefined && schema !== 'main') {
      throw invalid(
        '"table" of a SQLite source has a schema',
        'write the table alone; in double quotes if it has a dot',
      )
    }
    this.#connection = new Connection({
      name: this.name,
      path: this.#path,
      table: inFile,
      key,
      busyTimeoutMs: milliseconds('busyTimeoutMs', busyTimeoutMs),
    })
    this.checkpoints = {
      read: (checkpoint) => this.#readCheckpoint(checkpoint),
      remove: (checkpoint) => this.#removeCheckpoint(checkpoint),
    }
  }

  async describe({ signal }: SourceCallOptions = {}): Promise<SourceDescription> {
    return this.#connection.run(({ get, layout }) => {
      const [rows] = get(countSql(layout)) ?? []
      return {
        location: `sqlite:${this.#path} table ${layout.table}`,
        columns: [...layout.columns.values()].map(({ kind, name, type }) => ({ name, kind, type })),
        rows: Number(rows),
        warnings: [],
      }
    }, signal)
  }

  async read(query: PageQuery | KeysQuery): Promise<SourcePage> {
    checkQuery(this.name, query)
    return this.#connection.run(
      (session) => (isKeysQuery(query) ? this.#byKey(session, query) : this.#page(session, query)),
      query.signal,
    )
  }

  async write(request: WriteRequest): Promise<readonly WriteOutcome[]> {
    checkWrite(this.name, request)
    const { checkpoint, rows } = request
    return this.#connection.transaction((session) => {
      const { layout, statement } = session
      const columns = columnsOf(this.name, layout, request.columns)
      for (const column of columns) this.#assertWritable(column)
      const outcomes = rows.length === 0 ? [] : writeRows(session, columns, rows)
      if (checkpoint !== undefined) {
        session.database.exec(CHECKPOINTS.create)
        statement(CHECKPOINTS.write).run(layout.table, checkpoint.name, checkpoint.text)
      }
      return outcomes
    }, request.signal)
  }

  async split(parts: number, { signal }: SourceCallOptions = {}): Promise<readonly string[]> {
    assertParts(parts)
    assertGoesOn(this.name, signal)
    return this.#connection.run(({ all, get, layout }) => {
      const [rows] = get(countSql(layout)) ?? []
      const step = Math.max(1, Math.ceil(Number(rows) / parts))
      const found = all(splitSql(layout), [step])
      return found.slice(0, parts - 1).map((row) => keyOf(row, layout.key.length))
    }, signal)
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  #page({ all, get, layout }: Session, { after, columns, limit, until }: PageQuery): SourcePage {
    const wanted = columnsOf(this.name, layout, columns)
    const count = layout.key.length
    const bounds = [after, until].flatMap((one) => (one === undefined ? [] : keyValues(one, count)))
    const sql = pageSql(layout, wanted, { after: after !== undefined, until: until !== undefined })
    const rows = all(sql, [...bounds, limit]).map((row) => toRow(row, count))
    const last = rows[limit - 1]
    if (last !== undefined && last.key !== until) return { rows, next: last.key }
    this.#assertKeys({ get, layout })
    return { rows }
  }

  #byKey({ get, layout }: Session, { columns, keys }: KeysQuery): SourcePage {
    const sql = rowSql(layout, columnsOf(this.name, layout, columns))
    const count = layout.key.length
    return {
      rows: keys.flatMap((key) => {
        const row = get(sql, keyValues(key, count))
        return row === undefined ? [] : [toRow(row, count)]
      }),
    }
  }

  /** Rows without a key are on no page, and nobody would hear of them. */
  #assertKeys({ get, layout }: Pick<Session, 'get' | 'layout'>): void {
    if (layout.nullable.length === 0 || get(keylessSql(layout)) === undefined) return
    throw sourceError('ERR_SOURCE_INVALID', this.name, {
      says: `has rows whose key is NULL in ${layout.nullable.map((one) => JSON.stringify(one)).join(', ')}`,
      hint: 'give them a key, and declare the columns NOT NULL',
    })
  }

  #assertWritable({ kind, name, type }: Column): void {
    if (kind !== 'other') return
    throw sourceError('ERR_COLUMN_UNSUITABLE', this.name, {
      says: `has a column ${JSON.stringify(name)} of type ${type}, which holds no ciphertext`,
      hint: 'make it TEXT (kw1.… as text) or BLOB',
      details: { column: name },
    })
  }

  async #readCheckpoint(name: string): Promise<string | undefined> {
    assertCheckpointName(name)
    return this.#connection.run(({ get, layout }) => {
      if (get(CHECKPOINTS.exists) === undefined) return undefined
      const [text] = get(CHECKPOINTS.read, [layout.table, name]) ?? []
      return typeof text === 'string' ? text : undefined
    })
  }

  async #removeCheckpoint(name: string): Promise<void> {
    assertCheckpointName(name)
    await this.#connection.transaction(({ get, layout, statement }) => {
      if (get(CHECKPOINTS.exists) === undefined) return
      statement(CHECKPOINTS.remove).run(layout.table, name)
    })
  }
}

function writeRows(
  { get, layout, statement }: Session,
  columns: readonly Column[],
  rows: readonly RowWrite[],
): WriteOutcome[] {
  const count = layout.key.length
  const update = statement(writeSql(layout, columns))
  return rows.map(({ from, key, to }) => {
    const place = keyValues(key, count)
    const values = [...to, ...place, ...from] as SQLInputValue[]
    if (Number(update.run(...values).changes) > 0) return 'written'
    return get(rowSql(layout, []), place) === undefined ? 'gone' : 'changed'
  })
}
