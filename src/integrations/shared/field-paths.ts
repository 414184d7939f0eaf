/** Paths of fields in log lines, in the syntax of pino's `redact`: `user.email`, `*.ssn`, `a[0].b`, `req.headers["x-key"]`. */
import { KeywrightError } from '../../errors.ts'

const SEGMENT = /(?:^|\.)([^.[\]"'`]+)|\[(?:(\*|\d+)|"([^"]+)"|'([^']+)'|`([^`]+)`)\]/gy
const ANY = '*'

/** The names on a path; `*` stands for any one. Throws ERR_ARGUMENT_INVALID. */
export function parsePath(path: string): readonly string[] {
  const names: string[] = []
  SEGMENT.lastIndex = 0
  let end = 0
  for (let match = SEGMENT.exec(path); match !== null; match = SEGMENT.exec(path)) {
    names.push(match.slice(1).find((part) => part !== undefined) ?? '')
    end = SEGMENT.lastIndex
  }
  // A single * would encrypt the time and the level too.
  if (end !== path.length || names.length === 0 || names.every((name) => name === ANY))
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a path of log fields is not possible', {
      hint: 'paths look like these: user.email, *.ssn, items[*].card, req.headers["x-api-key"]',
    })
  return names
}

export const matchesPath = (pattern: readonly string[], path: readonly string[]): boolean =>
  pattern.length === path.length && pattern.every((name, at) => name === ANY || name === path[at])

/**
 * What a value is bound to: the name of its field. Not the whole path, which pino does not always tell and collectors
 * of logs change; places in an array have no name of their own.
 */
export function fieldName(path: readonly string[]): string {
  return path.findLast((name) => !/^\d+$/.test(name)) ?? path.at(-1) ?? ''
}

/** Replaces the values at `patterns` in a parsed line, in place. */
export async function replaceAt(
  line: unknown,
  patterns: readonly (readonly string[])[],
  replace: (value: unknown, path: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const done = new Set<string>()
  for (const pattern of patterns) await walk(line, pattern, [], done, replace)
}

/** A field that two patterns name is replaced once. */
async function walk(
  holder: unknown,
  pattern: readonly string[],
  path: readonly string[],
  done: Set<string>,
  replace: (value: unknown, path: readonly string[]) => Promise<unknown>,
): Promise<void> {
  if (typeof holder !== 'object' || holder === null) return
  const members = holder as Record<string, unknown>
  const [first = '', ...rest] = pattern
  for (const name of first === ANY ? Object.keys(members) : [first]) {
    if (!Object.hasOwn(members, name)) continue
    const at = [...path, name]
    if (rest.length > 0) await walk(members[name], rest, at, done, replace)
    else if (members[name] !== null && !done.has(JSON.stringify(at))) {
      done.add(JSON.stringify(at))
      members[name] = await replace(members[name], at)
    }
  }
}
