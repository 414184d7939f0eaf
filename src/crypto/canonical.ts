/**
 * The canonical form of a context: RFC 8785 JSON (UTF-8) of a flat map from names to well-formed strings.
 *
 * For such maps RFC 8785 comes down to: members sorted by UTF-16 code units, no white space, strings as
 * ECMAScript's JSON.stringify writes them.
 */
import { KeywrightError } from '../errors.ts'

/**
 * What a ciphertext is bound to: `{ table: 'users', column: 'ssn', row: '42' }`. Names match `[a-z0-9_.-]{1,64}`.
 * Values are strings only; numbers are refused, because 1, 1.0 and '1' would have to mean the same.
 */
export type Context = Readonly<Record<string, string>>

const NAME = /^[a-z0-9_.-]{1,64}$/

/** Throws ERR_CONTEXT_INVALID unless `name` may stand in a context. */
function assertContextName(name: string): void {
  if (NAME.test(name)) return
  // Not repeated: name and value are easily swapped.
  throw new KeywrightError('ERR_CONTEXT_INVALID', 'a context name is not allowed', {
    hint: 'names are 1 to 64 characters out of a-z, 0-9, "_", "." and "-": user_id, not userId',
  })
}

/** Throws ERR_CONTEXT_INVALID unless `value` is a well-formed string. The value never appears in the error. */
function assertContextValue(name: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value.isWellFormed()) return
  const got =
    typeof value === 'string' ? 'a string with a lone surrogate' : value === null ? 'null' : typeof value
  throw new KeywrightError('ERR_CONTEXT_INVALID', `context value "${name}" is ${got}, expected a string`, {
    hint: 'convert it yourself, always in the same way: String(id)',
  })
}

/** Throws ERR_CONTEXT_INVALID for a Map, a class instance or null, which would silently count as empty. */
export function assertContextObject(context: unknown): void {
  const prototype =
    typeof context === 'object' && context !== null ? Object.getPrototypeOf(context) : undefined
  if (prototype === Object.prototype || prototype === null) return
  throw new KeywrightError('ERR_CONTEXT_INVALID', 'the context is not a plain object', {
    hint: "pass names and strings: { table: 'users', column: 'ssn', row: '42' }",
  })
}

/** The canonical text of `context`. Throws ERR_CONTEXT_INVALID for a name or value that may not stand in it. */
export function canonicalText(context: Context): string {
  assertContextObject(context)
  const names = Object.keys(context).sort() // names are ASCII, so any order of code units is the same
  const members = names.map((name) => {
    assertContextName(name)
    const value = context[name]
    assertContextValue(name, value)
    return `"${name}":${JSON.stringify(value)}`
  })
  return `{${members.join(',')}}`
}

/** The canonical bytes of `context`. */
export function canonicalBytes(context: Context): Buffer {
  return Buffer.from(canonicalText(context), 'utf8')
}

/**
 * The canonical bytes of `context` plus one member whose value changes from call to call, with everything else
 * written once. Throws as `canonicalText` does; a bad value throws when it is given.
 */
export function canonicalTemplate(context: Context, name: string): (value: string) => Buffer {
  assertContextName(name)
  assertContextObject(context)
  const marked = canonicalText({ ...context, [name]: '' })
  const slot = Object.keys({ ...context, [name]: '' })
    .sort()
    .indexOf(name)
  const before = Object.keys(context)
    .sort()
    .slice(0, slot)
    .map((other) => `"${other}":${JSON.stringify(context[other])},`)
    .join('')
  const head = `{${before}"${name}":`
  const tail = marked.slice(head.length + 2) // behind the empty string that stands in the slot
  return (value) => {
    assertContextValue(name, value)
    return Buffer.from(head + JSON.stringify(value) + tail, 'utf8')
  }
}
