/** The encrypted columns of the tables that the plugin knows. */
import type { FieldType } from '../../data/codecs.ts'
import type { HashOptions } from '../../data/search/blind-index.ts'
import { KeywrightError } from '../../errors.ts'
import { type ColumnOptions, EncryptedColumn } from '../shared/column.ts'
import type { RowIdForm } from '../shared/row.ts'
import { SearchColumn } from '../shared/search-column.ts'
import type { KeywrightSource } from '../shared/source.ts'

/** A column of search tokens, filled in by the plugin. */
export interface TokenColumn extends HashOptions {
  /** The encrypted column whose values are searched. */
  readonly of: string
}

/** What is encrypted in one table. Names are those of the database. */
export interface EncryptedTable {
  /** The table in the context of its values. @default its name */
  readonly table?: string
  /** The column that holds the row's id. With it values are bound to their row. @default not bound to rows */
  readonly row?: string
  /**
   * 'exact' refuses ids that a database may write in another form: '007', an upper-case UUID. @default 'exact'
   */
  readonly rowForm?: RowIdForm
  /** The encrypted columns: a key type, options, or `{}` for what the policy's selectors say. */
  readonly columns: Readonly<Record<string, string | ColumnOptions<FieldType>>>
  readonly tokens?: Readonly<Record<string, TokenColumn>>
}

/** One table, ready to use. */
export interface Table {
  readonly name: string
  readonly row: string | undefined
  readonly rowForm: RowIdForm | undefined
  readonly columns: ReadonlyMap<string, EncryptedColumn<unknown>>
  readonly tokens: ReadonlyMap<string, { readonly of: string; readonly column: SearchColumn }>
}

/** Throws ERR_ARGUMENT_INVALID for a token of a column that is not encrypted, or a row id that is. */
export function tableOf(source: KeywrightSource, name: string, options: EncryptedTable): Table {
  const { table = name, row, rowForm, tokens = {} } = options
  const columns = new Map<string, EncryptedColumn<unknown>>()
  for (const [column, of] of Object.entries(options.columns)) {
    const more = typeof of === 'string' ? { keyType: of } : of
    columns.set(column, new EncryptedColumn(source, `${table}.${column}`, more))
  }
  if (row !== undefined && columns.has(row)) throw wrong(name, 'the row id cannot be encrypted')
  const searched = new Map<string, { of: string; column: SearchColumn }>()
  for (const [token, { of, ...hash }] of Object.entries(tokens)) {
    if (!columns.has(of) || columns.has(token))
      throw wrong(name, `"${token}" is no token of an encrypted column`)
    const { tenant } = tenantOf(options.columns[of])
    const more = tenant === undefined ? {} : { tenant }
    searched.set(token, { of, column: new SearchColumn(source, `${table}.${of}`, { ...hash, ...more }) })
  }
  return { name, row, rowForm, columns, tokens: searched }
}

/** The same name in another spelling: camelCase for snake_case, other capitals. */
const spelling = (name: string): string => name.replaceAll('_', '').toLowerCase()

/** Throws where `name` is one of `known` but for its spelling: what is written there would not be encrypted. */
export function refuseOtherSpelling(name: string, known: Iterable<string>, what: string): void {
  for (const one of known) {
    if (one !== name && spelling(one) === spelling(name)) {
      throw new KeywrightError(
        'ERR_ARGUMENT_INVALID',
        `${what} is configured as "${one}", and the query spells it otherwise`,
        {
          hint: 'names are those of the database: list CamelCasePlugin before this plugin, and give it resultName',
        },
      )
    }
  }
}

/** The same for a column of a table that is written. */
export function refuseOtherColumn(table: Table, name: string): void {
  if (table.columns.has(name) || table.tokens.has(name) || name === table.row) return
  refuseOtherSpelling(name, [...table.columns.keys(), ...table.tokens.keys()], `a column of "${table.name}"`)
}

const tenantOf = (of: string | ColumnOptions<FieldType> | undefined): { readonly tenant?: string } =>
  of === undefined || typeof of === 'string' ? {} : of

function wrong(table: string, what: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `table "${table}": ${what}`, {
    hint: 'columns names what is encrypted; tokens: { email_token: { of: "email" } }; row names a plain column',
  })
}
