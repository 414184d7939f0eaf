/** The streaming format against Tink's vectors, and what must not open. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  FILE_STREAM,
  newStream,
  openStream,
  StreamLayout,
  type StreamParameters,
  startBytes,
} from '../../../src/crypto/streaming.ts'
import { SegmentOpener, SegmentSealer } from '../../../src/crypto/streaming-push.ts'

interface Vector {
  readonly id: number
  readonly hkdf_hash: string
  readonly ciphertext_segment_size: number
  readonly derived_key_size: 16 | 32
  readonly key_hex: string
  readonly plaintext_hex: string
  readonly associated_data_hex: string
  readonly ciphertext_hex: string
}

const file = new URL('../../vectors/tink/aes_gcm_hkdf_streaming.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

const parametersOf = (vector: Vector): StreamParameters => ({
  segmentBytes: vector.ciphertext_segment_size,
  derivedKeyBytes: vector.derived_key_size,
  hash: vector.hkdf_hash.toLowerCase() as StreamParameters['hash'],
})

/** Opens a whole stream that is pushed in pieces of `step` bytes. */
function open(
  stream: Buffer,
  ikm: Uint8Array,
  aad: Uint8Array,
  parameters: StreamParameters,
  step = 7,
): Buffer {
  const length = startBytes(parameters)
  const key = openStream(ikm, aad, stream.subarray(0, length), parameters)
  const opener = new SegmentOpener(key, parameters)
  const parts: Buffer[] = []
  for (let at = length; at < stream.length; at += step)
    parts.push(...opener.push(stream.subarray(at, Math.min(stream.length, at + step))))
  return Buffer.concat([...parts, opener.end()])
}

function seal(plaintext: Buffer, ikm: Uint8Array, aad: Uint8Array, parameters: StreamParameters): Buffer {
  const { start, key } = newStream(ikm, aad, parameters)
  const sealer = new SegmentSealer(key, parameters)
  return Buffer.concat([start, ...sealer.push(plaintext), ...sealer.end()])
}

describe.each(vectors)("Tink's vector $id", (vector) => {
  const parameters = parametersOf(vector)
  const [ikm, aad] = [hex(vector.key_hex), hex(vector.associated_data_hex)]
  const [plaintext, ciphertext] = [hex(vector.plaintext_hex), hex(vector.ciphertext_hex)]

  it('opens', () => {
    expect(open(ciphertext, ikm, aad, parameters)).toEqual(plaintext)
  })

  it('is what we write under the same salt and nonce prefix', () => {
    const start = ciphertext.subarray(0, startBytes(parameters))
    const sealer = new SegmentSealer(openStream(ikm, aad, start, parameters), parameters)
    const parts = [...plaintext].flatMap((_, at) => sealer.push(plaintext.subarray(at, at + 1)))
    expect(Buffer.concat([start, ...parts, ...sealer.end()])).toEqual(ciphertext)
  })

  it('opens neither when it was cut anywhere nor when a bit was changed', () => {
    for (let length = 0; length < ciphertext.length; length++)
      expect(() => open(ciphertext.subarray(0, length), ikm, aad, parameters)).toThrow('decryption failed')
    for (let at = 0; at < ciphertext.length; at++) {
      const changed = Buffer.from(ciphertext)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => open(changed, ikm, aad, parameters)).toThrow('decryption failed')
    }
  })

  it('says how it is laid out', () => {
    const layout = new StreamLayout(plaintext.length, parameters)
    expect(layout.streamBytes).toBe(ciphertext.length)
    expect(StreamLayout.ofStream(ciphertext.length, parameters)).toEqual(layout)
  })
})

describe('a stream', () => {
  const small: StreamParameters = { segmentBytes: 64, derivedKeyBytes: 32, hash: 'sha256' }
  const ikm = randomBytes(32)

  it.each([
    [
      'two segments changed places',
      (s: Buffer) => [s.subarray(0, 64), s.subarray(128, 192), s.subarray(64, 128), s.subarray(192)],
    ],
    ['a segment came twice', (s: Buffer) => [s.subarray(0, 128), s.subarray(64)]],
    ['a segment is missing', (s: Buffer) => [s.subarray(0, 64), s.subarray(128)]],
    ['something follows it', (s: Buffer) => [s, Buffer.alloc(1)]],
    ['it was cut at a segment', (s: Buffer) => [s.subarray(0, 192)]],
  ])('does not open when %s', (_, change) => {
    const stream = seal(randomBytes(190), ikm, Buffer.from('aad'), small)
    expect(open(stream, ikm, Buffer.from('aad'), small)).toHaveLength(190)
    expect(() => open(Buffer.concat(change(stream)), ikm, Buffer.from('aad'), small)).toThrow(
      'decryption failed',
    )
  })

  it('opens under no other associated data, however long', () => {
    const aad = randomBytes(5000)
    const stream = seal(Buffer.from('x'), ikm, aad, FILE_STREAM)
    expect(open(stream, ikm, aad, FILE_STREAM).toString()).toBe('x')
    expect(() => open(stream, ikm, aad.subarray(1), FILE_STREAM)).toThrow('decryption failed')
  })

  it('never has the same salt and nonce prefix twice', () => {
    const starts = Array.from({ length: 100 }, () => newStream(ikm, ikm).start.toString('hex'))
    expect(new Set(starts).size).toBe(100)
  })

  it('of any length, in any pieces, opens to what it was, and keeps no view of a chunk', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 300 }), (plaintext, step) => {
        const { start, key } = newStream(ikm, ikm, small)
        const sealer = new SegmentSealer(key, small)
        const parts: Buffer[] = [start]
        for (let at = 0; at < plaintext.length; at += step) {
          const chunk = Buffer.from(plaintext.subarray(at, at + step))
          parts.push(...sealer.push(chunk))
          chunk.fill(0xee) // a caller may use it again
        }
        const stream = Buffer.concat([...parts, ...sealer.end()])
        expect(stream).toHaveLength(new StreamLayout(plaintext.length, small).streamBytes)
        expect(open(stream, ikm, ikm, small, step)).toEqual(Buffer.from(plaintext))
      }),
    )
  })
})

describe('the layout', () => {
  it('finds the segment of every position', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.nat(2 ** 40), (size, position) => {
        const layout = new StreamLayout(size)
        fc.pre(position < size)
        const index = layout.segmentOf(position)
        expect(layout.plaintextAt(index)).toBeLessThanOrEqual(position)
        expect(layout.plaintextAt(index + 1)).toBeGreaterThan(position)
        expect(StreamLayout.ofStream(layout.streamBytes).plaintextBytes).toBe(size)
      }),
    )
  })

  it.each([0, 1, 40, 55, 65_536 + 16])('refuses a stream of %i bytes, which no content has', (length) => {
    expect(() => StreamLayout.ofStream(length)).toThrow('decryption failed')
  })

  it('refuses more segments than a nonce can count', () => {
    expect(() => new StreamLayout(2 ** 48)).toThrow(expect.objectContaining({ code: 'ERR_VALUE_TOO_LARGE' }))
  })
})

it('posts its key to threads as it is', () => {
  const { key } = newStream(createSecretKey(randomBytes(32)).export(), randomBytes(1))
  expect(structuredClone(key.noncePrefix)).toEqual(key.noncePrefix)
  expect(key.key.symmetricKeySize).toBe(32)
})
