/** Durations as people write them ('90d', '12h') and as the program uses them (milliseconds). */
import { KeywrightError } from '../errors.ts'

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
}

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** A thousand years. Longer would leave the range of Date, and is a typing error. */
export const LONGEST_DURATION_MS = 365_000 * DAY_MS

export interface DurationRules {
  /** Whether 'never' is allowed; it becomes Infinity. @default false */
  readonly never?: boolean
  /** Whether zero is allowed: '0s'. @default false */
  readonly zero?: boolean
}

/** The regular expression (source) of durations under `rules`, for schemas. */
export function durationPattern(rules: DurationRules = {}): string {
  const number = rules.zero === true ? '(?:0|[1-9][0-9]{0,14})' : '[1-9][0-9]{0,14}'
  const never = rules.never === true ? 'never|' : ''
  return `^(?:${never}${number}(?:${Object.keys(UNITS).join('|')}))$`
}

/** The milliseconds of `text`, or `undefined` when it is no duration under `rules`. */
export function readDuration(text: unknown, rules: DurationRules = {}): number | undefined {
  if (typeof text !== 'string') return undefined
  if (text === 'never') return rules.never === true ? Number.POSITIVE_INFINITY : undefined
  const found = /^(0|[1-9][0-9]{0,14})(ms|[smhdwy])$/.exec(text)
  const unit = UNITS[found?.[2] ?? '']
  if (found === null || unit === undefined) return undefined
  const ms = Number(found[1]) * unit
  if (ms > LONGEST_DURATION_MS || (ms === 0 && rules.zero !== true)) return undefined
  return ms
}

/**
 * The milliseconds of a duration: a whole number with a unit out of ms, s, m (minutes), h, d, w and y (365 days), or
 * 'never' where `rules` allow it. A number is taken as days. Throws ERR_ARGUMENT_INVALID; the text is not repeated.
 */
export function parseDuration(text: string | number, rules: DurationRules = {}): number {
  const ms = typeof text === 'number' ? readDays(text, rules) : readDuration(text, rules)
  if (ms !== undefined) return ms
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'not a duration', { hint: durationHint(rules) })
}

/** What a duration under `rules` looks like: one sentence for hints. */
export function durationHint(rules: DurationRules = {}): string {
  const forms = ['"90d"', '"12h"', '"30m"', '"45s"', '"500ms"', '"2w"', '"1y"']
  if (rules.zero === true) forms.push('"0s"')
  if (rules.never === true) forms.push('"never"')
  return `write a whole number and a unit, up to a thousand years: ${forms.join(', ')}`
}

function readDays(days: number, rules: DurationRules): number | undefined {
  if (days === Number.POSITIVE_INFINITY) return rules.never === true ? days : undefined
  const ms = Math.round(days * DAY_MS)
  const least = rules.zero === true ? 0 : 1
  return ms >= least && ms <= LONGEST_DURATION_MS ? ms : undefined
}

const NAMES: readonly (readonly [number, string])[] = [
  [DAY_MS, 'day'],
  [HOUR_MS, 'hour'],
  [MINUTE_MS, 'minute'],
  [1000, 'second'],
  [1, 'millisecond'],
]

/** For people: '90 days', '1 hour 30 minutes' (the two largest units, cut, not rounded), 'never' for Infinity. */
export function formatDuration(ms: number): string {
  if (Number.isNaN(ms)) return 'unknown'
  if (ms < 0) return `minus ${formatDuration(-ms)}`
  if (ms === Number.POSITIVE_INFINITY) return 'never'
  const first = NAMES.findIndex(([unit]) => ms >= unit)
  if (first < 0) return '0 seconds'
  let rest = Math.floor(ms)
  const parts: string[] = []
  for (const [unit, name] of NAMES.slice(first, first + 2)) {
    const count = Math.floor(rest / unit)
    rest -= count * unit
    if (count > 0) parts.push(`${count} ${name}${count === 1 ? '' : 's'}`)
  }
  return parts.join(' ')
}

/** An instant for people: ISO 8601 in UTC without milliseconds, 'never' beyond the range of Date. */
export function formatInstant(ms: number): string {
  if (!(Math.abs(ms) <= 8.64e15)) return 'never'
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
