/**
 * Tink's AES-GCM-HKDF streaming format, segment by segment. Pure functions on bytes; the salt and the nonce prefix of
 * a stream are made here and nowhere else.
 *
 *     stream  = start || segment 0 || segment 1 || …
 *     start   = length of start (1) || salt (32) || nonce prefix (7)
 *     segment = ciphertext || tag (16)
 *
 * Every block of `segmentBytes` is one segment, the start being part of the first block; only the last one is shorter.
 * The key of the segments is HKDF(ikm, salt, info = associated data). Segment i is AES-GCM under the IV
 * nonce prefix || i (4, big-endian) || 01 if it is the last one, else 00, so that a stream that was cut, or whose
 * segments changed places, does not open.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { decryptionFailed, KeywrightError } from '../errors.ts'
import { wipe } from './bytes.ts'

/** What Tink leaves open. */
export interface StreamParameters {
  /** Length of a block of ciphertext. */
  readonly segmentBytes: number
  /** 16 or 32; the salt is as long. */
  readonly derivedKeyBytes: 16 | 32
  readonly hash: 'sha1' | 'sha256' | 'sha512'
}

/** What files and streams of Keywright are: Tink's AES256_GCM_HKDF with blocks of 64 KiB and SHA-256. */
export const FILE_STREAM: StreamParameters = { segmentBytes: 65_536, derivedKeyBytes: 32, hash: 'sha256' }

const NONCE_PREFIX_BYTES = 7
const TAG_BYTES = 16
const MAX_SEGMENTS = 2 ** 32 - 1
const GCM_OPTIONS = { authTagLength: TAG_BYTES } as const

/** The key of the segments of one stream. It can be posted to worker threads as it is. */
export interface SegmentKey {
  readonly key: KeyObject
  readonly noncePrefix: Uint8Array
}

/** Length of a stream's start. */
export function startBytes({ derivedKeyBytes }: StreamParameters): number {
  return 1 + derivedKeyBytes + NONCE_PREFIX_BYTES
}

/** A new stream under `ikm`: its start, and the key of its segments. */
export function newStream(
  ikm: Uint8Array,
  associatedData: Uint8Array,
  parameters: StreamParameters = FILE_STREAM,
): { start: Buffer; key: SegmentKey } {
  const start = randomBytes(startBytes(parameters))
  start[0] = start.length
  return { start, key: deriveSegmentKey(ikm, associatedData, start, parameters) }
}

/** The key of a stream that begins with `start`. A start of another form is a failed decryption. */
export function openStream(
  ikm: Uint8Array,
  associatedData: Uint8Array,
  start: Uint8Array,
  parameters: StreamParameters = FILE_STREAM,
): SegmentKey {
  const length = startBytes(parameters)
  if (start.length !== length || start[0] !== length) throw decryptionFailed()
  return deriveSegmentKey(ikm, associatedData, start, parameters)
}

function deriveSegmentKey(
  ikm: Uint8Array,
  associatedData: Uint8Array,
  start: Uint8Array,
  { derivedKeyBytes, hash }: StreamParameters,
): SegmentKey {
  const prefixAt = 1 + derivedKeyBytes
  const bytes = hkdf(hash, ikm, start.subarray(1, prefixAt), associatedData, derivedKeyBytes)
  const key = createSecretKey(bytes) // copies
  wipe(bytes)
  return { key, noncePrefix: Uint8Array.from(start.subarray(prefixAt)) }
}

/** RFC 5869. Node's own takes at most 1024 bytes of `info`; a header with wrapped keys is longer. */
function hkdf(hash: string, ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  const prk = createHmac(hash, salt).update(ikm).digest()
  const blocks: Buffer[] = []
  for (let made = 0; made < length; made += prk.length) {
    const hmac = createHmac(hash, prk).update(blocks.at(-1) ?? new Uint8Array(0))
    blocks.push(
      hmac
        .update(info)
        .update(Uint8Array.of(blocks.length + 1))
        .digest(),
    )
  }
  const output = Buffer.concat(blocks).subarray(0, length)
  wipe(prk, ...blocks)
  return output
}

function nonceOf({ noncePrefix }: SegmentKey, index: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(NONCE_PREFIX_BYTES + 5)
  nonce.set(noncePrefix)
  nonce[NONCE_PREFIX_BYTES] = index >>> 24
  nonce[NONCE_PREFIX_BYTES + 1] = index >>> 16
  nonce[NONCE_PREFIX_BYTES + 2] = index >>> 8
  nonce[NONCE_PREFIX_BYTES + 3] = index
  nonce[NONCE_PREFIX_BYTES + 4] = last ? 1 : 0
  return nonce
}

