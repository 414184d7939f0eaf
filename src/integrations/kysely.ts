/**
 * Kysely: a plugin that encrypts what queries write into the columns it is told of, and decrypts what they select.
 *
 * It reads the query as Kysely built it. Raw SQL (`sql`…``) is not read: it meets ciphertext. What the database
 * cannot do with ciphertext (compare, sort, compute) is refused before anything is sent.
 */

import { rewrite } from './kysely/rewrite.ts'
import type { Columns } from './kysely/scope.ts'
import { type EncryptedTable, type Table, tableOf } from './kysely/tables.ts'
import type { EncryptedColumn } from './shared/column.ts'
import { located } from './shared/place.ts'
import { rowId } from './shared/row.ts'
import type { SearchColumn } from './shared/search-column.ts'
import type { KeywrightSource } from './shared/source.ts'

export interface EncryptionPluginOptions {
  /** By the table's name in the database, or 'schema.table'. */
  readonly tables: Readonly<Record<string, EncryptedTable>>
  /**
   * The name in results of a column of the database, where another plugin renames them before this one.
   * @default the same name
   */
  readonly resultName?: (column: string) => string
}

/** A `KyselyPlugin`. */
export interface EncryptionPlugin {
  transformQuery<N extends { readonly kind: string }>(args: { readonly queryId: object; readonly node: N }): N
  transformResult<R extends { readonly rows: readonly object[] }>(args: {
    readonly queryId: object
    readonly result: R
  }): Promise<R>
  /** Loads the keys of all columns: await it before the first query. */
  ready(): Promise<void>
}

/**
 * The plugin: `new Kysely({ dialect, plugins: [encryptionPlugin(kw, { tables: { users: { row: 'id', columns: { email:
 * 'pii' }, tokens: { email_token: { of: 'email' } } } } })] })`.
 *
 * With `row`, values are bound to their row: an INSERT names the id, an UPDATE has `where(row, '=', id)`, a SELECT
 * selects it. Writing does not wait for keys: it throws ERR_KEY_NOT_LOADED before `ready()`. Queries it refuses throw
 * ERR_ARGUMENT_INVALID when they are compiled; values that do not open throw when they are read, naming the column.
 */
export function encryptionPlugin(
  source: KeywrightSource,
  options: EncryptionPluginOptions,
): EncryptionPlugin {
  const { resultName = (name) => name } = options
  const tables = new Map<string, Table>()
  for (const [name, table] of Object.entries(options.tables)) tables.set(name, tableOf(source, name, table))
  const results = new WeakMap<object, Columns>()
  return {
    transformQuery({ queryId, node }) {
      const rewritten = rewrite(node, tables)
      if (rewritten.result.encrypted.size > 0) results.set(queryId, rewritten.result)
      else results.delete(queryId)
      return rewritten.node
    },
    async transformResult({ queryId, result }) {
      const columns = results.get(queryId)
      if (columns === undefined || result.rows.length === 0) return result
      const rows: object[] = []
      for (const row of result.rows) rows.push(await decryptRow(row, columns, resultName))
      return { ...result, rows }
    },
    async ready() {
      for (const { columns, tokens } of tables.values()) {
        const all: (EncryptedColumn<unknown> | SearchColumn)[] = [...columns.values()]
        for (const one of [...all, ...[...tokens.values()].map(({ column }) => column)]) await one.ready()
      }
    },
  }
}

async function decryptRow(
  row: object,
  columns: Columns,
  resultName: (column: string) => string,
): Promise<Record<string, unknown>> {
  const done: Record<string, unknown> = { ...row }
  for (const [name, { column, from }] of columns.encrypted) {
    const at = resultName(name)
    const value = done[at]
    if (value === null || value === undefined) continue
    const idName = columns.rowIds.get(from)
    const where = `column "${column.name}"`
    const id =
      idName === undefined
        ? undefined
        : rowId(
            Reflect.get(row, resultName(idName)),
            where,
            `"${idName}" must come with the row, under a name of its own`,
          )
    try {
      done[at] = await column.decrypt(value, id)
    } catch (error) {
      throw at === name ? error : located(error, `result "${at}"`)
    }
  }
  return done
}

export type { EncryptedTable, TokenColumn } from './kysely/tables.ts'
export type { KeywrightSource }
