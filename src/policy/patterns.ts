/**
 * Patterns for field paths. Segments are separated by dots. A leading segment `*` stands for any number of segments,
 * also none; any other `*` for any run of characters (also none) within its segment. Everything is compared in
 * lower snake_case, so `users.apiKey`, `users.API-Key` and `users.api_key` are one field.
 */

/** Words of a segment joined by `_` in lower case: 'apiKey', 'API-Key' and 'Api Key' become 'api_key'. */
function normalizeSegment(segment: string): string {
  return segment
    .trim()
    .normalize('NFC')
    .replace(/([\p{Ll}\p{N}])(?=\p{Lu})/gu, '$1_')
    .replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1_')
    .toLowerCase()
    .normalize('NFC')
    .replace(/[-\s_]+/gu, '_')
}

/** A field path in the form in which it is compared. */
export function normalizeField(field: string): string {
  return field.split('.').map(normalizeSegment).join('.')
}

export interface Pattern {
  /** Starts with `*.` (or is `*`): any number of segments may stand in front. */
  readonly anyPrefix: boolean
  /** The other segments, normalised. */
  readonly segments: readonly string[]
  /** How specific it is: segments without `*`, then characters other than `*`. */
  readonly rank: readonly [literalSegments: number, literalCharacters: number]
}

export const LONGEST_PATTERN = 256

/** The pattern of `text`, or `undefined` when it is none: empty segments, characters that no field has. */
export function parsePattern(text: string): Pattern | undefined {
  if (text.length > LONGEST_PATTERN) return undefined
  const all = text.split('.').map(normalizeSegment)
  if (!all.every((segment) => /^[\p{L}\p{M}\p{N}_$*]+$/u.test(segment))) return undefined
  const anyPrefix = all[0] === '*'
  const segments = anyPrefix ? all.slice(1) : all
  const literal = segments.filter((segment) => !segment.includes('*')).length
  return { anyPrefix, segments, rank: [literal, segments.join('').replaceAll('*', '').length] }
}

/** Below zero when `a` is more specific than `b`, zero for the same rank. */
export function compareRank(a: Pattern, b: Pattern): number {
  return b.rank[0] - a.rank[0] || b.rank[1] - a.rank[1]
}

/** Whether `pattern` matches a normalised field path. */
export function matches({ anyPrefix, segments }: Pattern, field: string): boolean {
  const path = field.split('.')
  const before = path.length - segments.length
  if (anyPrefix ? before < 0 : before !== 0) return false
  return segments.every((segment, index) => segmentMatches(segment, path[before + index] ?? ''))
}

function segmentMatches(segment: string, text: string): boolean {
  const star = segment.indexOf('*')
  if (star < 0) return segment === text
  if (!text.startsWith(segment.slice(0, star))) return false
  if (!text.endsWith(segment.slice(segment.lastIndexOf('*') + 1))) return false
  return globsMeet([...segment], [...text], isStar, never, Object.is) // a star in the text is only a character
}

/** Whether some field path is matched by both patterns. Exact. */
export function patternsIntersect(a: Pattern, b: Pattern): boolean {
  const segmentsMeet = (one: string, other: string): boolean =>
    globsMeet([...one], [...other], isStar, isStar, Object.is)
  return globsMeet(tokensOf(a), tokensOf(b), isPrefix, isPrefix, segmentsMeet)
}

/** The segments, with {@link PREFIX} in front for any number of others. */
function tokensOf({ anyPrefix, segments }: Pattern): readonly string[] {
  return anyPrefix ? [PREFIX, ...segments] : segments
}

/** A field path that `pattern` matches and that is unlikely to be matched by a pattern with other literal segments. */
export function sampleField(pattern: Pattern): string {
  const segments = pattern.segments.map((segment) => segment.replaceAll('*', 'any'))
  return (pattern.anyPrefix ? ['any', ...segments] : segments).join('.')
}

/** No segment has a dot. */
const PREFIX = '.'

const isPrefix = (token: string): boolean => token === PREFIX
const isStar = (character: string): boolean => character === '*'
const never = (): boolean => false

/**
 * Whether two sequences in which some tokens are wildcards (any run, also none) have a common reading: the reachable
 * states of their product automaton, row by row. O(a × b), whatever the number of wildcards.
 */
function globsMeet(
  a: readonly string[],
  b: readonly string[],
  wildA: (token: string) => boolean,
  wildB: (token: string) => boolean,
  unify: (a: string, b: string) => boolean,
): boolean {
  // reach[j]: the first i tokens of a and the first j tokens of b can be read as the same text.
  let reach = new Array<boolean>(b.length + 1).fill(false)
  for (let i = 0; i <= a.length; i++) {
    const row = new Array<boolean>(b.length + 1).fill(false)
    const left = a[i - 1] ?? ''
    for (let j = 0; j <= b.length; j++) {
      const right = b[j - 1] ?? ''
      if (i === 0 && j === 0) row[0] = true
      else if (i > 0 && wildA(left) && (reach[j] || (j > 0 && row[j - 1]))) row[j] = true
      else if (j > 0 && wildB(right) && (row[j - 1] || (i > 0 && reach[j]))) row[j] = true
      else if (i > 0 && j > 0 && reach[j - 1] && unify(left, right)) row[j] = true
    }
    reach = row
  }
  return reach[b.length] === true
}
