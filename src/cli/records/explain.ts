/** `--explain`: which fields would be chosen, and why. Needs no key. */
import type { Call } from '../call.ts'
import { count } from '../text.ts'
import type { Chooser } from './chooser.ts'
import type { Format, TableReader } from './table.ts'
import type { Direction } from './transform.ts'

/** JSON Lines have no header, so this many of them are looked at. */
const LOOKED_AT = 1000
/** Deeper than any table is nested. */
const LONGEST_PATH = 1000

export async function explainChoice(
  { output }: Call,
  reader: TableReader,
  chooser: Chooser,
  { format, direction }: { format: Format; direction: Direction },
): Promise<undefined> {
  const paths = reader.columns ?? (await pathsOf(reader, chooser))
  const fields = paths.map((path) => ({ field: path, ...chooser.choose(path) }))
  const rows = fields.map(({ field, keyType, reason }) => [
    field,
    keyType === undefined
      ? { text: 'in clear', style: 'dim' as const }
      : { text: keyType, style: 'green' as const },
    reason,
  ])
  const columns = [{ title: 'field' }, { title: 'key type' }, { title: 'why' }]
  await output.result({ format, fields }, output.table(columns, rows))
  const chosen = fields.filter(({ keyType }) => keyType !== undefined).length
  await output.note(
    `${chosen} of ${count(fields.length, 'field')} would be ${direction}ed; choose others with --field <column=key_type>`,
  )
  return undefined
}

async function pathsOf({ rows }: TableReader, chooser: Chooser): Promise<readonly string[]> {
  const found = new Set<string>()
  let seen = 0
  for await (const { record } of rows) {
    collect(record, '', chooser, found)
    if (++seen >= LOOKED_AT) break
  }
  return [...found]
}

function collect(
  record: Readonly<Record<string, unknown>>,
  prefix: string,
  chooser: Chooser,
  found: Set<string>,
): void {
  for (const [name, value] of Object.entries(record)) {
    const path = prefix + name
    const objects = (Array.isArray(value) ? value : [value]).filter(
      (one) => typeof one === 'object' && one !== null && !Array.isArray(one),
    )
    if (objects.length === 0 || chooser.choose(path).keyType !== undefined) found.add(path)
    else if (prefix.length < LONGEST_PATH) for (const one of objects) collect(one, `${path}.`, chooser, found)
  }
}
