/**
 * The main job on a real table, from a CSV file to encrypted, searchable, rotated and verified, in a folder of its own.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { inspect } from '../../data/inspect.ts'
import type { RecordCodec } from '../../data/records.ts'
import type { BlindIndex } from '../../data/search/blind-index.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keywright } from '../../keywright.ts'
import { type CsvRow, readCsv } from '../records/csv.ts'
import { utf8Text } from '../records/utf8.ts'
import { type ColumnChoice, chooseColumns, chooseSearchColumn } from './columns.ts'
import { type Opened, openQuickstart } from './opening.ts'
import { clip, keyTable, type Print, printChoices, printRows } from './print.ts'
import { ExamplePlace, retireOldKeys } from './retire.ts'
import { ExampleTable, type Row } from './table.ts'

const SHOWN_ROWS = 3

const NEXT = [
  ['on a server', 'npx keywright quickstart --backend vault    (redis, aws_kms, azure_kv, gcp_kms)'],
  ['a file of your own', 'npx keywright quickstart path/to/any.csv --field notes=pii --field country=plain'],
  ['set up for real', 'npx keywright init --root-key-file root.key'],
  ['encrypt a value', 'echo secret | npx keywright encrypt --key-type pii'],
  ['what else there is', 'npx keywright --help'],
] as const

export interface QuickstartOptions {
  readonly csv: string
  /** Everything is made in here. */
  readonly folder: string
  /** Column → key type, or 'plain'. */
  readonly fields: Readonly<Record<string, string>>
  /** The column to search by. @default the first e-mail column */
  readonly search?: string
  /** Who holds the master key: 'file', or a backend whose emulator is started for the run. @default 'file' */
  readonly backend?: string
  /** One line for a person. */
  readonly print: Print
  /** Runs `undo`, which must not wait, when the program is interrupted before `done`. */
  readonly onInterrupt?: (undo: () => void) => { done(): void }
}

/** Where the key, the policy and the table are. */
interface Place {
  readonly kw: Keywright
  readonly table: ExampleTable
  readonly records: RecordCodec
  /** The search tokens of the search column. */
  readonly index: BlindIndex
  readonly name: string
  readonly search: string
  readonly choices: readonly ColumnChoice[]
  readonly print: Print
}

