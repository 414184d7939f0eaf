/** A wrapped key as bytes: protobuf { 1: provider, 2: master key id, 3: version, 4: algorithm, 5: ciphertext }. */
import { readFields, writeFields } from '../crypto/protobuf.ts'
import { KeywrightError } from '../errors.ts'
import type { WrappedKey } from '../provider.ts'

export function encodeWrappedKey(wrapped: WrappedKey): Uint8Array {
  return writeFields([
    [1, wrapped.provider],
    [2, wrapped.masterKeyId],
    [3, wrapped.masterKeyVersion],
    [4, wrapped.algorithm],
    [5, wrapped.ciphertext],
  ])
}

/** Throws ERR_CIPHERTEXT_MALFORMED. */
export function decodeWrappedKey(bytes: Uint8Array): WrappedKey {
  const malformed = (): KeywrightError =>
    new KeywrightError('ERR_CIPHERTEXT_MALFORMED', 'the wrapped key cannot be read', {
      hint: 'the bytes were cut or changed, or they are no Keywright envelope',
    })
  const fields = readFields(bytes, malformed)
  const ciphertext = fields.bytes(5)
  const wrapped = {
    provider: fields.string(1),
    masterKeyId: fields.string(2),
    masterKeyVersion: fields.string(3),
    algorithm: fields.string(4),
  }
  if (ciphertext === undefined || Object.values(wrapped).includes('')) throw malformed()
  return { ...wrapped, ciphertext: Uint8Array.from(ciphertext) }
}
