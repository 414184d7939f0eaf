/** `records encrypt | decrypt`: tables, streamed. */
import { createReadStream } from 'node:fs'
import { KeywrightError } from '../../errors.ts'
import type { Keywright } from '../../keywright.ts'
import { type Call, wrongUse } from '../call.ts'
import { policyInForce, withKeywright } from '../opened.ts'
import { Progress } from '../progress.ts'
import { Chooser } from '../records/chooser.ts'
import { explainChoice } from '../records/explain.ts'
import { openSink } from '../records/sink.ts'
import { assertColumns, type Format, readTable, type TableReader } from '../records/table.ts'
import { type Direction, Transform } from '../records/transform.ts'
import { count } from '../text.ts'
import { cannotRead } from '../values.ts'

/** Records written at once. */
const BATCH = 200

export const encryptRecords = (call: Call): Promise<undefined> => records(call, 'encrypt')

export const decryptRecords = (call: Call): Promise<undefined> => records(call, 'decrypt')

async function records(call: Call, direction: Direction): Promise<undefined> {
  const { options } = call
  const format = formatOf(call)
  if (options.flag('explain') || options.flag('dryRun')) {
    const chooser = newChooser(call, await policyInForce(call))
    return explainChoice(call, await openTable(call, format, chooser), chooser, { format, direction })
  }
  await withKeywright(call, async (keywright) => {
    const chooser = newChooser(call, keywright.policy)
    const reader = await openTable(call, format, chooser)
    await convert(call, keywright, chooser, reader, { direction, format })
  })
}

function newChooser({ options }: Call, policy: Keywright['policy']): Chooser {
  // Commander sets `selectors` to false for --no-selectors, and to true without it.
  return new Chooser(policy, options.list('field'), {
    table: options.text('table'),
    selectors: options.flag('selectors'),
  })
}

const EXTENSIONS: Readonly<Record<string, Format>> = { csv: 'csv', jsonl: 'jsonl', ndjson: 'jsonl' }

function formatOf({ options }: Call): Format {
  const named = options.text('format')
  if (named !== undefined) return named as Format
  for (const path of [options.text('in'), options.text('out')]) {
    const format = EXTENSIONS[path?.split('.').at(-1)?.toLowerCase() ?? '']
    if (format !== undefined) return format
  }
  throw wrongUse('nothing says whether this is CSV or JSON Lines', 'add --format csv or --format jsonl')
}

async function openTable(call: Call, format: Format, chooser: Chooser): Promise<TableReader> {
  const path = call.options.text('in')
  if (path === undefined && call.io.stdin.isTTY === true) {
    await call.output.note('reading records from the terminal; Ctrl-D ends them')
  }
  const source = path === undefined ? call.io.stdin : fileChunks(path)
  const reader = await readTable(source, format, call.options.flag('encryptEmpty'))
  const rowId = call.options.text('rowId')
  if (reader.columns !== undefined) {
    assertColumns(reader.columns, chooser, rowId)
    assertSomething(reader.columns, chooser)
  }
  if (rowId !== undefined && chooser.choose(rowId).keyType !== undefined) {
    throw wrongUse(
      'the column of --row-id would be encrypted itself',
      `leave it alone with --field ${rowId}=none`,
    )
  }
  return reader
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 256 * 1024 })
  } catch (error) {
    throw 'syscall' in (error as Error) ? cannotRead(path, error) : error
  }
}

/** Passing a whole table through in clear because no selector fits is never what was meant. */
function assertSomething(columns: readonly string[], chooser: Chooser): void {
  if (columns.some((column) => chooser.choose(column).keyType !== undefined)) return
  throw new KeywrightError(
    'ERR_FIELD_UNMATCHED',
    `no column is chosen, neither by the policy nor by --field`,
    {
      hint: `name them: --field <column=key_type>; columns: ${columns.join(', ')}`,
    },
  )
}

interface Job {
  readonly direction: Direction
  readonly format: Format
}

async function convert(
  call: Call,
  keywright: Keywright,
  chooser: Chooser,
  reader: TableReader,
  { direction, format }: Job,
): Promise<void> {
  const { io, options, output } = call
  const transform = new Transform(keywright, chooser, {
    direction,
    table: options.text('table'),
    tenant: options.text('tenant'),
    rowId: options.text('rowId'),
  })
  const as = output.json && options.text('out') === undefined ? 'jsonl' : format
  const sink = await openSink(call)
  const progress = new Progress(output, 'rows')
  let rows = 0
  try {
    let batch: Record<string, unknown>[] = []
    let head = reader.head(as) // goes with the first records: an error in them then leaves nothing on the output
    const flush = async (): Promise<void> => {
      const text = head + reader.format(batch, as)
      if (text !== '') await sink.write(text)
      batch = []
      head = ''
    }
    for await (const { line, record } of reader.rows) {
      io.signal.throwIfAborted()
      batch.push(await transform.apply(record, line))
      rows++
      if (batch.length >= BATCH) await flush()
      await progress.tick(rows)
    }
    if (rows > 0) assertDone(transform, reader)
    await flush()
    await sink.finish()
  } catch (error) {
    await sink.abandon()
    throw error
  }
  await progress.end()
  await summarise(call, chooser, transform, { direction, rows, progress })
}

/** JSON Lines have no header: only at the end is it known that nothing was chosen. */
function assertDone({ fields }: Transform, { columns }: TableReader): void {
  if (columns !== undefined || fields.size > 0) return
  throw new KeywrightError(
    'ERR_FIELD_UNMATCHED',
    'no field was chosen, neither by the policy nor by --field',
    {
      hint: 'name them: --field <path=key_type>; --explain shows what is there',
    },
  )
}

async function summarise(
  { options, output }: Call,
  chooser: Chooser,
  transform: Transform,
  { direction, rows, progress }: { direction: Direction; rows: number; progress: Progress },
): Promise<void> {
  const fields = [...transform.fields].map(([field, keyType]) => ({
    field,
    keyType,
    values: transform.counts.get(field) ?? 0,
  }))
  const out = options.text('out')
  if (out !== undefined && output.json) {
    await output.result({ out, rows, fields, seconds: Number(progress.seconds.toFixed(3)) }, '')
  }
  const list = fields.map(({ field, keyType }) => `${field} (${keyType})`).join(', ')
  const where = out === undefined ? '' : ` to ${out}`
  await output.note(
    `${direction}ed ${count(rows, 'row')}${where} in ${progress.summary(rows)}: ${list === '' ? 'no values' : list}`,
  )
  for (const name of chooser.unmet)
    await output.warn(`no record has the field "${name}"`, 'check the spelling of --field')
  if (transform.leftEncrypted.size === 0) return
  const names = [...transform.leftEncrypted].slice(0, 10)
  await output.warn(
    `left encrypted, because neither policy nor --field names them: ${names.join(', ')}`,
    `add ${names.map((name) => `--field ${name}=<key_type>`).join(' ')}; keywright inspect tells the key type`,
  )
}
