/** CSV and JSON Lines as one thing: records in, text out. */
import { KeywrightError } from '../../errors.ts'
import { didYouMean } from '../../nearest.ts'
import type { Chooser } from './chooser.ts'
import { formatCsv, readCsv } from './csv.ts'
import { formatJsonLines, readJsonLines } from './json-lines.ts'
import { utf8Text } from './utf8.ts'

export type Format = 'csv' | 'jsonl'
export type PlainObject = Record<string, unknown>

export interface TableRow {
  readonly line: number
  readonly record: PlainObject
}

export interface TableReader {
  /** The columns of CSV; undefined for JSON Lines, whose lines may differ. */
  readonly columns: readonly string[] | undefined
  readonly rows: AsyncIterable<TableRow>
  /** Text of records, in the format of the input or as JSON Lines. */
  format(records: readonly PlainObject[], as: Format): string
  /** What stands before the records. */
  head(as: Format): string
}

/** Opens a table. `keepEmpty`: an empty CSV value is a value, else it stays empty whatever its column. */
export async function readTable(
  source: AsyncIterable<Uint8Array | string>,
  format: Format,
  keepEmpty: boolean,
): Promise<TableReader> {
  let mark = ''
  const text = utf8Text(source, () => {
    mark = '\ufeff'
  })
  if (format === 'jsonl') {
    return { columns: undefined, rows: readJsonLines(text), format: formatJsonLines, head: () => '' }
  }
  let newline: '\n' | '\r\n' = '\n'
  const rows = readCsv(text, (found) => {
    newline = found
  })
  const first = await rows.next()
  if (first.done === true) {
    throw new KeywrightError('ERR_INPUT_INVALID', 'the input is empty', {
      hint: 'a CSV file begins with its header',
    })
  }
  const columns = checkedHeader(first.value.values)
  const toValues = (record: PlainObject): string[] => columns.map((column) => toText(record[column]))
  return {
    columns,
    rows: toRecords(rows, columns, keepEmpty),
    format: (records, as) =>
      as === 'jsonl' ? formatJsonLines(records) : formatCsv(records.map(toValues), newline),
    head: (as) => (as === 'jsonl' ? '' : mark + formatCsv([columns], newline)),
  }
}

async function* toRecords(
  rows: AsyncIterable<{ line: number; values: string[] }>,
  columns: readonly string[],
  keepEmpty: boolean,
): AsyncGenerator<TableRow> {
  for await (const { line, values } of rows) {
    const entries = columns.map((column, at) => {
      const value = values[at] ?? ''
      return [column, value === '' && !keepEmpty ? null : value] as const
    })
    yield { line, record: Object.fromEntries(entries) }
  }
}

/** What CSV holds of a value; an object (an encrypted JSON value that was opened) as JSON. */
function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function checkedHeader(columns: readonly string[]): readonly string[] {
  const twice = columns.find((column, at) => columns.indexOf(column) !== at)
  if (twice === undefined) return columns
  throw new KeywrightError('ERR_INPUT_INVALID', `the header names ${JSON.stringify(twice)} twice`, {
    hint: 'give each column a name of its own',
  })
}

/** Throws ERR_INPUT_INVALID for a column that the command names and the header does not. */
export function assertColumns(columns: readonly string[], chooser: Chooser, rowId: string | undefined): void {
  const named = [...chooser.stated, ...(rowId === undefined ? [] : [rowId])]
  const missing = named.find((name) => !columns.includes(name))
  if (missing === undefined) return
  throw new KeywrightError('ERR_INPUT_INVALID', `the input has no column ${JSON.stringify(missing)}`, {
    hint: didYouMean(missing, columns) || `columns: ${columns.join(', ')}`,
    details: { column: missing },
  })
}
