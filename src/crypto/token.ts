/** The form of a search token: `kwi1.` and base64url of key id (4, big-endian) || PRF output (1 to 32). */
import { KeywrightError } from '../errors.ts'
import { fromBase64url } from './bytes.ts'

const PREFIX = 'kwi1.'
const ID_BYTES = 4
const MAX_TOKEN_BYTES = ID_BYTES + 32

/** Whether `value` begins as a token does. */
export const looksLikeToken = (value: unknown): value is string =>
  typeof value === 'string' && value.startsWith(PREFIX)

/** The token made of a key id and the PRF's output. */
export function toToken(keyId: number, output: Buffer): string {
  const token = Buffer.allocUnsafe(ID_BYTES + output.length)
  token.writeUInt32BE(keyId)
  output.copy(token, ID_BYTES)
  return PREFIX + token.toString('base64url')
}

/** The bytes of a token. Throws ERR_NOT_CIPHERTEXT for anything else. */
export function parseToken(token: string): Buffer {
  const bytes = looksLikeToken(token) ? fromBase64url(token.slice(PREFIX.length)) : undefined
  if (bytes !== undefined && bytes.length > ID_BYTES && bytes.length <= MAX_TOKEN_BYTES) return bytes
  throw new KeywrightError('ERR_NOT_CIPHERTEXT', 'the value is not a search token', {
    hint: `tokens begin with "${PREFIX}"`,
  })
}

/** The id of the key that made a token. */
export const tokenKeyId = (bytes: Buffer): number => bytes.readUInt32BE(0)
