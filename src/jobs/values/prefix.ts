/**
 * The key id of a stored value from its first characters alone: no key, no decoding of the rest. What looks like a
 * ciphertext here may still be damaged behind its prefix; decrypting it tells.
 */
import { OVERHEAD_BYTES, START_BYTE } from '../../crypto/ciphertext.ts'
import type { SourceValue } from '../../source.ts'

/** What stands where a ciphertext is expected, when it is none. Key ids are greater than 0. */
export const PLAIN = -1
/** Begins as a ciphertext and cannot be one: too short, or of another version. */
export const MALFORMED = -2
/** Ciphertext of Fernet. */
export const FOREIGN = -3

const TEXT = 'kw1.'
const TOKEN = 'kwi1.'
const FERNET = 'gAAAAA'
const TEXT_LENGTH = TEXT.length + Math.ceil((OVERHEAD_BYTES * 4) / 3)
/** Key id and one byte of output. */
const TOKEN_LENGTH = TOKEN.length + 7

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const NONE = 64
const SIX_BITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const at = ALPHABET.indexOf(String.fromCharCode(code))
  return at < 0 ? NONE : at
})

/** The id of the key that encrypted a value; PLAIN, MALFORMED or FOREIGN for anything else. */
export function keyIdIn(value: string | Uint8Array): number {
  if (typeof value !== 'string') return keyIdInBytes(value)
  if (!value.startsWith(TEXT)) return value.startsWith(FERNET) ? FOREIGN : PLAIN
  if (value.length < TEXT_LENGTH) return MALFORMED
  // 7 characters are 42 bits: the start byte, the id, and 2 bits of what follows.
  const high = bitsAt(value, 4, 4)
  const low = bitsAt(value, 8, 3)
  if (high < 0 || low < 0 || high >>> 16 !== START_BYTE) return MALFORMED
  return (((high & 0xffff) << 16) | (low >>> 2)) >>> 0 || MALFORMED
}

function keyIdInBytes(value: Uint8Array): number {
  if (value[0] !== START_BYTE) return PLAIN
  if (value.length < OVERHEAD_BYTES) return MALFORMED
  const [, a = 0, b = 0, c = 0, d = 0] = value
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0 || MALFORMED
}

/** The id of the key that made a search token; PLAIN or MALFORMED for anything else. */
export function tokenKeyIdIn(value: SourceValue): number {
  if (typeof value !== 'string' || !value.startsWith(TOKEN)) return PLAIN
  if (value.length < TOKEN_LENGTH) return MALFORMED
  const high = bitsAt(value, 5, 4)
  const low = bitsAt(value, 9, 2)
  if (high < 0 || low < 0) return MALFORMED
  return ((high << 8) | (low >>> 4)) >>> 0 || MALFORMED
}

/** Up to four characters of base64url as one number; negative for another character. */
function bitsAt(text: string, from: number, length: number): number {
  let bits = 0
  for (let at = from; at < from + length; at++) {
    const six = SIX_BITS[text.charCodeAt(at)] ?? NONE
    if (six === NONE) return -1
    bits = (bits << 6) | six
  }
  return bits
}