const cipherOf = ({ key }: SegmentKey): 'aes-256-gcm' | 'aes-128-gcm' =>
  key.symmetricKeySize === 32 ? 'aes-256-gcm' : 'aes-128-gcm'

/** Segment `index`: its ciphertext, piece by piece in buffers of their own, and its tag. */
export function sealSegment(
  key: SegmentKey,
  index: number,
  last: boolean,
  ...plaintext: readonly Uint8Array[]
): Buffer[] {
  const cipher = createCipheriv(cipherOf(key), key.key, nonceOf(key, index, last))
  const parts = plaintext.map((piece) => cipher.update(piece))
  cipher.final() // GCM has nothing left to give
  parts.push(cipher.getAuthTag())
  return parts
}

/** The plaintext of segment `index`, or the one error of every failed decryption. It has a buffer of its own. */
export function openSegment(key: SegmentKey, index: number, last: boolean, segment: Uint8Array): Buffer {
  const tagAt = segment.length - TAG_BYTES
  if (tagAt < 0) throw decryptionFailed()
  try {
    const decipher = createDecipheriv(cipherOf(key), key.key, nonceOf(key, index, last), GCM_OPTIONS)
    decipher.setAuthTag(segment.subarray(tagAt))
    const plaintext = decipher.update(segment.subarray(0, tagAt))
    decipher.final()
    return plaintext
  } catch {
    throw decryptionFailed()
  }
}

/** Where the segments of a stream are. */
export class StreamLayout {
  /** How many; never 0. */
  readonly segments: number
  /** Length of the plaintext. */
  readonly plaintextBytes: number
  /** Length of the stream, its start included. */
  readonly streamBytes: number
  readonly #first: number
  readonly #start: number
  readonly #block: number

  /** Throws ERR_VALUE_TOO_LARGE for more than 2^32 - 1 segments (256 TiB in files). */
  constructor(plaintextBytes: number, parameters: StreamParameters = FILE_STREAM) {
    const { segmentBytes } = parameters
    this.#start = startBytes(parameters)
    this.#block = segmentBytes
    this.#first = plaintextCapacity(0, parameters)
    const beyond = Math.max(0, plaintextBytes - this.#first)
    this.segments = 1 + Math.ceil(beyond / plaintextCapacity(1, parameters))
    this.plaintextBytes = plaintextBytes
    this.streamBytes = this.#start + plaintextBytes + this.segments * TAG_BYTES
    if (this.segments > MAX_SEGMENTS) throw tooManySegments()
  }

  /** The layout of a stream by its length. A length that no stream has is a failed decryption: it was cut. */
  static ofStream(streamBytes: number, parameters: StreamParameters = FILE_STREAM): StreamLayout {
    const segments = Math.max(1, Math.ceil(streamBytes / parameters.segmentBytes))
    const layout = new StreamLayout(
      Math.max(0, streamBytes - startBytes(parameters) - segments * TAG_BYTES),
      parameters,
    )
    if (layout.streamBytes !== streamBytes) throw decryptionFailed()
    return layout
  }

  /** First byte of segment `index` in the plaintext; for `segments` the end. */
  plaintextAt(index: number): number {
    if (index === 0) return 0
    return Math.min(this.plaintextBytes, this.#first + (index - 1) * (this.#block - TAG_BYTES))
  }

  /** First byte of segment `index` in the stream; for `segments` the end. */
  streamAt(index: number): number {
    return index === 0 ? this.#start : Math.min(this.streamBytes, index * this.#block)
  }

  isLast(index: number): boolean {
    return index === this.segments - 1
  }

  /** The segment that holds byte `position` of the plaintext. */
  segmentOf(position: number): number {
    if (position < this.#first) return 0
    return 1 + Math.floor((position - this.#first) / (this.#block - TAG_BYTES))
  }
}

/** How much plaintext segment `index` takes at most. */
export function plaintextCapacity(index: number, parameters: StreamParameters = FILE_STREAM): number {
  const block = parameters.segmentBytes - TAG_BYTES
  return index === 0 ? block - startBytes(parameters) : block
}

/** The error for a stream that would need more segments than a nonce can count. */
export function tooManySegments(): KeywrightError {
  return new KeywrightError('ERR_VALUE_TOO_LARGE', 'the stream is longer than the format allows', {
    hint: 'a stream holds at most 256 TiB: cut it in parts',
  })
}
