/** CSV after RFC 4180, row by row. What the file does (line ends, byte order mark) the output does too. */
import { pipeline, Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { stringify } from 'csv-stringify/sync'
import { KeywrightError } from '../../errors.ts'

/** A field longer than this is a quote that was never closed. */
const MAX_ROW_CHARACTERS = 16 * 2 ** 20

export interface CsvRow {
  /** The line on which it ends, from 1. */
  readonly line: number
  readonly values: string[]
}

/** Rows, the header first. `onNewline` is called once, before the first row. */
export async function* readCsv(
  text: AsyncIterable<string>,
  onNewline: (newline: '\n' | '\r\n') => void,
): AsyncGenerator<CsvRow> {
  const parser = parse({ info: true, max_record_size: MAX_ROW_CHARACTERS })
  const source = Readable.from(sniffed(text, onNewline))
  pipeline(source, parser, () => undefined) // a failure of the source destroys the parser, which throws it below
  let columns = 0
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[]
      info: { lines: number }
    }>) {
      columns ||= record.length
      yield { line: info.lines, values: record }
    }
  } catch (error) {
    throw error instanceof CsvError ? toInputError(error, columns) : error
  } finally {
    source.destroy()
  }
}

async function* sniffed(
  text: AsyncIterable<string>,
  onNewline: (newline: '\n' | '\r\n') => void,
): AsyncGenerator<string> {
  let isFirst = true
  for await (const chunk of text) {
    if (isFirst) onNewline(newlineOf(chunk))
    isFirst = false
    yield chunk
  }
}

/** The first line end outside quotes. */
function newlineOf(text: string): '\n' | '\r\n' {
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') isQuoted = !isQuoted
    if (character === '\n' && !isQuoted) return text[at - 1] === '\r' ? '\r\n' : '\n'
  }
  return '\n'
}

/** The parser's own message quotes the data, so only its code and the line are used. */
function toInputError(error: CsvError, columns: number): KeywrightError {
  const line = Number(error['lines']) || 1
  const record: unknown = error['record']
  const found = Array.isArray(record) ? record.length : 0
  const [what, hint] =
    found > 0
      ? [
          `has ${fields(found)}, the header has ${columns}`,
          'a value with a comma, a quote or a line feed stands in quotes',
        ]
      : (FAULTS[error.code] ?? ['is not CSV', 'expected is RFC 4180: commas, double quotes, a header'])
  return new KeywrightError('ERR_INPUT_INVALID', `line ${line} ${what}`, { hint, details: { line } })
}

const fields = (number: number): string => `${number} field${number === 1 ? '' : 's'}`

const FAULTS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  CSV_QUOTE_NOT_CLOSED: ['opens a quote that is never closed', 'a quote inside a value is written twice: ""'],
  CSV_MAX_RECORD_SIZE: ['is in a row that is too long', 'is a quote never closed? rows have 16 MiB at most'],
  INVALID_OPENING_QUOTE: [
    'has a quote inside a value that is not quoted',
    'put the value in quotes, with "" for each quote',
  ],
  CSV_INVALID_CLOSING_QUOTE: [
    'has text after a closing quote',
    'a quote inside a value is written twice: ""',
  ],
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: [
    'has text after a closing quote',
    'a quote inside a value is written twice: ""',
  ],
}

/** Rows as text. */
export function formatCsv(rows: readonly (readonly string[])[], newline: '\n' | '\r\n'): string {
  return stringify([...rows], { record_delimiter: newline, quoted_match: /[\r\n]/ })
}
