/** The outside of an envelope: length of the wrapped key (4, big-endian) || wrapped key || sealed bytes. */
import { KeywrightError } from '../errors.ts'
import { assertBytes } from './bytes.ts'

const LENGTH_BYTES = 4
/** As in Tink: a wrapped key is 1 to 4096 bytes. */
const MAX_WRAPPED_BYTES = 4096
/** IV and tag of an empty plaintext. */
const MIN_SEALED_BYTES = 28

/** The blob made of its parts. Throws ERR_PROVIDER_FAILED for a wrapped key that no reader would take. */
export function joinEnvelope(wrapped: Uint8Array, sealed: Uint8Array): Buffer {
  if (wrapped.length > MAX_WRAPPED_BYTES) {
    throw new KeywrightError(
      'ERR_PROVIDER_FAILED',
      'the provider made a wrapped key of more than 4096 bytes',
      {
        hint: 'an envelope cannot hold it: use a keyring',
      },
    )
  }
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(wrapped.length)
  return Buffer.concat([length, wrapped, sealed])
}

/** The parts of a blob, unopened. Throws ERR_CIPHERTEXT_EMPTY and ERR_CIPHERTEXT_MALFORMED. */
export function splitEnvelope(blob: Uint8Array): { wrapped: Uint8Array; sealed: Buffer } {
  assertBytes(blob, 'blob')
  if (blob.length === 0) {
    throw new KeywrightError('ERR_CIPHERTEXT_EMPTY', 'the envelope is empty', {
      hint: 'was it written completely? the envelope of an empty plaintext is not empty',
    })
  }
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength)
  const length = bytes.length < LENGTH_BYTES ? 0 : bytes.readUInt32BE(0)
  const sealedAt = LENGTH_BYTES + length
  if (length === 0 || length > MAX_WRAPPED_BYTES || bytes.length < sealedAt + MIN_SEALED_BYTES) {
    throw new KeywrightError(
      'ERR_CIPHERTEXT_MALFORMED',
      'the bytes are not a Keywright envelope, or they were cut',
      {
        hint: 'a value that begins with "kw1." is opened with decrypt, not with unseal',
      },
    )
  }
  return { wrapped: bytes.subarray(LENGTH_BYTES, sealedAt), sealed: bytes.subarray(sealedAt) }
}
