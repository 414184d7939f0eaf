/** Text for people: tables, times and colours. Pure. */
import { formatDuration, formatInstant } from '../policy/duration.ts'

export type Style = 'plain' | 'dim' | 'bold' | 'green' | 'yellow' | 'red' | 'cyan'

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  plain: [0, 0],
  dim: [2, 22],
  bold: [1, 22],
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
  cyan: [36, 39],
}

/** `text` in a style, where there are colours. */
export function paint(text: string, style: Style, colours: boolean): string {
  if (!colours || style === 'plain') return text
  const [on, off] = CODES[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** Text from stores, logs and files may hold control characters, which would drive the terminal: they are spelt out. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}

export interface Cell {
  readonly text: string
  readonly style?: Style
}

export interface Column {
  readonly title: string
  readonly align?: 'right'
}

/** Rows under their titles, two spaces between columns, no space at the end of a line. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
  colours: boolean,
): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)))
  const titles = columns.map(({ title }) => ({ text: title.toUpperCase(), style: 'dim' as const }))
  const clean = [titles, ...cells].map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) })))
  const widths = columns.map((_, at) => Math.max(...clean.map((row) => widthOf(row[at]?.text ?? ''))))
  return clean.map((row) => formatRow(row, columns, widths, colours)).join('')
}

function formatRow(
  row: readonly Cell[],
  columns: readonly Column[],
  widths: readonly number[],
  colours: boolean,
): string {
  const parts = row.map(({ text, style = 'plain' }, at) => {
    const space = ' '.repeat(Math.max(0, (widths[at] ?? 0) - widthOf(text)))
    const painted = paint(text, style, colours)
    if (columns[at]?.align === 'right') return space + painted
    return at === row.length - 1 ? painted : painted + space
  })
  return `${parts.join('  ').trimEnd()}\n`
}

/** Names and values, aligned; what has no value is left out. */
export function facts(
  rows: readonly (readonly [name: string, value: string | Cell | undefined])[],
  colours: boolean,
): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows
    .flatMap(([name, value]) => {
      if (value === undefined) return []
      const { text, style = 'plain' } = typeof value === 'string' ? { text: value } : value
      return [`${paint(name.padEnd(width), 'dim', colours)}  ${paint(printable(text), style, colours)}\n`]
    })
    .join('')
}

/** Columns a text takes on a terminal, near enough: marks take none, wide East Asian letters and emoji two. */
function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width +=
      /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(
        segment,
      )
        ? 2
        : 1
  }
  return width
}

/** The largest unit of a span: '12 days', '3 hours', '0 seconds'. */
export function span(ms: number): string {
  const [count = '', unit = ''] = formatDuration(ms >= 1000 ? ms : 0).split(' ')
  return unit === '' ? count : `${count} ${unit}`
}

/** 'in 12 days', '3 hours ago', 'now'. */
export function relative(at: number, now: number): string {
  if (Math.abs(at - now) < 1000) return 'now'
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`
}

/** '2026-05-21T09:00:00Z (in 12 days)' */
export function instant(at: number, now: number): string {
  return `${formatInstant(at)} (${relative(at, now)})`
}

/** '2026-05-21 (in 12 days)', for tables. */
export function day(at: number, now: number): string {
  return `${formatInstant(at).slice(0, 10)} (${relative(at, now)})`
}

/** '1 key', '1,200 keys' */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en-US')} ${noun}${number === 1 ? '' : 's'}`
}
