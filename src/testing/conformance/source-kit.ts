/** What the tests of the source contract share. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { KeywrightError } from '../../errors.ts'
import type { Source, SourcePage, SourceRow, SourceValue } from '../../source.ts'

/** A row as the suite makes it. */
export interface SourceTestRow {
  /** A positive number, as text. */
  readonly id: string
  readonly text: SourceValue
  /** Left out where the place keeps no bytes. */
  readonly bytes?: Uint8Array | null
}

/** A fresh, empty place with a source on it. */
export interface SourceBed {
  /** The suite closes it. */
  readonly source: Source
  /** A second client on the same place. Absent where data cannot be shared. */
  reopen?(): Promise<Source>
  /** Adds rows, or takes the place of those with their ids, as an application would: not through the source. */
  put(rows: readonly SourceTestRow[]): Promise<void>
  /** Removes rows, as an application would. */
  remove(ids: readonly string[]): Promise<void>
  /** How the source calls the columns of a row. */
  readonly columns: {
    readonly text: string
    /** Absent where a place keeps one column only. */
    readonly bytes?: string
    /** The column that gives the id as text: '42', or something that ends in it. */
    readonly id: string
  }
  /** Whether `text` may be null. @default true */
  readonly nulls?: boolean
  /** A row may be on two pages while others come and go. @default false */
  readonly repeats?: boolean
  /** Removes the place. */
  close?(): Promise<void>
}

export interface SourceHarness {
  open(): Promise<SourceBed>
}

/** Ends the test as skipped, for a reason. Return right after it. */
export type Skip = (reason: string) => void

/** Registers a test, which gets a fresh place. */
export type Check = (title: string, run: (bed: SourceBed, skip: Skip) => Promise<void>) => void

/** A value that no error may show. */
export const CANARY = 'kw1.canary-value-of-a-row'

/** Rows with the ids 1 to `count`. */
export function rowsOf(count: number, text = (id: number): SourceValue => `value ${id}`): SourceTestRow[] {
  return Array.from({ length: count }, (_, at) => ({ id: String(at + 1), text: text(at + 1) }))
}

/** Reads all pages. */
export async function readAll(
  source: Source,
  query: {
    columns: readonly string[]
    limit: number
    after?: string | undefined
    until?: string | undefined
  },
  between: (page: number) => Promise<void> = async () => undefined,
): Promise<SourceRow[]> {
  const rows: SourceRow[] = []
  let { after } = query
  for (let page = 1; page < 10_000; page++) {
    const { next, rows: found }: SourcePage = await source.read({ ...query, after })
    rows.push(...found)
    if (next === undefined) return rows
    after = next
    await between(page)
  }
  return assert.fail('the pages do not end')
}

/** The id in an id column that may have something before it. */
export const idOf = (value: SourceValue | undefined): string => /\d+$/.exec(String(value))?.[0] ?? ''

/** The row with this id, by all columns of the bed. */
export async function rowOf(source: Source, bed: SourceBed, id: string): Promise<SourceRow> {
  const { bytes, id: idColumn, text } = bed.columns
  const columns = [idColumn, text, ...(bytes === undefined ? [] : [bytes])]
  const rows = await readAll(source, { columns, limit: 1000 })
  const found = rows.find(({ values }) => idOf(values[0]) === id)
  assert.ok(found, `row ${id} is not there`)
  return { key: found.key, values: found.values.slice(1) }
}

/** Fails unless these are the values, byte by byte, text apart from bytes. */
export function assertValues(
  actual: readonly SourceValue[],
  expected: readonly SourceValue[],
  what: string,
): void {
  assert.equal(actual.length, expected.length, `${what}: number of values`)
  for (const [at, value] of expected.entries()) {
    const found = actual[at] ?? null
    const isSame =
      value instanceof Uint8Array
        ? found instanceof Uint8Array && Buffer.compare(found, value) === 0
        : found === value
    assert.ok(isSame, `${what}: value ${at + 1} is ${inspect(found)}, expected ${inspect(value)}`)
  }
}

/** Fails unless `call` rejects with a KeywrightError of one of these codes, with a hint and without a value. */
export async function assertRefused(
  call: () => Promise<unknown>,
  codes: readonly string[],
  what: string,
): Promise<void> {
  try {
    await call()
  } catch (error) {
    assert.ok(error instanceof KeywrightError, `${what}: expected a KeywrightError, got ${String(error)}`)
    assert.ok(codes.includes(error.code), `${what}: expected ${codes.join(' or ')}, got ${error.code}`)
    assert.ok(error.hint !== undefined && error.hint !== '', `${what}: ${error.code} came without a hint`)
    const shown =
      inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + String(error.stack)
    assert.ok(!shown.includes(CANARY), `${what}: the error shows a value of a row`)
    return
  }
  assert.fail(`${what}: expected ${codes.join(' or ')}, but the call resolved`)
}
