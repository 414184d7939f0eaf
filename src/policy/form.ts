/** Whether a document has the right form, and if not, what of it has. Knows zod's issues so that nobody else does. */
import * as z from 'zod'
import { didYouMean, nearest } from '../nearest.ts'
import { type Problem, pathOf, quoted } from './problems.ts'
import { PolicyDocument } from './schema.ts'

/** A document of which every part may be missing, because it had the wrong form. */
export type Sieved<T> = T extends readonly (infer E)[]
  ? readonly (Sieved<E> | undefined)[]
  : T extends object
    ? { readonly [K in keyof T]?: Sieved<T[K]> | undefined }
    : T

export interface Form {
  readonly problems: readonly Problem[]
  /** The parts of the right form, copied; `undefined` when nothing is. */
  readonly document: Sieved<PolicyDocument> | undefined
}

/** Nothing in a document is nested more deeply, and stepping down for ever would end in a stack overflow. */
const DEEPEST = 32

/** Sorts `document` into problems of form and parts that can be used. Never throws for JSON. */
export function checkForm(document: unknown): Form {
  const structure = structureProblems(document, [])
  if (structure.length > 0) return { problems: structure, document: undefined }
  const parsed = PolicyDocument.safeParse(document, { error: describe })
  if (parsed.success) return { problems: [], document: sieve(parsed.data, new Set(), []) }
  const issues = parsed.error.issues
  if (issues.some(({ path, code }) => path.length === 0 && code !== 'unrecognized_keys')) {
    return { problems: [{ path: '', what: 'expected a JSON object' }], document: undefined }
  }
  const problems = new Map<string, Problem>()
  // A value that breaks two rules has one problem.
  for (const problem of issues.flatMap(problemsOf)) {
    if (!problems.has(problem.path)) problems.set(problem.path, problem)
  }
  return { problems: [...problems.values()], document: sieve(document, new Set(problems.keys()), []) }
}

/** Text for what the schema has no text of its own for. The input is not repeated. */
const describe: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_value')
    return `expected one of ${issue.values.map((v) => JSON.stringify(v)).join(', ')}`
  if (issue.code === 'too_big') return `expected at most ${issue.maximum}`
  if (issue.code !== 'invalid_type') return 'not valid here'
  const article = /^[aeiou]/.test(issue.expected) ? 'an' : 'a'
  return issue.expected === 'record' ? 'expected an object' : `expected ${article} ${issue.expected}`
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const path = pathOf(issue.path)
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownMember(issue.path, key))
  if (issue.code === 'invalid_key') return [{ path, what: issue.issues[0]?.message ?? issue.message }]
  return [{ path, what: issue.message }]
}

function unknownMember(parent: readonly PropertyKey[], key: string): Problem {
  const known = membersAt(parent)
  const near = nearest(key, known)
  const advice = Object.hasOwn(PolicyDocument.shape, key)
    ? `${quoted(key)} belongs at the top of the document`
    : didYouMean(key, known) || `known: ${known.join(', ')}`
  return {
    path: pathOf([...parent, key]),
    what: `unknown member; ${advice}`,
    // Whoever misspelt `maxAge` did state it.
    ...(near === undefined ? {} : { about: [pathOf([...parent, near])] }),
  }
}

/** The names of the members that the schema knows at `path`. */
function membersAt(path: readonly PropertyKey[]): string[] {
  let schema: unknown = PolicyDocument
  for (const segment of path) {
    schema = unwrapped(schema)
    if (schema instanceof z.ZodObject) schema = schema.shape[String(segment)]
    else if (schema instanceof z.ZodRecord) schema = schema.valueType
    else if (schema instanceof z.ZodArray) schema = schema.element
  }
  schema = unwrapped(schema)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

const unwrapped = (schema: unknown): unknown => (schema instanceof z.ZodOptional ? schema.unwrap() : schema)

/** What no schema sees: `__proto__` as a member, which zod passes over, and nesting without end. */
function structureProblems(value: unknown, path: readonly PropertyKey[]): Problem[] {
  if (!isPlain(value)) return []
  if (path.length > DEEPEST) return [{ path: pathOf(path.slice(0, 4)), what: 'nested too deeply' }]
  if (Object.hasOwn(value, '__proto__'))
    return [{ path: pathOf([...path, '__proto__']), what: 'unknown member' }]
  return Object.entries(value).flatMap(([name, member]) => structureProblems(member, [...path, name]))
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null
}

/** A copy without what stands at the bad paths. */
function sieve(
  value: unknown,
  bad: ReadonlySet<string>,
  path: readonly PropertyKey[],
): Sieved<PolicyDocument> {
  const copy = (member: unknown, at: readonly PropertyKey[]): unknown => {
    if (bad.size > 0 && bad.has(pathOf(at))) return undefined
    if (!isPlain(member)) return member
    if (Array.isArray(member)) return member.map((element, index) => copy(element, [...at, index]))
    return Object.fromEntries(
      Object.entries(member).map(([name, inner]) => [name, copy(inner, [...at, name])]),
    )
  }
  return copy(value, path) as Sieved<PolicyDocument>
}
