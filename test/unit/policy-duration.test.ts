import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { didYouMean, nearest } from '../../src/nearest.ts'
import {
  DAY_MS,
  durationPattern,
  formatDuration,
  formatInstant,
  parseDuration,
  readDuration,
} from '../../src/policy/duration.ts'
import { formatSize, parseSize, SIZE_PATTERN } from '../../src/policy/size.ts'

const NEVER = Number.POSITIVE_INFINITY
const everything = { never: true, zero: true }

function errorOf(run: () => unknown): KeywrightError {
  try {
    run()
  } catch (error) {
    if (error instanceof KeywrightError) return error
  }
  throw new Error('no KeywrightError was thrown')
}

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['45s', 45_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['90d', 90 * DAY_MS],
    ['2w', 14 * DAY_MS],
    ['1y', 365 * DAY_MS],
    ['1000y', 365_000 * DAY_MS],
    ['0s', 0],
    ['never', NEVER],
    [90, 90 * DAY_MS],
    [0.5, DAY_MS / 2],
    [0, 0],
    [NEVER, NEVER],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text, everything)).toBe(ms))

  it.each(
    [
      '',
      '90',
      'd',
      '-1d',
      '+1d',
      '1.5h',
      '1e3s',
      ' 90d',
      '90 d',
      '90d\n',
      '090d',
      '90D',
      '90days',
      '1d12h',
      'Never',
      'forever',
    ].concat(['1001y', '365001d', '٣d', '0', 'Infinity']),
  )('refuses %j', (text) => {
    const error = errorOf(() => parseDuration(text, everything))
    expect(error.code).toBe('ERR_ARGUMENT_INVALID')
    expect(error.hint).toContain('"90d"')
  })

  it.each([-1, Number.NaN, -NEVER, 365_001])('refuses %d days', (days) => {
    expect(errorOf(() => parseDuration(days, everything)).code).toBe('ERR_ARGUMENT_INVALID')
  })

  it.each(['never', '0s', 0, NEVER])('refuses %s where the rules do not allow it', (text) => {
    expect(errorOf(() => parseDuration(text)).code).toBe('ERR_ARGUMENT_INVALID')
  })

  it('does not repeat the text', () => {
    expect(JSON.stringify(errorOf(() => parseDuration('s3cr3t')))).not.toContain('s3cr3t')
  })

  it.each([
    ['90d', {}],
    ['0s', {}],
    ['0s', { zero: true }],
    ['never', {}],
    ['never', { never: true }],
    ['1.5h', everything],
    ['90', everything],
  ])('the pattern for schemas and the reader agree on %s %j', (text, rules) => {
    expect(new RegExp(durationPattern(rules)).test(text)).toBe(readDuration(text, rules) !== undefined)
  })

  it.each([
    [0, '0 seconds'],
    [1, '1 millisecond'],
    [1500, '1 second 500 milliseconds'],
    [90_000, '1 minute 30 seconds'],
    [3_600_000, '1 hour'],
    [86_400_000 + 3_600_000 + 60_000, '1 day 1 hour'],
    [86_400_000 + 60_000, '1 day'],
    [730 * DAY_MS, '730 days'],
    [NEVER, 'never'],
    [-DAY_MS, 'minus 1 day'],
    [Number.NaN, 'unknown'],
  ])('%d ms reads %s', (ms, text) => expect(formatDuration(ms)).toBe(text))

  it('tells instants, also those that no Date can hold', () => {
    expect(formatInstant(0)).toBe('1970-01-01T00:00:00Z')
    expect(formatInstant(NEVER)).toBe('never')
    expect(formatInstant(9e15)).toBe('never')
    expect(formatInstant(Number.NaN)).toBe('never')
  })
})

describe('sizes', () => {
  it.each([
    [1, 1],
    ['1B', 1],
    ['500MB', 500e6],
    ['1 kB', 1000],
    ['1 GiB', 2 ** 30],
    ['4TiB', 4 * 2 ** 40],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
    if (typeof text === 'string') expect(text).toMatch(new RegExp(SIZE_PATTERN))
  })

  it.each([
    0,
    -1,
    1.5,
    Number.NaN,
    NEVER,
    2 ** 53,
    '',
    '1',
    '0B',
    '1.5 GiB',
    '1  GiB',
    '1 gib',
    '-1B',
    '1constructor',
  ])('refuses %s', (value) => {
    const error = errorOf(() => parseSize(value))
    expect([error.code, error.hint]).toEqual(['ERR_ARGUMENT_INVALID', expect.stringContaining('1 GiB')])
  })

  it('refuses what no number holds exactly', () => {
    expect(errorOf(() => parseSize('999999999999999TiB')).code).toBe('ERR_ARGUMENT_INVALID')
  })

  it.each([
    [1, '1 byte'],
    [812, '812 bytes'],
    [1536, '1.5 KiB'],
    [2 ** 30, '1 GiB'],
    [NEVER, 'never'],
  ])('%d reads %s', (bytes, text) => expect(formatSize(bytes)).toBe(text))
})

describe('nearest', () => {
  it.each([
    ['maxage', 'maxAge'],
    ['max_age', 'maxAge'],
    ['maxAeg', 'maxAge'],
    ['performancemode', 'performanceMode'],
    ['rotatoin', 'rotation'],
    ['gracee', 'grace'],
  ])('%s is near %s', (name, found) => {
    expect(nearest(name, ['provider', 'maxAge', 'performanceMode', 'rotation', 'grace'])).toBe(found)
  })

  it('says nothing when nothing is near', () => {
    expect(nearest('zebra', ['maxAge', 'grace'])).toBeUndefined()
    expect(nearest('', ['maxAge'])).toBeUndefined()
    expect(didYouMean('zebra', [])).toBe('')
    expect(didYouMean('pi', ['pii'])).toBe('did you mean "pii"?')
  })
})
