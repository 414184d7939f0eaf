/** Bytes: checks at the door, base64url, comparison and wiping. */
import { timingSafeEqual } from 'node:crypto'
import { KeywrightError } from '../errors.ts'

/** Asserts type, then length. The title names the argument; the content never appears. */
export function assertBytes(
  value: unknown,
  title: string,
  length?: number,
): asserts value is Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${title}" expected Uint8Array, got ${typeof value}`)
  }
  if (length !== undefined && value.length !== length) {
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      `"${title}" expected ${length} bytes, got ${value.length}`,
    )
  }
}

/** Equal in constant time for equal lengths; lengths are not secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Fills with zeros. JavaScript gives no guarantee that no copy is left elsewhere. */
export function wipe(...arrays: readonly (Uint8Array | undefined)[]): void {
  for (const array of arrays) array?.fill(0)
}

/** Well-formed base64url without padding, in the one canonical spelling; anything else is `undefined`. */
export function fromBase64url(text: string): Buffer | undefined {
  if (/[^A-Za-z0-9_-]/.test(text) || text.length % 4 === 1) return undefined
  const bytes = Buffer.from(text, 'base64url')
  // The last character may carry bits that no byte uses: two spellings of one value.
  return text.length % 4 === 0 || bytes.toString('base64url') === text ? bytes : undefined
}

/** Standard base64 with padding, in the one canonical spelling; anything else is `undefined`. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
