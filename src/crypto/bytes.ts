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
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${title}" expected Uint8Array, got ${typeof value}`, {
      hint: 'pass a Buffer or another Uint8Array',
    })
  }
  if (length !== undefined && value.length !== length) {
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      `"${title}" expected ${length} bytes, got ${value.length}`,
      { hint: 'pass bytes of exactly that length' },
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

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** The six bits of a character by its code. */
const SIX_BITS = Uint8Array.from({ length: 256 }, (_, code) =>
  Math.max(0, ALPHABET.indexOf(String.fromCharCode(code))),
)
/** Characters of more than one byte. */
const WIDE = /[\u0100-\uffff]/
/** Bits of the last character that no byte uses, by the length modulo 4. */
const UNUSED_BITS = [0, 0, 0b1111, 0b11]

/**
 * Well-formed base64url without padding, in the one canonical spelling; anything else is `undefined`.
 *
 * Node's decoder skips what it does not know (so the result is too short), takes '+' and '/' as well, reads wide
 * characters by their low byte and ignores unused bits. These checks cost less than matching the alphabet: the one
 * for wide characters ends at once for a string that V8 holds in one byte a character.
 */
export function fromBase64url(text: string): Buffer | undefined {
  const rest = text.length % 4
  if (rest === 1 || text.includes('+') || text.includes('/')) return undefined
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== Math.floor((text.length * 3) / 4)) return undefined
  if (WIDE.test(text)) return undefined
  const unused = UNUSED_BITS[rest] as number
  if (((SIX_BITS[text.charCodeAt(text.length - 1)] as number) & unused) !== 0) return undefined
  return bytes
}

/** Standard base64 with padding, in the one canonical spelling; anything else is `undefined`. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
