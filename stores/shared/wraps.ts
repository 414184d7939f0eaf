/** Wrapped keys as JSON, the form in which stores keep them: an array of objects, the ciphertext in base64. */
import type { WrappedKey } from '../../src/store.ts'

/** The JSON of `wraps`. */
export function formatWraps(wraps: readonly WrappedKey[]): string {
  return JSON.stringify(
    wraps.map((wrap) => ({ ...wrap, ciphertext: Buffer.from(wrap.ciphertext).toString('base64') })),
  )
}

/** What `formatWraps` wrote, not yet checked; `undefined` for what is no such JSON. */
export function parseWraps(text: unknown): unknown[] | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const wraps: unknown = JSON.parse(text)
    return Array.isArray(wraps) ? wraps.map(parseWrap) : undefined
  } catch {
    return undefined
  }
}

function parseWrap(wrap: unknown): unknown {
  if (typeof wrap !== 'object' || wrap === null || !('ciphertext' in wrap)) return undefined
  return { ...wrap, ciphertext: parseBytes(wrap.ciphertext) }
}

/** Buffer skips what is not base64 silently, so only the one canonical spelling counts. */
function parseBytes(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
