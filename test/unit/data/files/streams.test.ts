/** Streams of Node and of the Web: any chunks, backpressure, errors, limits on what compressed content becomes. */
import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { PassThrough, Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SegmentSealer } from '../../../../src/crypto/streaming-push.ts'
import { codeOf, EDGES, FilesPlace } from './kit.ts'

const PII = { keyType: 'pii' } as const
const CHUNK = 65_536
/** A window of 32 MiB, which a reader would have to hold. */
const wide = { params: { [constants.ZSTD_c_windowLog]: 25 } }
let place: FilesPlace
beforeEach(() => {
  place = new FilesPlace()
})
afterEach(() => place.end())

function* pieces(bytes: Uint8Array, step: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
}

const through = async (bytes: Uint8Array, stream: NodeJS.ReadWriteStream, step = CHUNK): Promise<Buffer> => {
  const source = Readable.from(pieces(bytes, step), { objectMode: false })
  const [result] = await Promise.all([buffer(stream), pipeline(source, stream)])
  return result
}
const encrypt = async (bytes: Uint8Array, more: object = {}, step = CHUNK): Promise<Buffer> =>
  through(bytes, await place.kw.files.encryptStream({ ...PII, ...more }), step)
const decrypt = async (bytes: Uint8Array, more: object = {}, step = CHUNK): Promise<Buffer> =>
  through(bytes, await place.kw.files.decryptStream(more), step)