/** Runs it; throws when a single value does not come back. */
export async function quickstart(options: QuickstartOptions): Promise<void> {
  const { csv, folder, print, onInterrupt = () => ({ done: () => undefined }) } = options
  const started = performance.now()
  const columns = await readHeader(csv)
  const name = tableName(csv)
  const placeIn = (made: string): ExamplePlace => new ExamplePlace(join(made, 'app.db'), name)
  const opened = await openQuickstart({ folder, print, onInterrupt, placeIn }, options.backend ?? 'file')
  const { kw } = opened
  let ended: string | undefined
  try {
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(join(opened.folder, 'app.db'))
    try {
      await runAll(opened, database, columns, options)
    } finally {
      database.close()
    }
  } finally {
    await kw.close()
    ended = await opened.end()
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  await print.step(`done in ${seconds} s; ${ended}`)
  await printNext(print)
}

const tableName = (csv: string): string => basename(csv).replace(/\.[^.]*$/, '')

async function runAll(
  { example, kw }: Opened,
  database: DatabaseSync,
  columns: readonly string[],
  options: QuickstartOptions,
): Promise<void> {
  const { csv, print } = options
  const name = tableName(csv)
  const choices = chooseColumns(kw.policy, name, columns, options.fields)
  example.choose(choices)
  const search = chooseSearchColumn(choices, options.search)
  const table = new ExampleTable(database, name, columns, search)
  const records = kw.records({ table: name, row: 'row_number', fields: fieldsOf(choices) })
  const index = kw.index(`${name}.${search}`, { normaliser: normaliserFor(search) })
  const place: Place = { kw, table, records, index, name, search, choices, print }
  await printChoices(print, choices)
  const count = await load(place, csv)
  await encryptRows(place, count)
  await compare(place, csv)
  await searchRow(place)
  const keyType = await rotate(place)
  await retireOldKeys(kw, keyType, print)
  await compare(place, csv)
  await showKeys(place)
}

function fieldsOf(choices: readonly ColumnChoice[]): Record<string, { keyType: string; as: 'string' }> {
  const encrypted = choices.flatMap(({ column, keyType }) =>
    keyType === undefined ? [] : [{ column, keyType }],
  )
  return Object.fromEntries(
    encrypted.map(({ column, keyType }) => [column, { keyType, as: 'string' as const }]),
  )
}

async function readHeader(csv: string): Promise<string[]> {
  const found = await stat(csv).catch(() => undefined)
  if (found?.isFile() !== true) {
    throw new KeywrightError('ERR_INPUT_INVALID', `there is no file ${csv}`, {
      hint: 'give the path of a CSV file whose first line names the columns',
      details: { path: csv },
    })
  }
  for await (const { values } of csvRows(csv)) return checkedHeader(values, csv)
  throw new KeywrightError('ERR_INPUT_INVALID', `${csv} is empty`, {
    hint: 'the first line of a CSV file names its columns',
  })
}

function checkedHeader(columns: string[], csv: string): string[] {
  const doubled = columns.find((column, index) => columns.indexOf(column) !== index)
  if (doubled === undefined && !columns.includes('')) return columns
  const what = doubled === undefined ? 'has a column without a name' : `has two columns named "${doubled}"`
  throw new KeywrightError('ERR_INPUT_INVALID', `${csv} ${what}`, {
    hint: 'give every column a name of its own',
  })
}

const csvRows = (csv: string): AsyncGenerator<CsvRow> =>
  readCsv(
    utf8Text(createReadStream(csv), () => undefined),
    () => undefined,
  )

/** The rows by column; an empty value is a missing one. */
async function* readRows(csv: string): AsyncGenerator<Row> {
  let columns: string[] | undefined
  for await (const { values } of csvRows(csv)) {
    if (columns === undefined) columns = values
    else yield Object.fromEntries(columns.map((column, index) => [column, values[index] || null]))
  }
}

async function load({ table, name, print }: Place, csv: string): Promise<number> {
  const count = await table.insertAll(readRows(csv))
  if (count === 0) {
    throw new KeywrightError('ERR_INPUT_INVALID', `${csv} has a header but no rows`, {
      hint: 'give a file with at least one row',
    })
  }
  await print.step(`${count} rows of ${csv} in the SQLite table "${name}"`)
  return count
}

async function encryptRows(place: Place, count: number): Promise<void> {
  const { choices, index, print, records, search, table } = place
  const before = table.first(SHOWN_ROWS)
  await index.token('') // loads the index key
  await records.ready()
  const started = performance.now()
  table.replaceAll((row) => {
    const value = row[search]
    return {
      row: records.encryptSync(row),
      token: value === null || value === undefined ? null : index.tokenSync(value),
    }
  })
  const seconds = (performance.now() - started) / 1000
  const encrypted = choices.filter(({ keyType }) => keyType !== undefined)
  await print.step(
    `encrypted ${encrypted.length} columns of ${count} rows in ${seconds.toFixed(2)} s; before and after:`,
  )
  await printRows(print, oneOfEachKeyType(encrypted), before, table.first(SHOWN_ROWS))
}

/** Three columns fit on a screen. */
function oneOfEachKeyType(encrypted: readonly ColumnChoice[]): string[] {
  const firsts = encrypted.filter(
    ({ keyType }, index) => encrypted.findIndex((other) => other.keyType === keyType) === index,
  )
  return (firsts.length > 1 ? firsts : encrypted).slice(0, 3).map(({ column }) => column)
}

const normaliserFor = (column: string): 'email' | 'lower' => (/e-?mail/i.test(column) ? 'email' : 'lower')

/** Every value of every row against the file. */
async function compare({ print, records, table }: Place, csv: string): Promise<void> {
  const stored = table.rows()
  let values = 0
  for await (const original of readRows(csv)) {
    const row = stored.next().value
    const opened: Row = row === undefined ? {} : records.decryptSync(row)
    for (const [column, value] of Object.entries(original)) {
      if (opened[column] !== value) {
        throw new KeywrightError(
          'ERR_INTERNAL',
          `row ${row?.row_number}, column "${column}" came back changed`,
        )
      }
      values++
    }
  }
  await print.step(`read everything back: ${values} values, all as in the file`)
}

async function searchRow({ index, print, records, search, table }: Place): Promise<void> {
  const target = table.lastSearchable()
  if (target === undefined) return
  const wanted = records.decryptSync(target)[search] as string
  const typed = ` ${wanted.toUpperCase()} ` // as somebody might type it
  const tokens = await index.tokens(typed)
  const found = table.find(tokens)
  if (!found.some((row) => row.row_number === target.row_number)) {
    throw new KeywrightError('ERR_INTERNAL', 'the search token did not find its row')
  }
  await print.step(`searched ${search} = "${clip(typed, 40)}" by its token, without decrypting the table:`)
  for (const row of found.slice(0, 2))
    await print.line(`row ${row.row_number}: ${clip(records.decryptSync(row)[search] ?? '', 50)}`)
}

/** Resolves to the key type that was rotated. */
async function rotate({ choices, index, kw, print, records, search, table }: Place): Promise<string> {
  const keyType = choices.find(({ column }) => column === search)?.keyType ?? 'pii'
  const [old] = table.first(1)
  await kw.keys.rotate(keyType, { now: true, force: true, reason: 'quickstart' })
  await kw.ready([keyType], { all: true })
  const added = table.insertOne((rowNumber) => {
    const row = { [search]: 'new.person@example.org', row_number: rowNumber }
    const token = index.tokenSync(row[search] as string)
    return { row: records.encryptSync(row), token }
  })
  const newest = table.get(added)
  if (old === undefined || newest === undefined) return keyType
  await print.step(`rotated ${keyType}: old rows still open, new ones use the new key`)
  for (const row of [old, newest]) {
    const value = records.decryptSync(row)[search] ?? ''
    await print.line(
      `row ${row.row_number.padEnd(4)} key ${keyIdOf(row[search]).padEnd(10)} → ${clip(value, 40)}`,
    )
  }
  await print.line(`(row ${added} was added after the rotation)`)
  return keyType
}

function keyIdOf(value: string | null | undefined): string {
  if (value === null || value === undefined) return '-'
  const found = inspect(value)
  return found.kind === 'envelope' ? '-' : String(found.keyId)
}

async function showKeys({ kw, print }: Place): Promise<void> {
  await print.step('keys:')
  for (const line of keyTable(await kw.keys.list(), Date.now())) await print.line(line)
  const report = await kw.verifyAudit()
  if (!report.ok) throw new KeywrightError('ERR_AUDIT_TAMPERED', 'the audit log does not verify')
  await print.step(`audit log verified: ${report.records} records, the chain is whole`)
}

async function printNext(print: Print): Promise<void> {
  await print.step('next:')
  const width = Math.max(...NEXT.map(([label]) => label.length))
  for (const [label, command] of NEXT) await print.line(`${label.padEnd(width)}  ${command}`)
}
