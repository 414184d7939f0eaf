/** The text of a line that tells how far work is: 'users  ██████░░░░  1,200 of 4,000 rows, 35,000/s, 3 seconds left'. */
import { span } from './text.ts'

const WIDTH = 20

export interface Advance {
  readonly title?: string
  readonly done: number
  /** Absent where nobody knows. */
  readonly total?: number | undefined
  /** What is counted, in the plural. */
  readonly noun: string
  /** A second. */
  readonly rate: number
  /** @default from `total` and `rate` */
  readonly etaMs?: number | undefined
}

export function progressText({ title, done, total, noun, rate, etaMs }: Advance): string {
  const name = title === undefined ? '' : `${title}  `
  const speed = `${number(rate)}/s`
  if (total === undefined) return `${name}${number(done)} ${noun}, ${speed}`
  const left = etaMs ?? (rate > 0 ? (Math.max(0, total - done) / rate) * 1000 : undefined)
  const when = left === undefined ? '' : `, ${span(left)} left`
  return `${name}${barOf(done, total)}  ${number(done)} of ${number(total)} ${noun}, ${speed}${when}`
}

/** '██████░░░░' */
export function barOf(done: number, total: number): string {
  const filled = Math.min(WIDTH, Math.floor((done / Math.max(total, 1)) * WIDTH))
  return '█'.repeat(filled) + '░'.repeat(WIDTH - filled)
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
