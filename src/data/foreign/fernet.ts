/**
 * Fernet tokens (github.com/fernet/spec), read and, only to undo a migration, written:
 *
 *     base64url, padded, of: 0x80 || seconds (8, big-endian) || IV (16) || AES-128-CBC with PKCS #7 || HMAC-SHA-256 (32)
 *
 * The time is not looked at: a value in a database does not expire. Nothing binds a token to its place.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { equalBytes, fromBase64url } from '../../crypto/bytes.ts'
import type { FernetKey } from './fernet-key.ts'
import { looksLikeFernet } from './forms.ts'
import type { ForeignReader } from './reader.ts'

const VERSION = 0x80
const BLOCK = 16
const IV_AT = 9
const CIPHERTEXT_AT = IV_AT + BLOCK
const MAC_BYTES = 32
const SHORTEST = CIPHERTEXT_AT + BLOCK + MAC_BYTES
const CIPHER = 'aes-128-cbc'

/** A reader of Fernet and MultiFernet: the keys are tried in their order. */
export function fernetReader(keys: readonly FernetKey[]): ForeignReader {
  return {
    name: 'fernet',
    recognises: looksLikeFernet,
    open: (value) =>
      openFernet(keys, typeof value === 'string' ? value : Buffer.from(value).toString('latin1')),
  }
}

function openFernet(keys: readonly FernetKey[], text: string): Buffer | undefined {
  const token = decodeToken(text)
  if (token === undefined) return undefined
  const signed = token.subarray(0, -MAC_BYTES)
  const mac = token.subarray(-MAC_BYTES)
  const key = keys.find(({ signing }) => equalBytes(macOf({ signing }, signed), mac))
  return key === undefined ? undefined : decrypt(key, signed)
}

/** The bytes of a token of the right form: canonical base64url with its padding, version, length. */
function decodeToken(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined
  const token = fromBase64url(text.replace(/={1,2}$/, ''))
  if (token === undefined || token[0] !== VERSION || token.length < SHORTEST) return undefined
  return (token.length - SHORTEST) % BLOCK === 0 ? token : undefined
}

const macOf = ({ signing }: Pick<FernetKey, 'signing'>, signed: Uint8Array): Buffer =>
  createHmac('sha256', signing).update(signed).digest()

function decrypt({ encryption }: FernetKey, signed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, encryption, signed.subarray(IV_AT, CIPHERTEXT_AT))
  try {
    return Buffer.concat([decipher.update(signed.subarray(CIPHERTEXT_AT)), decipher.final()])
  } catch {
    return undefined // the padding; the MAC was right, so whoever made the token made it so
  }
}

/** A token of `plaintext`, for the way back. `now`: milliseconds since the epoch. */
export function writeFernet(key: FernetKey, plaintext: Uint8Array, now: number): string {
  const head = Buffer.alloc(CIPHERTEXT_AT)
  head[0] = VERSION
  head.writeBigUInt64BE(BigInt(Math.floor(now / 1000)), 1)
  const iv = randomBytes(BLOCK)
  iv.copy(head, IV_AT)
  const cipher = createCipheriv(CIPHER, key.encryption, iv)
  const signed = Buffer.concat([head, cipher.update(plaintext), cipher.final()])
  return padded(Buffer.concat([signed, macOf(key, signed)]).toString('base64url'))
}

const padded = (text: string): string => text.padEnd(Math.ceil(text.length / 4) * 4, '=')