describe('a stream comes back', () => {
  it.each(EDGES)('of %i bytes, and is the same format as a file', async (length) => {
    const content = randomBytes(length)
    const sealed = await encrypt(content, {}, 10_007)
    expect(await decrypt(sealed, {}, 70_001)).toEqual(content)
    await place.kw.files.decryptFile(place.write('sealed', sealed), place.path('out'))
    expect(place.read('out')).toEqual(content)
    await place.kw.files.encryptFile(place.path('out'), place.path('again'), PII)
    expect(await decrypt(place.read('again'))).toEqual(content)
  })

  it('in chunks of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 200_000 }),
        fc.integer({ min: 1, max: 150_000 }),
        fc.integer({ min: 1, max: 150_000 }),
        fc.constantFrom('none', 'zstd'),
        async (length, stepIn, stepOut, compression) => {
          const content = randomBytes(length)
          const sealed = await encrypt(content, { compression }, Math.max(stepIn, length / 100))
          expect(await decrypt(sealed, {}, Math.max(stepOut, length / 100))).toEqual(content)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('byte by byte', async () => {
    const content = randomBytes(300)
    expect(await decrypt(await encrypt(content, { recoverable: true }, 1), {}, 1)).toEqual(content)
  })

  it('through streams of the Web', async () => {
    const content = randomBytes(300_000)
    const { files } = place.kw
    const sealed = new Blob([content]).stream().pipeThrough((await files.encryptWebStream(PII)) as never)
    const opened = (sealed as ReadableStream<Uint8Array>).pipeThrough(
      (await files.decryptWebStream()) as never,
    )
    expect(Buffer.from(await new Response(opened as never).arrayBuffer())).toEqual(content)
  })

  it('when chunks are used again by whoever wrote them', async () => {
    const stream = await place.kw.files.encryptStream(PII)
    const result = buffer(stream)
    const chunk = Buffer.alloc(1000)
    for (let turn = 0; turn < 200; turn++) {
      chunk.fill(turn)
      await new Promise((resolve) => stream.write(chunk, resolve))
    }
    stream.end()
    const opened = await decrypt(await result)
    expect(opened).toEqual(Buffer.concat(Array.from({ length: 200 }, (_, turn) => Buffer.alloc(1000, turn))))
  })

  it('counts what it encrypted', async () => {
    await encrypt(randomBytes(5000))
    const [key] = await place.kw.keys.list()
    expect((await place.world.store.inner.get(key?.id ?? 0))?.usage.bytes).toBe(5000)
  })
})

describe('a stream fails', () => {
  it('before anything, when the key type is unknown', async () => {
    expect(await codeOf(place.kw.files.encryptStream({ keyType: 'nonsense' }))).toBe('ERR_KEY_TYPE_UNKNOWN')
  })

  it.each([
    ['plain text', Buffer.from('plain text'), 'ERR_NOT_CIPHERTEXT'],
    ['nothing', Buffer.alloc(0), 'ERR_CIPHERTEXT_EMPTY'],
    ['three bytes', Buffer.from('KWF'), 'ERR_FILE_DAMAGED'],
  ])('on %s', async (_, bytes, code) => {
    expect(await codeOf(decrypt(bytes))).toBe(code)
  })

  it('when it was cut, at whatever place, and gives out no more than whole segments of it', async () => {
    const content = randomBytes(200_000)
    const sealed = await encrypt(content)
    for (const length of [5, 11, 12, 30, 52, 60, 12 + CHUNK, 13 + CHUNK, 150_000, sealed.length - 1]) {
      const stream = await place.kw.files.decryptStream()
      const got: Buffer[] = []
      stream.on('data', (part: Buffer) => got.push(part))
      const code = await codeOf(pipeline(Readable.from([sealed.subarray(0, length)]), stream))
      expect([length, code]).toEqual([length, length < 12 ? 'ERR_FILE_DAMAGED' : 'ERR_DECRYPTION_FAILED'])
      const whole = Buffer.concat(got)
      expect(whole).toEqual(content.subarray(0, whole.length))
    }
  })

  it('in the form of the Web as well', async () => {
    const sealed = await encrypt(randomBytes(200_000))
    const { readable, writable } = await place.kw.files.decryptWebStream()
    const writing = new Blob([sealed.subarray(0, 100_000)]).stream().pipeTo(writable as never)
    const [read, written] = await Promise.all([
      codeOf(new Response(readable as never).arrayBuffer()),
      codeOf(writing),
    ])
    expect([read, written]).toContain('ERR_DECRYPTION_FAILED')
  })

  it('under its signal', async () => {
    for (const make of ['encryptStream', 'decryptStream'] as const) {
      const abort = new AbortController()
      const stream = await place.kw.files[make]({ ...PII, signal: abort.signal })
      const endless = new Readable({
        read() {
          setImmediate(() => this.push(Buffer.alloc(1000)))
        },
      })
      const running = pipeline(
        make === 'encryptStream' ? endless : new PassThrough(),
        stream,
        new PassThrough().resume(),
      )
      setTimeout(() => abort.abort(), 5)
      expect(await codeOf(running)).toBe('ERR_ABORTED')
    }
  })
})

it('memory stays bounded where the reader is slow', async () => {
  const stream = await place.kw.files.encryptStream(PII)
  let taken = 0
  const source = new Readable({
    read() {
      taken += CHUNK
      this.push(taken > 64 * 2 ** 20 ? null : Buffer.alloc(CHUNK))
    },
  })
  source.pipe(stream)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(taken).toBeLessThan(2 ** 20)
  await pipeline(stream, new Writable({ write: (_chunk, _encoding, done) => done() }))
  expect(taken).toBeGreaterThan(64 * 2 ** 20)
})

describe('compressed content', () => {
  it('larger than a limit is refused in time, in memory that stays small', async () => {
    const sealed = await encrypt(Buffer.alloc(256 * 2 ** 20), { compression: 'zstd' })
    expect(sealed.length).toBeLessThan(100_000)
    for (const [limits, option] of [
      [{ maxInflatedBytes: 2 ** 20 }, 'maxInflatedBytes'],
      [{}, 'maxInflationRatio'],
    ] as const) {
      let given = 0
      const before = process.memoryUsage.rss()
      const stream = await place.kw.files.decryptStream(limits)
      stream.on('data', (part: Buffer) => {
        given += part.length
      })
      await expect(pipeline(Readable.from([sealed]), stream)).rejects.toMatchObject({
        code: 'ERR_DECOMPRESSION_LIMIT',
        hint: expect.stringContaining(option),
      })
      expect(given).toBeLessThanOrEqual(limits.maxInflatedBytes ?? 65 * 2 ** 20)
      expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 2 ** 20)
    }
    const opened = await place.kw.files.decryptStream({ maxInflationRatio: 100_000 })
    let length = 0
    opened.on('data', (part: Buffer) => {
      length += part.length
    })
    await pipeline(Readable.from([sealed]), opened)
    expect(length).toBe(256 * 2 ** 20)
  })

  it.each([
    ['cut', (frame: Buffer) => frame.subarray(0, -1)],
    ['no frame at all', () => Buffer.from('not compressed')],
    ['nothing', () => Buffer.alloc(0)],
    ['followed by another frame', (frame: Buffer) => Buffer.concat([frame, frame])],
    ['followed by anything', (frame: Buffer) => Buffer.concat([frame, Buffer.from('more')])],
    ['one that asks for much memory', () => zstdCompressSync(Buffer.alloc(2 ** 25), wide)],
  ])('that is %s is refused, though it is authentic', async (_, change) => {
    const keys = place.fileKeys()
    const { bytes, segmentKey } = await keys.begin(keys.keyring(PII), { compression: 'zstd' })
    const sealer = new SegmentSealer(segmentKey)
    const content = change(zstdCompressSync(Buffer.from('content')))
    const sealed = Buffer.concat([bytes, ...sealer.push(content), ...sealer.end()])
    expect(await codeOf(decrypt(sealed))).toBe('ERR_FILE_DAMAGED')
    expect(await codeOf(place.kw.files.decryptFile(place.write('sealed', sealed), place.path('out')))).toBe(
      'ERR_FILE_DAMAGED',
    )
    expect(place.names).toEqual(['sealed'])
  })

  it('waits for its reader', async () => {
    const sealed = await encrypt(Buffer.alloc(64 * 2 ** 20), { compression: 'zstd' })
    const stream = await place.kw.files.decryptStream()
    stream.end(sealed)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(stream.readableLength).toBeLessThan(2 ** 20)
    stream.destroy()
  })
})

it('files go through pipelines', async () => {
  const content = place.write('in', 500_000)
  const { files } = place.kw
  await pipeline(
    createReadStream(content),
    await files.encryptStream(PII),
    createWriteStream(place.path('sealed')),
  )
  await pipeline(
    createReadStream(place.path('sealed')),
    await files.decryptStream(),
    createWriteStream(place.path('out')),
  )
  expect(place.read('out')).toEqual(place.read('in'))
})
