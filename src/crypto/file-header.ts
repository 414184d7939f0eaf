/**
 * The header of an encrypted file or stream. It is not secret, and it is part of the associated data of the stream
 * that follows, so that nothing in it can be changed:
 *
 *     "KWF1" || header length (2) || key id (4) || flags (2) || [length (2) || recovery] || [length (2) || name]
 *
 * Flags: 0001 the content is compressed with Zstandard; 0002 the wrapped key is in here, so that the providers alone
 * open the file; 0004 the file's path, encrypted as a value, is in here. Integers are big-endian.
 */
import { KeywrightError } from '../errors.ts'

const MAGIC = Buffer.from('KWF1', 'latin1')
/** Bytes from which `headerLength` tells how long the header is. */
export const HEADER_PROBE_BYTES = 6
const FIXED_BYTES = 12
const MAX_HEADER_BYTES = 65_535
const FLAGS = { zstd: 1, recovery: 2, name: 4 } as const
const ALL_FLAGS = FLAGS.zstd | FLAGS.recovery | FLAGS.name

export type Compression = 'none' | 'zstd'

export interface FileHeader {
  readonly keyId: number
  readonly compression: Compression
  /** What opens the key without a key store: see recovery.ts. */
  readonly recovery?: Uint8Array
  /** The encrypted path, in the wire form of values. */
  readonly name?: Uint8Array
}

/** Throws ERR_VALUE_TOO_LARGE for a header of more than 65535 bytes. */
export function encodeFileHeader({ keyId, compression, recovery, name }: FileHeader): Buffer {
  const flags =
    (compression === 'zstd' ? FLAGS.zstd : 0) |
    (recovery === undefined ? 0 : FLAGS.recovery) |
    (name === undefined ? 0 : FLAGS.name)
  const parts = [recovery, name].filter((part) => part !== undefined)
  const length = parts.reduce((sum, part) => sum + 2 + part.length, FIXED_BYTES)
  if (length > MAX_HEADER_BYTES) throw tooLong()
  const header = Buffer.alloc(length)
  MAGIC.copy(header)
  header.writeUInt16BE(length, 4)
  header.writeUInt32BE(keyId, 6)
  header.writeUInt16BE(flags, 10)
  let at = FIXED_BYTES
  for (const part of parts) {
    header.writeUInt16BE(part.length, at)
    header.set(part, at + 2)
    at += 2 + part.length
  }
  return header
}

function tooLong(): KeywrightError {
  return new KeywrightError(
    'ERR_VALUE_TOO_LARGE',
    'the header of the file would be longer than 65535 bytes',
    {
      hint: 'a key with so many wraps does not fit: leave "recoverable" out',
    },
  )
}

/** Whether these bytes, the first of a file, are those of an encrypted one. Proves nothing. */
export function hasFileMagic(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.every((byte, at) => bytes[at] === byte)
}

/**
 * How long the header is, by its first six bytes. Throws ERR_CIPHERTEXT_EMPTY, ERR_NOT_CIPHERTEXT for another format,
 * and ERR_FILE_DAMAGED for one that cannot be.
 */
export function headerLength(bytes: Buffer): number {
  if (bytes.length === 0) {
    throw new KeywrightError('ERR_CIPHERTEXT_EMPTY', 'the encrypted file is empty', {
      hint: 'was it written completely? the ciphertext of an empty file is not empty',
    })
  }
  if (!MAGIC.subarray(0, 3).equals(bytes.subarray(0, 3))) {
    throw new KeywrightError('ERR_NOT_CIPHERTEXT', 'the file was not encrypted by Keywright', {
      hint: 'encrypted files begin with "KWF1"; a single value (kw1.…) is opened with decrypt',
    })
  }
  if (!hasFileMagic(bytes))
    throw damaged('has an unknown format version', 'was it written by a newer Keywright?')
  if (bytes.length < HEADER_PROBE_BYTES) throw damaged('ends within its header')
  const length = bytes.readUInt16BE(4)
  if (length < FIXED_BYTES) throw damaged('has an impossible header length')
  return length
}

/** The header. `bytes` are exactly the header. Throws as `headerLength`, and ERR_FILE_DAMAGED. */
export function parseFileHeader(bytes: Buffer): FileHeader {
  if (headerLength(bytes) !== bytes.length) throw damaged('ends within its header')
  const keyId = bytes.readUInt32BE(6)
  const flags = bytes.readUInt16BE(10)
  if ((flags & ~ALL_FLAGS) !== 0)
    throw damaged('has unknown flags', 'was it written by a newer Keywright? then upgrade')
  if (keyId === 0) throw damaged('names no key')
  let at = FIXED_BYTES
  const part = (flag: number): Uint8Array | undefined => {
    if ((flags & flag) === 0) return undefined
    const length = at + 2 > bytes.length ? 0 : bytes.readUInt16BE(at)
    at += 2 + length
    if (length === 0 || at > bytes.length) throw damaged('has a header whose parts do not fit')
    return Uint8Array.from(bytes.subarray(at - length, at))
  }
  const recovery = part(FLAGS.recovery)
  const name = part(FLAGS.name)
  if (at !== bytes.length) throw damaged('has a header whose parts do not fit')
  return {
    keyId,
    compression: (flags & FLAGS.zstd) === 0 ? 'none' : 'zstd',
    ...(recovery === undefined ? {} : { recovery }),
    ...(name === undefined ? {} : { name }),
  }
}

/** What is wrong with the outside of a file; needs no key. */
export function damaged(
  what: string,
  hint = 'it was cut or changed: take it from where it was copied from',
): KeywrightError {
  return new KeywrightError('ERR_FILE_DAMAGED', `the encrypted file ${what}`, { hint })
}
