/** A Tink keyset for a stream. Keywright has no such keysets: it derives a stream's key from a data key. */
import { writeFields } from '../../src/crypto/protobuf.ts'

/** HashType of Tink's protos. */
const HASHES = { SHA1: 1, SHA256: 3, SHA512: 4 } as const

export interface StreamingKey {
  /** The input of the key derivation. */
  readonly key: Uint8Array
  readonly segmentBytes: number
  /** 16 or 32. */
  readonly derivedKeyBytes: number
  readonly hash: keyof typeof HASHES
}

/** The cleartext JSON keyset of one AesGcmHkdfStreamingKey. */
export function streamingKeysetJson({ key, segmentBytes, derivedKeyBytes, hash }: StreamingKey): string {
  const params = [
    [1, segmentBytes],
    [2, derivedKeyBytes],
    [3, HASHES[hash]],
  ] as const
  const message = writeFields([
    [2, params],
    [3, key],
  ])
  const keyData = {
    typeUrl: 'type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey',
    value: Buffer.from(message).toString('base64'),
    keyMaterialType: 'SYMMETRIC',
  }
  const only = { keyData, status: 'ENABLED', keyId: 1, outputPrefixType: 'RAW' }
  return JSON.stringify({ primaryKeyId: 1, key: [only] })
}
