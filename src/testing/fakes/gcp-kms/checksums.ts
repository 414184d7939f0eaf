/** Checksums of requests and replies. https://cloud.google.com/kms/docs/data-integrity-guidelines */
import { StatusError } from './status.ts'

/** google.protobuf.Int64Value on the wire; absent where the client sent none. */
export interface Checksum {
  readonly value?: number
}

/** CRC-32C bit by bit, as RFC 3720 defines it: slow, and written independently of the provider's. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1))
  }
  return ~crc >>> 0
}

export function checksumOf(bytes: Uint8Array): { value: number } {
  return { value: crc32c(bytes) }
}

/**
 * Whether a checksum was sent. A wrong one is INVALID_ARGUMENT: "returns an INVALID_ARGUMENT error if the checksum
 * doesn't match the value calculated by the server".
 */
export function verifyChecksum(field: string, bytes: Uint8Array, sent: Checksum | undefined): boolean {
  if (sent === undefined) return false
  if ((sent.value ?? 0) === crc32c(bytes)) return true
  throw new StatusError(
    'INVALID_ARGUMENT',
    `The checksum in field ${field}_crc32c did not match the data in field ${field}.`,
  )
}
