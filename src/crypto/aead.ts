/**
 * Sealing and opening values. Nonces are made here and nowhere else; tags are always 16 bytes.
 *
 * AES-256-GCM with random 96-bit nonces: NIST SP 800-38D section 8.3 allows 2^32 messages under one key.
 * X-AES-256-GCM (C2SP XAES-256-GCM, Tink XAesGcm) derives a key per message from a 96-bit salt and so allows 2^80
 * in theory; the policy stops at 2^48.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from 'node:crypto'
import { decryptionFailed } from '../errors.ts'
import { PREFIX_BYTES, START_BYTE } from './ciphertext.ts'
import { xaesSubkey } from './xaes.ts'

/** An algorithm for values. `seal` and `open` see whole wire bytes, prefix included. */
export interface Suite {
  /** `0x01 || id || nonce || ciphertext || tag` under a fresh nonce. */
  seal(key: KeyObject, id: number, plaintext: string | Uint8Array, aad: Uint8Array): Buffer
  /** The plaintext, or the one error of every failed decryption. */
  open(key: KeyObject, wire: Buffer, aad: Uint8Array): Buffer
  /** What is added to the plaintext's length. */
  readonly overheadBytes: number
}

const IV_BYTES = 12
const SALT_BYTES = 12
const TAG_BYTES = 16
const GCM_OPTIONS = { authTagLength: TAG_BYTES } as const

// One system call fills the nonces of many messages. A position is given out once, then overwritten.
const POOL_BYTES = 12 * 1024
const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
let poolAt = POOL_BYTES

/** Twelve fresh random bytes: a view that is overwritten after 1024 calls. Used at once, never kept. */
function freshNonce(): Uint8Array {
  if (poolAt === POOL_BYTES) {
    randomFillSync(pool)
    poolAt = 0
  }
  const start = poolAt
  poolAt = start + IV_BYTES
  return new Uint8Array(pool.buffer, start, IV_BYTES) // the pool has a buffer of its own: its offset is 0
}

/** Writes the wire form; `salt` is empty for plain AES-256-GCM. */
function sealGcm(
  key: KeyObject,
  id: number,
  plaintext: string | Uint8Array,
  aad: Uint8Array,
  salt: Uint8Array | undefined,
): Buffer {
  const iv = freshNonce()
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(aad)
  const body = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext)
  cipher.final() // GCM has nothing left to give
  const tag = cipher.getAuthTag()
  const saltBytes = salt === undefined ? 0 : SALT_BYTES
  const ivAt = PREFIX_BYTES + saltBytes
  const bodyAt = ivAt + IV_BYTES
  const wire = Buffer.allocUnsafe(bodyAt + body.length + TAG_BYTES)
  wire[0] = START_BYTE
  wire[1] = id >>> 24
  wire[2] = id >>> 16
  wire[3] = id >>> 8
  wire[4] = id
  if (salt !== undefined) wire.set(salt, PREFIX_BYTES)
  wire.set(iv, ivAt)
  wire.set(body, bodyAt)
  wire.set(tag, bodyAt + body.length)
  return wire
}

function openGcm(key: KeyObject, wire: Buffer, aad: Uint8Array, ivAt: number): Buffer {
  const bodyAt = ivAt + IV_BYTES
  const tagAt = wire.length - TAG_BYTES
  if (tagAt < bodyAt) throw decryptionFailed()
  try {
    // Plain views: Buffer's own subarray costs three per cent of the whole.
    const { buffer, byteOffset } = wire
    const iv = new Uint8Array(buffer, byteOffset + ivAt, IV_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', key, iv, GCM_OPTIONS)
    decipher.setAAD(aad)
    decipher.setAuthTag(new Uint8Array(buffer, byteOffset + tagAt, TAG_BYTES))
    const body = decipher.update(new Uint8Array(buffer, byteOffset + bodyAt, tagAt - bodyAt))
    decipher.final()
    return body
  } catch {
    throw decryptionFailed()
  }
}

/** The algorithms for values by name. */
export const SUITES = {
  'AES-256-GCM': {
    overheadBytes: PREFIX_BYTES + IV_BYTES + TAG_BYTES,
    seal: (key, id, plaintext, aad) => sealGcm(key, id, plaintext, aad, undefined),
    open: (key, wire, aad) => openGcm(key, wire, aad, PREFIX_BYTES),
  },
  'X-AES-256-GCM': {
    overheadBytes: PREFIX_BYTES + SALT_BYTES + IV_BYTES + TAG_BYTES,
    seal(key, id, plaintext, aad) {
      const salt = Uint8Array.from(freshNonce()) // the next nonce may refill the pool
      return sealGcm(xaesSubkey(key, salt), id, plaintext, aad, salt)
    },
    open(key, wire, aad) {
      const ivAt = PREFIX_BYTES + SALT_BYTES
      if (wire.length < ivAt + IV_BYTES + TAG_BYTES) throw decryptionFailed()
      return openGcm(xaesSubkey(key, wire.subarray(PREFIX_BYTES, ivAt)), wire, aad, ivAt)
    },
  },
} as const satisfies Record<string, Suite>

/** Name of an algorithm for values. */
export type SuiteName = keyof typeof SUITES

/** `IV || ciphertext || tag` under a key that is used once: Tink's RAW output, for envelopes. */
export function sealDetached(key: KeyObject, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  return sealGcm(key, 0, plaintext, aad, undefined).subarray(PREFIX_BYTES)
}

/** The reverse of `sealDetached`. */
export function openDetached(key: KeyObject, sealed: Buffer, aad: Uint8Array): Buffer {
  return openGcm(key, sealed, aad, 0)
}
