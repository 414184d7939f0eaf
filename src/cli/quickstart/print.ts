/** What the quickstart shows. */

import type { KeyInfo } from '../../keys/views.ts'
import { formatDuration } from '../../policy/duration.ts'
import type { ColumnChoice } from './columns.ts'
import type { NumberedRow } from './table.ts'

/** Lines for a person. */
export interface Print {
  /** One thing that was done. */
  step(text: string): Promise<void>
  /** A detail of it. */
  line(text: string): Promise<void>
}

/** At most `width` characters on one line. */
export function clip(text: string, width: number): string {
  const flat = text.replace(/\s+/g, ' ')
  const characters = [...flat]
  return characters.length <= width ? flat : `${characters.slice(0, width - 1).join('')}…`
}

const columnsOf = (rows: readonly (readonly string[])[]): string[] => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - [...cell].length)))
      .join('  ')
      .trimEnd(),
  )
}

export async function printChoices(print: Print, choices: readonly ColumnChoice[]): Promise<void> {
  await print.step('columns and why:')
  const rows = choices.map(({ column, keyType, why }) => [clip(column, 24), keyType ?? 'in clear', why])
  for (const line of columnsOf(rows)) await print.line(line)
  await print.line('choose others: --field <column>=<key type>, --field <column>=plain')
}

export async function printRows(
  print: Print,
  columns: readonly string[],
  before: readonly NumberedRow[],
  after: readonly NumberedRow[],
): Promise<void> {
  const cell = (value: string | null | undefined): string => clip(value ?? '(empty)', 30)
  const lines = before.flatMap((row, index) => [
    [`row ${row.row_number}`, ...columns.map((column) => cell(row[column]))],
    ['', ...columns.map((column) => cell(after[index]?.[column]))],
  ])
  for (const line of columnsOf([['', ...columns], ...lines])) await print.line(line)
}

/** Keyring, version, state, id, messages, next rotation. */
export function keyTable(keys: readonly KeyInfo[], now: number): string[] {
  const due = (key: KeyInfo): string => {
    if (key.state !== 'active') return '-'
    if (key.rotatesAt === undefined) return 'not by itself'
    const days = formatDuration(key.rotatesAt - now)
    return `${new Date(key.rotatesAt).toISOString().slice(0, 10)}, in ${days}`
  }
  const head = ['keyring', 'version', 'state', 'key id', 'next rotation']
  return columnsOf([
    head,
    ...keys.map((key) => [key.keyring, String(key.version), key.state, String(key.id), due(key)]),
  ])
}
