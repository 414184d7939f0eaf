/** Reading CSV (RFC 4180) strictly: uneven rows, doubled columns and broken UTF-8 are errors that say where. */

import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type CsvError, parse } from 'csv-parse'
import { KeywrightError } from '../errors.ts'

export type CsvRow = Record<string, string>

/** The longest row, in bytes: a quote that is never closed must not swallow the whole file into memory. */
const MAX_ROW_BYTES = 16 * 1024 * 1024

/** The names of the columns. Throws ERR_INPUT_INVALID. */
export async function readCsvHeader(input: Readable): Promise<string[]> {
  for await (const row of parsed(input, { to: 1 })) return checkedHeader(row as string[])
  throw new KeywrightError('ERR_INPUT_INVALID', 'the CSV is empty', {
    hint: 'its first line names the columns',
  })
}

/** The rows as objects by column. Throws ERR_INPUT_INVALID with the line. */
export async function* readCsv(input: Readable): AsyncGenerator<CsvRow> {
  let columns: string[] | undefined
  for await (const row of parsed(input, {})) {
    const cells = row as string[]
    if (columns === undefined) columns = checkedHeader(cells)
    else yield Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? '']))
  }
}

async function* parsed(input: Readable, options: { to?: number }): AsyncGenerator<unknown> {
  const parser = parse({ bom: true, max_record_size: MAX_ROW_BYTES, ...options })
  const feeding = pipeline(checkedUtf8(input), parser)
  feeding.catch(() => undefined) // reported by the loop below
  try {
    yield* parser
  } catch (error) {
    throw explained(error)
  } finally {
    input.destroy()
  }
}

/** Passes the bytes on; throws at the first that are no UTF-8, because a replaced character would be lost for good. */
async function* checkedUtf8(input: Readable): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  for await (const chunk of input) {
    const bytes = chunk as Buffer
    try {
      decoder.decode(bytes, { stream: true })
    } catch {
      throw brokenUtf8(line)
    }
    for (const byte of bytes) if (byte === 0x0a) line++
    yield bytes
  }
  try {
    decoder.decode()
  } catch {
    throw brokenUtf8(line)
  }
}

function brokenUtf8(line: number): KeywrightError {
  return new KeywrightError('ERR_INPUT_INVALID', `the input is not UTF-8, after line ${line}`, {
    hint: 'convert it first: iconv -f latin1 -t utf-8',
    details: { line },
  })
}

function checkedHeader(columns: string[]): string[] {
  const doubled = columns.find((column, index) => columns.indexOf(column) !== index)
  if (doubled === undefined && !columns.includes('')) return columns
  const what = doubled === undefined ? 'a column has no name' : `two columns are named "${doubled}"`
  throw new KeywrightError('ERR_INPUT_INVALID', what, { hint: 'give every column a name of its own' })
}

/** The parser's messages quote the data, so only its code and line are kept. */
function explained(error: unknown): unknown {
  if (error instanceof KeywrightError || !(error instanceof Error) || !('code' in error)) return error
  const { code, lines } = error as CsvError & { lines?: number }
  const what = PROBLEMS[code] ?? 'the CSV is malformed'
  return new KeywrightError('ERR_INPUT_INVALID', `line ${lines ?? '?'}: ${what}`, {
    hint: 'correct the line; a value with commas, quotes or line breaks stands in quotes',
    details: lines === undefined ? {} : { line: lines },
  })
}

const PROBLEMS: Readonly<Record<string, string>> = {
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: 'the row has another number of values than the header',
  CSV_RECORD_INCONSISTENT_COLUMNS: 'the row has another number of values than the header',
  CSV_QUOTE_NOT_CLOSED: 'a quote is never closed',
  CSV_INVALID_CLOSING_QUOTE: 'text follows a closing quote',
  INVALID_OPENING_QUOTE: 'a quote stands inside an unquoted value',
  CSV_MAX_RECORD_SIZE: 'the row is longer than 16 MiB: is a quote never closed?',
}
