/** Everything that an error says, however somebody looks at it. */
import { inspect } from 'node:util'

const EVERYTHING = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true } as const

/** What somebody sees who inspects a value in every way that Node has. */
export function inspected(value: unknown): string {
  return [
    inspect(value, { ...EVERYTHING, maxArrayLength: null, maxStringLength: null }),
    inspect(value),
    String(value),
    jsonOf(value),
  ].join('\n')
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return '' // has a cycle: the inspection has shown it
  }
}

/** All that can be read from an error and from the errors it was caused by. */
export function outputOf(error: unknown, seen: ReadonlySet<unknown> = new Set()): string {
  if (seen.has(error)) return ''
  const parts = [inspected(error)]
  if (error instanceof Error) {
    parts.push(error.name, error.message, error.stack ?? '')
    for (const name of Reflect.ownKeys(error)) {
      parts.push(String(name), inspected((error as unknown as Record<PropertyKey, unknown>)[name]))
    }
    const { hint, details } = error as { hint?: unknown; details?: unknown }
    parts.push(String(hint), inspected(details))
    const more = [error.cause, ...(error instanceof AggregateError ? error.errors : [])]
    for (const other of more) if (other !== undefined) parts.push(outputOf(other, new Set([...seen, error])))
  }
  return parts.join('\n')
}
