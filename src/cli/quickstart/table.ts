/** The SQLite table of the quickstart: rows in clear, then the same rows encrypted in place. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

export type Row = Record<string, string | null>
/** A row with its number, to which its values are bound. */
export type NumberedRow = Row & { row_number: string }

const BATCH = 1000
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

export class ExampleTable {
  readonly #database: DatabaseSync
  readonly #name: string
  readonly #columns: readonly string[]
  readonly #tokenColumn: string

  /** Makes the table anew. `searchColumn` gets a companion column for its search token, with an index. */
  constructor(database: DatabaseSync, name: string, columns: readonly string[], searchColumn: string) {
    this.#database = database
    this.#name = name
    this.#columns = columns
    this.#tokenColumn = `${searchColumn}_token`
    const list = [...columns, this.#tokenColumn].map((column) => `${quote(column)} TEXT`).join(', ')
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA secure_delete = ON; -- what was in clear is overwritten, not just unlinked
      DROP TABLE IF EXISTS ${quote(name)};
      CREATE TABLE ${quote(name)} (row_number INTEGER PRIMARY KEY, ${list});
      CREATE INDEX ${quote(`${name}_${this.#tokenColumn}`)} ON ${quote(name)} (${quote(this.#tokenColumn)});`)
  }

  get tokenColumn(): string {
    return this.#tokenColumn
  }

  /** Adds rows as they are; resolves to how many. One transaction. */
  async insertAll(rows: AsyncIterable<Row>): Promise<number> {
    const insert = this.#prepareInsert()
    let count = 0
    this.#database.exec('BEGIN')
    for await (const row of rows) {
      insert.run(...this.#values(row), null)
      count++
    }
    this.#database.exec('COMMIT')
    return count
  }

  /** Adds one row and tells its number. `make` gets the number before the row is stored. */
  insertOne(make: (rowNumber: string) => { row: Row; token: string }): string {
    const { next } = this.#database
      .prepare(`SELECT coalesce(max(row_number), 0) + 1 AS next FROM ${quote(this.#name)}`)
      .get() as { next: number }
    const { row, token } = make(String(next))
    this.#prepareInsert().run(...this.#values(row), token)
    return String(next)
  }

  /** Replaces every row by what `change` makes of it, batch by batch. */
  replaceAll(change: (row: NumberedRow) => { row: Row; token: string | null }): void {
    const assignments = [...this.#columns, this.#tokenColumn]
      .map((column) => `${quote(column)} = ?`)
      .join(', ')
    const update = this.#database.prepare(
      `UPDATE ${quote(this.#name)} SET ${assignments} WHERE row_number = ?`,
    )
    let after = 0
    for (let batch = this.#read(after); batch.length > 0; batch = this.#read(after)) {
      this.#database.exec('BEGIN IMMEDIATE')
      for (const original of batch) {
        const { row, token } = change(original)
        update.run(...this.#values(row), token, Number(original.row_number))
        after = Number(original.row_number)
      }
      this.#database.exec('COMMIT')
    }
    this.#database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE);')
  }

  /** All rows in order. */
  *rows(): Generator<NumberedRow> {
    let after = 0
    for (let batch = this.#read(after); batch.length > 0; batch = this.#read(after)) {
      yield* batch
      after = Number(batch.at(-1)?.row_number)
    }
  }

  /** The first so many rows. */
  first(count: number): NumberedRow[] {
    return this.#read(0).slice(0, count)
  }

  /** One row; undefined when there is none. */
  get(rowNumber: string): NumberedRow | undefined {
    return this.#read(Number(rowNumber) - 1).find((row) => row.row_number === rowNumber)
  }

  /** The last row that has a search token. */
  lastSearchable(): NumberedRow | undefined {
    const token = quote(this.#tokenColumn)
    const row = this.#database
      .prepare(
        `SELECT * FROM ${quote(this.#name)} WHERE ${token} IS NOT NULL ORDER BY row_number DESC LIMIT 1`,
      )
      .get()
    return row === undefined ? undefined : numbered(row)
  }

  /** The rows whose search token is one of `tokens`, through the index. */
  find(tokens: readonly string[]): NumberedRow[] {
    const marks = tokens.map(() => '?').join(', ')
    const statement = this.#database.prepare(
      `SELECT * FROM ${quote(this.#name)} WHERE ${quote(this.#tokenColumn)} IN (${marks})`,
    )
    return statement.all(...tokens).map(numbered)
  }

  #read(after: number): NumberedRow[] {
    const statement = this.#database.prepare(
      `SELECT * FROM ${quote(this.#name)} WHERE row_number > ? ORDER BY row_number LIMIT ${BATCH}`,
    )
    return statement.all(after).map(numbered)
  }

  #prepareInsert(): StatementSync {
    const columns = [...this.#columns, this.#tokenColumn]
    return this.#database.prepare(
      `INSERT INTO ${quote(this.#name)} (${columns.map(quote).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    )
  }

  #values(row: Row): (string | null)[] {
    return this.#columns.map((column) => row[column] ?? null)
  }
}

function numbered(row: Record<string, unknown>): NumberedRow {
  return { ...(row as Row), row_number: String(row['row_number']) }
}
