/** The limit: what bare node:crypto takes for the same work, with a KeyObject, pooled nonces and the same AAD. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, randomFillSync } from 'node:crypto'

const POOL_BYTES = 12 * 1024

/** Encrypts to and decrypts from base64url of IV, ciphertext and tag, under one key and AAD. */
export function bareLoop(aad: Buffer): { encrypt(text: string): string; decrypt(text: string): string } {
  const key = createSecretKey(randomBytes(32))
  const pool = Buffer.allocUnsafe(POOL_BYTES)
  let at = POOL_BYTES
  const nonce = (): Buffer => {
    if (at === POOL_BYTES) {
      randomFillSync(pool)
      at = 0
    }
    at += 12
    return pool.subarray(at - 12, at)
  }
  return {
    encrypt(text) {
      const iv = nonce()
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      cipher.setAAD(aad)
      const body = cipher.update(text, 'utf8')
      cipher.final()
      return Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url')
    },
    decrypt(text) {
      const bytes = Buffer.from(text, 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
      decipher.setAAD(aad)
      decipher.setAuthTag(bytes.subarray(-16))
      const body = decipher.update(bytes.subarray(12, -16))
      decipher.final()
      return body.toString('utf8')
    },
  }
}
