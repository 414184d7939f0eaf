/** What a ciphertext tells without any key. */
import { isCiphertext, keyIdOf, OVERHEAD_BYTES, parseCiphertext } from '../crypto/ciphertext.ts'
import { splitEnvelope } from '../crypto/envelope-format.ts'
import { looksLikeToken, parseToken, tokenKeyId } from '../crypto/token.ts'
import { decodeWrappedKey } from '../keys/wrapped-key.ts'

/** The outside of a value, a search token or an envelope. */
export type Inspection =
  | {
      readonly kind: 'value'
      readonly form: 'text' | 'binary'
      readonly keyId: number
      readonly bytes: number
      /** Length of the plaintext in bytes; 12 less when the key is one for X-AES-256-GCM. */
      readonly plaintextBytes: number
    }
  | { readonly kind: 'token'; readonly keyId: number }
  | {
      readonly kind: 'envelope'
      readonly provider: string
      readonly masterKeyId: string
      readonly masterKeyVersion: string
      readonly algorithm: string
      readonly bytes: number
    }

/** Whether `value` has the form of a Keywright ciphertext. Needs no key and proves nothing about its origin. */
export function isEncrypted(value: unknown): boolean {
  return isCiphertext(value)
}

/**
 * What can be read from the outside. Needs no key, proves nothing.
 * Throws ERR_CIPHERTEXT_EMPTY, ERR_NOT_CIPHERTEXT or ERR_CIPHERTEXT_MALFORMED.
 */
export function inspect(value: string | Uint8Array): Inspection {
  if (looksLikeToken(value)) {
    return { kind: 'token', keyId: tokenKeyId(parseToken(value)) }
  }
  if (value instanceof Uint8Array && value[0] === 0) return inspectEnvelope(value)
  const wire = parseCiphertext(value)
  return {
    kind: 'value',
    form: typeof value === 'string' ? 'text' : 'binary',
    keyId: keyIdOf(wire),
    bytes: wire.length,
    plaintextBytes: wire.length - OVERHEAD_BYTES,
  }
}

/** An envelope begins with a length below 4097, so its first byte is 0; a value begins with 1. */
function inspectEnvelope(bytes: Uint8Array): Inspection {
  const { wrapped } = splitEnvelope(bytes)
  const { provider, masterKeyId, masterKeyVersion, algorithm } = decodeWrappedKey(wrapped)
  return { kind: 'envelope', provider, masterKeyId, masterKeyVersion, algorithm, bytes: bytes.length }
}
