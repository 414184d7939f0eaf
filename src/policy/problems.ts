/** What is wrong with a policy, collected, so that everything is reported at once. */
import { KeywrightError } from '../errors.ts'

export interface Problem {
  /** Where: 'keyTypes.pii.rotation.age'; empty for the whole document. */
  readonly path: string
  /** What is wrong, without any value of the document except names of members and selector patterns. */
  readonly what: string
  /** Paths of the other values that the statement rests on. */
  readonly about?: readonly string[]
}

/** More would not be read; their number is told. */
const REPORTED = 50

/** ERR_POLICY_INVALID with one line per problem, in order of their paths. */
export function policyInvalid(problems: readonly Problem[], source = 'the policy'): KeywrightError {
  const lines = [
    ...new Set(problems.map(({ path, what }) => (path === '' ? what : `${path}: ${what}`))),
  ].sort()
  const shown = lines.slice(0, REPORTED)
  if (lines.length > shown.length) shown.push(`and ${lines.length - shown.length} more`)
  const count = `${lines.length} problem${lines.length === 1 ? '' : 's'}`
  return new KeywrightError('ERR_POLICY_INVALID', `${source} has ${count}:\n  ${shown.join('\n  ')}`, {
    hint: 'correct the members named; schema/encryption.schema.json describes all of them',
    details: { problems: shown },
  })
}

const placesOf = ({ path, about = [] }: Problem): string[] => [path, ...about]

/** Whether one path is the other or lies within it. */
function related(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`)
}

/**
 * Problems of content without those that rest on a member whose form is wrong already: a default took its place, so
 * they would speak of a value nobody stated.
 */
export function withoutConsequences(content: readonly Problem[], form: readonly Problem[]): Problem[] {
  const wrong = form.flatMap(placesOf)
  return content.filter(
    (problem) => !placesOf(problem).some((place) => wrong.some((bad) => related(place, bad))),
  )
}

/** A member name or pattern as it may stand in a message: quoted, escaped, cut. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}

/** A path of member names and positions; names that could be mistaken for a path are quoted. */
export function pathOf(segments: readonly PropertyKey[]): string {
  return segments
    .map((segment) => String(segment))
    .map((segment) => (/^[\w$-]{1,80}$/.test(segment) ? segment : quoted(segment)))
    .join('.')
}
