/**
 * JSON as strict as a key needs it: an object with a member twice has two meanings, and JSON.parse picks one
 * silently (RFC 8259, section 4).
 */

/**
 * Strings and structure. Run over text that JSON.parse took, so the rest is numbers, literals and white
 * space.
 */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** Far more than any document of ours has. */
const MAX_DEPTH = 64

/**
 * The value of `text`. Throws `malformed()` when it is not JSON, has a member twice or is nested over 64
 * deep. The engine's own error is never passed on, because its message quotes the text.
 */
export function parseStrictJson(text: string, malformed: () => Error): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed()
  }
  if (isAmbiguousOrDeep(text)) throw malformed()
  return value
}

function isAmbiguousOrDeep(text: string): boolean {
  const open: Set<string>[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      if (open.push(new Set()) > MAX_DEPTH) return true
    } else if (token === '}' || token === ']') open.pop()
    else if (token !== ':') last = token
    else {
      const names = open.at(-1)
      const name = JSON.parse(last) as string // "a" and "\u0061" are the same name
      if (names?.has(name)) return true
      names?.add(name)
    }
  }
  return false
}
