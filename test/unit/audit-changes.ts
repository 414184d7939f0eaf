/** Changes of an audit log of COUNT records, and what the verifier has to say of each. */
import { forgedAfter, rewritten } from './audit-helpers.ts'

export const COUNT = 12

export type Change = (lines: string[], at: number) => string[]
/** kind, line, seq of each problem; `at` is the index of the line that is touched, from 0. */
export type Expected = (at: number) => (readonly [string, number, number?])[]

export const falsified = (line: string): string => line.replace('"due":true', '"due":false')
export const PLACES = { start: 0, middle: 5, end: COUNT - 1 } as const

/** Changes of one line. What the chain permits to say is the same at start, middle and end, unless stated. */
const CHANGES: Record<string, { change: Change; expected: Expected; places?: (keyof typeof PLACES)[] }> = {
  'an edited value': {
    change: (lines, at) => lines.with(at, falsified(lines[at] ?? '')),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'an edited seq': {
    change: (lines, at) => lines.with(at, (lines[at] ?? '').replace(/"seq":\d+/, '"seq":99')),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a line made into garbage': {
    change: (lines, at) => lines.with(at, 'garbage'),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a record rewritten with a new hash': {
    change: (lines, at) => lines.with(at, rewritten(lines[at], { reason: 'nothing happened' })),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a record rewritten with another prev and a new hash': {
    change: (lines, at) => lines.with(at, rewritten(lines[at], { prev: 'a'.repeat(64) })),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a removed record, middle': {
    change: (lines, at) => lines.toSpliced(at, 1),
    expected: (at) => [['removed', at + 1, at + 1]],
    places: ['middle'],
  },
  'a removed record, start': {
    change: (lines, at) => lines.toSpliced(at, 1),
    expected: () => [['cut-start', 1, 1]],
    places: ['start'],
  },
  'a removed record, end': {
    change: (lines, at) => lines.toSpliced(at, 1),
    expected: () => [['cut-end', COUNT, COUNT]],
    places: ['end'],
  },
  'three removed records': {
    change: (lines, at) => lines.toSpliced(at, 3),
    expected: (at) => [['removed', at + 1, at + 1]],
    places: ['middle'],
  },
  'an inserted foreign line': {
    change: (lines, at) => lines.toSpliced(at, 0, '{"event":"key.create"}'),
    expected: (at) => [['inserted', at + 1]],
  },
  'an inserted foreign line behind': {
    change: (lines, at) => lines.toSpliced(at + 1, 0, 'garbage'),
    expected: (at) => [['inserted', at + 2]],
  },
  'an empty line': {
    change: (lines, at) => lines.toSpliced(at, 0, ''),
    expected: (at) => [['inserted', at + 1]],
  },
  'an inserted forged record that goes on from the line before': {
    change: (lines, at) => lines.toSpliced(at, 0, forgedAfter(lines[at - 1])),
    expected: (at) => [['inserted', at + 1, at + 1]],
  },
  'an inserted forged record of an unknown chain': {
    change: (lines, at) =>
      lines.toSpliced(at, 0, rewritten(forgedAfter(lines[at - 1]), { prev: 'b'.repeat(64) })),
    expected: (at) => [['inserted', at + 1, at + 1]],
  },
  'a duplicate beside its original': {
    change: (lines, at) => lines.toSpliced(at + 1, 0, lines[at] ?? ''),
    expected: (at) => [['duplicate', at + 2, at + 1]],
  },
  'a duplicate at the end': {
    change: (lines, at) => [...lines, lines[at] ?? ''],
    expected: (at) => [['duplicate', COUNT + 1, at + 1]],
  },
  'a duplicate at the start': {
    change: (lines, at) => [lines[at] ?? '', ...lines],
    expected: (at) => (at === 0 ? [['duplicate', 2, 1]] : [['inserted', 1, at + 1]]),
  },
  'two records swapped': {
    change: (lines, at) => {
      const first = Math.min(at, COUNT - 2)
      return lines.with(first, lines[first + 1] ?? '').with(first + 1, lines[first] ?? '')
    },
    expected: (at) => [['reordered', Math.min(at, COUNT - 2) + 1, Math.min(at, COUNT - 2) + 2]],
  },
  'a record moved to the end': {
    change: (lines, at) => [...lines.toSpliced(at, 1), lines[at] ?? ''],
    expected: (at) => [['reordered', at + 1, at + 1]],
    places: ['start', 'middle'],
  },
  'a record moved to the start': {
    change: (lines, at) => [lines[at] ?? '', ...lines.toSpliced(at, 1)],
    expected: (at) => [['reordered', 1, at + 1]],
    places: ['middle', 'end'],
  },
  'a cut end': {
    change: (lines, at) => lines.slice(0, at),
    expected: (at) => [['cut-end', at + 1, at + 1]],
  },
  'a cut start': {
    change: (lines, at) => lines.slice(at),
    expected: () => [['cut-start', 1, 1]],
    places: ['middle', 'end'],
  },
}

export const CASES = Object.entries(CHANGES).flatMap(([what, { change, expected, places }]) =>
  (places ?? (['start', 'middle', 'end'] as const)).map((place) => ({ what, place, change, expected })),
)
