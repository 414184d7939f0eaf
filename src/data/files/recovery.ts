/**
 * What a header carries so that the providers alone open the file: the protobuf message { 1: keyring, 2: version,
 * 3: algorithm, 4: wrapped key (repeated, as in envelopes) }. With the key id of the header that is all that the wraps
 * are bound to.
 */

import { SUITES, type SuiteName } from '../../crypto/aead.ts'
import { equalBytes } from '../../crypto/bytes.ts'
import { damaged } from '../../crypto/file-header.ts'
import { readFields, writeFields } from '../../crypto/protobuf.ts'
import { decodeWrappedKey, encodeWrappedKey } from '../../keys/wrapped-key.ts'
import { readKeyring } from '../../policy/keyring-name.ts'
import type { WrappedKey } from '../../provider.ts'

const MAX_WRAPS = 16
const ALGORITHM_NAMES = Object.keys(SUITES) as SuiteName[]

export interface Recovery {
  readonly keyring: string
  /** Of the key within its keyring. */
  readonly version: number
  /** Of the key, for values. */
  readonly algorithm: SuiteName
  readonly wraps: readonly WrappedKey[]
}

export function encodeRecovery({ keyring, version, algorithm, wraps }: Recovery): Uint8Array {
  return writeFields([
    [1, keyring],
    [2, version],
    [3, algorithm],
    ...wraps.slice(0, MAX_WRAPS).map((wrap) => [4, encodeWrappedKey(wrap)] as const),
  ])
}

/** Throws ERR_FILE_DAMAGED for anything that `encodeRecovery` does not write, byte for byte. */
export function decodeRecovery(bytes: Uint8Array): Recovery {
  const malformed = () => damaged('carries a wrapped key that cannot be read')
  const fields = readFields(bytes, malformed)
  const algorithm = ALGORITHM_NAMES.find((name) => name === fields.string(3))
  const keyring = fields.string(1)
  const wrapped = fields.all(4)
  if (algorithm === undefined || readKeyring(keyring) === undefined) throw malformed()
  if (wrapped.length === 0 || wrapped.length > MAX_WRAPS) throw malformed()
  const recovery = { keyring, version: fields.uint32(2), algorithm, wraps: wrapped.map(readWrap) }
  if (recovery.version === 0 || !equalBytes(encodeRecovery(recovery), bytes)) throw malformed()
  return recovery

  function readWrap(wrap: Uint8Array): WrappedKey {
    try {
      return decodeWrappedKey(wrap)
    } catch {
      throw malformed()
    }
  }
}
