/**
 * Requests with checksums, and replies that are believed only when theirs fit.
 * https://cloud.google.com/kms/docs/data-integrity-guidelines
 */
import { crc32c } from './crc32c.ts'
import { corrupted } from './errors.ts'
import { versionOf } from './names.ts'

/** google.protobuf.Int64Value as the client gives it. */
interface Int64Value {
  readonly value?: string | number | { toString(): string } | null
}

/** google.cloud.kms.v1.EncryptResponse, as it may come. */
export interface EncryptReply {
  readonly name?: string | null
  readonly ciphertext?: Uint8Array | null
  readonly ciphertextCrc32c?: Int64Value | null
  readonly verifiedPlaintextCrc32c?: boolean | null
  readonly verifiedAdditionalAuthenticatedDataCrc32c?: boolean | null
  readonly protectionLevel?: string | null
}

/** google.cloud.kms.v1.DecryptResponse, as it may come. */
export interface DecryptReply {
  readonly plaintext?: Uint8Array | null
  readonly plaintextCrc32c?: Int64Value | null
}

/** What an encryption gave. */
export interface Encrypted {
  readonly ciphertext: Uint8Array
  /** The version that the service used. */
  readonly version: string
  readonly protectionLevel: string
}

const checksum = (bytes: Uint8Array): { value: string } => ({ value: String(crc32c(bytes)) })

export function encryptRequest(name: string, plaintext: Uint8Array, aad: Uint8Array): { name: string } {
  const checksums = { additionalAuthenticatedDataCrc32c: checksum(aad), plaintextCrc32c: checksum(plaintext) }
  return { name, ...{ additionalAuthenticatedData: aad, plaintext }, ...checksums }
}

export function decryptRequest(name: string, ciphertext: Uint8Array, aad: Uint8Array): { name: string } {
  const checksums = {
    additionalAuthenticatedDataCrc32c: checksum(aad),
    ciphertextCrc32c: checksum(ciphertext),
  }
  return { name, ...{ additionalAuthenticatedData: aad, ciphertext }, ...checksums }
}

/** Throws ERR_PROVIDER_CORRUPTED unless the reply is whole, verified, and of this key. */
export function readEncrypted(key: string, reply: EncryptReply): Encrypted {
  const version = versionOf(key, reply.name)
  if (version === undefined) throw corrupted('the reply to an encryption is of another key')
  if (reply.verifiedPlaintextCrc32c !== true || reply.verifiedAdditionalAuthenticatedDataCrc32c !== true) {
    throw corrupted('the service did not verify the checksums of an encryption')
  }
  const ciphertext = verified(reply.ciphertext, reply.ciphertextCrc32c, 'an encryption')
  return { ciphertext, protectionLevel: reply.protectionLevel ?? '', version }
}

/** A copy of the plaintext; the client's buffer is wiped. Throws ERR_PROVIDER_CORRUPTED. */
export function readDecrypted({ plaintext, plaintextCrc32c }: DecryptReply): Uint8Array {
  try {
    return verified(plaintext, plaintextCrc32c, 'a decryption')
  } finally {
    if (plaintext instanceof Uint8Array) plaintext.fill(0)
  }
}

/** A copy, since the client's bytes are a part of a larger buffer. */
function verified(
  bytes: Uint8Array | null | undefined,
  sum: Int64Value | null | undefined,
  what: string,
): Uint8Array {
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) throw corrupted(`the reply to ${what} is empty`)
  if (sum?.value === undefined || sum.value === null) {
    throw corrupted(`the reply to ${what} has no checksum`)
  }
  if (String(sum.value) !== String(crc32c(bytes)))
    throw corrupted(`the reply to ${what} was damaged on its way`)
  return Uint8Array.from(bytes)
}
