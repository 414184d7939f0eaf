/**
 * AES-256-GCM as the local providers use it, for wraps and for the sealed part of a key file alike:
 * `nonce (12) || ciphertext || tag (16)`. The nonce is random, made here and nowhere else; a master key wraps
 * data keys, of which there are far fewer than the 2^32 that NIST SP 800-38D allows for random nonces.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What {@link gcmSeal} adds to the length of its input, in bytes. */
export const GCM_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES

/** `nonce || ciphertext || tag`. `key` is a 32-byte secret key. */
export function gcmSeal(key: KeyObject, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/**
 * The plaintext, or `undefined` for whatever reason it cannot be opened, so that no caller can tell the
 * reasons apart.
 */
export function gcmOpen(key: KeyObject, blob: Uint8Array, aad: Uint8Array): Buffer | undefined {
  if (blob.length < GCM_OVERHEAD_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(aad)
  decipher.setAuthTag(blob.subarray(-TAG_BYTES))
  const plaintext = decipher.update(blob.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    decipher.final()
    return plaintext
  } catch {
    plaintext.fill(0) // decrypted, but not authentic: nobody may see it
    return undefined
  }
}
