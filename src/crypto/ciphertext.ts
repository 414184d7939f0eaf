/**
 * The wire format of a value, byte for byte Tink's AEAD with the TINK output prefix:
 *
 *     0x01 || key id (4, big-endian) || IV (12) || ciphertext || tag (16)                 AES-256-GCM
 *     0x01 || key id (4, big-endian) || salt (12) || IV (12) || ciphertext || tag (16)    X-AES-256-GCM
 *
 * Its text form is `kw1.` followed by base64url without padding.
 */
import { KeywrightError } from '../errors.ts'
import { fromBase64url } from './bytes.ts'

const TEXT_PREFIX = 'kw1.'
export const START_BYTE = 0x01
/** Start byte and key id. */
export const PREFIX_BYTES = 5
/** What AES-256-GCM adds to a plaintext; nothing shorter is a ciphertext. */
export const OVERHEAD_BYTES = 33

/** The key id in the prefix. The caller has checked the length. */
export function keyIdOf(bytes: Uint8Array): number {
  return (
    (((bytes[1] as number) << 24) |
      ((bytes[2] as number) << 16) |
      ((bytes[3] as number) << 8) |
      (bytes[4] as number)) >>>
    0
  )
}

/** The text form of wire bytes. */
export function toText(bytes: Buffer): string {
  return TEXT_PREFIX + bytes.toString('base64url')
}

/**
 * Wire bytes of a ciphertext in text or binary form. Checks everything that needs no key: prefix, alphabet,
 * canonical spelling, start byte, length.
 *
 * Throws ERR_CIPHERTEXT_EMPTY, ERR_NOT_CIPHERTEXT (plain text, another format) or ERR_CIPHERTEXT_MALFORMED.
 */
export function parseCiphertext(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? parseText(value) : viewOf(value)
  if (bytes.length < OVERHEAD_BYTES || bytes[0] !== START_BYTE) throw rejected(value, bytes)
  return bytes
}

function parseText(text: string): Buffer {
  if (!text.startsWith(TEXT_PREFIX)) throw notCiphertext(text)
  const bytes = fromBase64url(text.slice(TEXT_PREFIX.length))
  if (bytes === undefined) {
    throw new KeywrightError('ERR_CIPHERTEXT_MALFORMED', 'the ciphertext is not well-formed base64url', {
      hint: 'it was cut or changed on its way: compare its length with what was stored',
    })
  }
  return bytes
}

function viewOf(value: Uint8Array): Buffer {
  if (!(value instanceof Uint8Array)) {
    throw new KeywrightError(
      'ERR_VALUE_TYPE',
      `a ciphertext is a string or a Uint8Array, got ${value === null ? 'null' : typeof value}`,
      { hint: 'pass null and undefined on as they are; nothing was encrypted there' },
    )
  }
  if (value.length === 0) throw emptyCiphertext()
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function emptyCiphertext(): KeywrightError {
  return new KeywrightError('ERR_CIPHERTEXT_EMPTY', 'the ciphertext is empty', {
    hint: 'keep null for a missing value; the ciphertext of an empty string is not empty',
  })
}

function notCiphertext(text: string): KeywrightError {
  if (text === '') return emptyCiphertext()
  return new KeywrightError('ERR_NOT_CIPHERTEXT', 'the value is not a Keywright ciphertext', {
    hint: `ciphertexts begin with "${TEXT_PREFIX}"; was it stored before encryption was switched on?`,
  })
}

function rejected(value: string | Uint8Array, bytes: Buffer): KeywrightError {
  if (bytes.length > 0 && bytes[0] !== START_BYTE) {
    if (typeof value !== 'string') {
      return new KeywrightError('ERR_NOT_CIPHERTEXT', 'the bytes are not a Keywright ciphertext', {
        hint: 'ciphertexts begin with the byte 01; were they stored before encryption was switched on?',
      })
    }
    return new KeywrightError('ERR_CIPHERTEXT_MALFORMED', 'the ciphertext has an unknown format version', {
      hint: 'was it written by a newer Keywright? then upgrade',
    })
  }
  return new KeywrightError('ERR_CIPHERTEXT_MALFORMED', 'the ciphertext is too short', {
    hint: 'it was cut: is the column long enough for it? a value needs 33 bytes more than its plaintext',
    details: { bytes: bytes.length, atLeast: OVERHEAD_BYTES },
  })
}

/** Whether `value` has the form of a Keywright ciphertext. Needs no key and proves nothing. */
export function isCiphertext(value: unknown): value is string | Uint8Array {
  if (typeof value === 'string') {
    if (!value.startsWith(TEXT_PREFIX)) return false
    const bytes = fromBase64url(value.slice(TEXT_PREFIX.length))
    return bytes !== undefined && bytes.length >= OVERHEAD_BYTES && bytes[0] === START_BYTE
  }
  return value instanceof Uint8Array && value.length >= OVERHEAD_BYTES && value[0] === START_BYTE
}
