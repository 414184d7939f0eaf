/** Reading parts of an encrypted file. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deriveBytes } from '../../../../src/crypto/derive.ts'
import { encodeFileHeader } from '../../../../src/crypto/file-header.ts'
import { newStream, StreamLayout } from '../../../../src/crypto/streaming.ts'
import { BlockRunner } from '../../../../src/data/files/blocks.ts'
import { EncryptedFileReader } from '../../../../src/data/files/random-access.ts'
import { codeOf, EDGES, FilesPlace } from './kit.ts'

const PII = { keyType: 'pii' } as const
let place: FilesPlace
beforeEach(() => {
  place = new FilesPlace()
})
afterEach(() => place.end())

async function sealed(content: Uint8Array, more: object = {}): Promise<string> {
  await place.kw.files.encryptFile(place.write('in', content), place.path('sealed'), { ...PII, ...more })
  return place.path('sealed')
}

describe('a part of a file', () => {
  it.each(EDGES)('is what it is in the whole, of %i bytes', async (length) => {
    const content = randomBytes(length)
    const file = await place.kw.files.openRandomAccess(await sealed(content))
    expect([file.size, file.keyring]).toEqual([length, 'pii'])
    expect(await file.read(0, length)).toEqual(content)
    expect(await file.read(0, length + 1000)).toEqual(content)
    expect(await file.read(length, 10)).toHaveLength(0)
    for (const from of EDGES.filter((edge) => edge < length).map((edge) => Math.max(0, edge - 2)))
      expect(await file.read(from, 5)).toEqual(content.subarray(from, from + 5))
    await file.close()
  })

  it('anywhere', async () => {
    const content = randomBytes(400_000)
    const file = await place.kw.files.openRandomAccess(await sealed(content), PII)
    const range = fc.tuple(fc.nat(400_100), fc.nat(200_000))
    await fc.assert(
      fc.asyncProperty(range, async ([position, length]) => {
        expect(await file.read(position, length)).toEqual(content.subarray(position, position + length))
      }),
    )
    await file.close()
  })

  it('needs no other segment than its own', async () => {
    const content = randomBytes(400_000)
    const path = await sealed(content)
    const handle = openSync(path, 'r+')
    writeSync(handle, Buffer.of(1, 2, 3), 0, 3, 100_000) // in the second segment
    closeSync(handle)
    const file = await place.kw.files.openRandomAccess(path)
    expect(await file.read(0, 65_480)).toEqual(content.subarray(0, 65_480))
    expect(await file.read(131_000, 269_000)).toEqual(content.subarray(131_000))
    expect(await codeOf(file.read(65_470, 20))).toBe('ERR_DECRYPTION_FAILED')
    await file.close()
  })

  it('is as it was when the file was opened, whatever takes its place', async () => {
    const content = randomBytes(200_000)
    const path = await sealed(content)
    const file = await place.kw.files.openRandomAccess(path)
    await place.kw.files.encryptFile(place.write('other', 10), path, { ...PII, force: true })
    expect(await file.read(100_000, 1000)).toEqual(content.subarray(100_000, 101_000))
    await file.close()
  })
})

describe('opening', () => {
  it.each([11, 40, 60, 12 + 65_536, 100_000, 200_000])(
    'finds that only %i bytes are left',
    async (length) => {
      const path = await sealed(randomBytes(300_000))
      truncateSync(path, length)
      expect(await codeOf(place.kw.files.openRandomAccess(path))).toBe(
        length < 12 ? 'ERR_FILE_DAMAGED' : 'ERR_DECRYPTION_FAILED',
      )
    },
  )

  it('refuses a compressed file', async () => {
    const path = await sealed(Buffer.alloc(1000), { compression: 'zstd' })
    expect(await codeOf(place.kw.files.openRandomAccess(path))).toBe('ERR_ARGUMENT_INVALID')
  })

  it('refuses ranges that are none, and a file that was closed', async () => {
    const file = await place.kw.files.openRandomAccess(await sealed(randomBytes(10)))
    for (const [position, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [Number.NaN, 1],
      [0, 2 ** 31],
    ] as const)
      expect(await codeOf(file.read(position, length))).toBe('ERR_ARGUMENT_INVALID')
    expect(await codeOf(file.read(0, 5, { signal: AbortSignal.abort() }))).toBe('ERR_ABORTED')
    await file.close()
    await file.close()
    expect(await codeOf(file.read(0, 1))).toBe('ERR_CLOSED')
  })
})

it('positions beyond 4 GiB are right: the end of 10 GiB, sparse on both sides', async () => {
  const size = 10 * 2 ** 30 + 5
  const input = openSync(place.path('in'), 'w+')
  writeSync(input, Buffer.from('ends'), 0, 4, size - 4)
  const layout = new StreamLayout(size)
  // A header, then only the last runs of the file.
  const key = createSecretKey(randomBytes(32))
  const unlocked = { keyring: 'pii', key, algorithm: 'AES-256-GCM' } as const
  const headerBytes = encodeFileHeader({ keyId: 1, compression: 'none' })
  const aad = Buffer.concat([headerBytes, Buffer.from('{"keyring":"pii"}')])
  const { start, key: segments } = newStream(deriveBytes(key, 'file'), aad)
  const output = openSync(place.path('sealed'), 'w+')
  writeSync(output, Buffer.concat([headerBytes, start]), 0, undefined, 0)
  const runner = new BlockRunner({
    input: { fd: input, path: 'in' },
    output: { fd: output, path: 'sealed', stream: { key: segments, at: headerBytes.length } },
    plaintextBytes: size,
  })
  for (const run of [runner.runs - 2, runner.runs - 1]) runner.run(run)
  closeSync(input)
  closeSync(output)
  const file = await EncryptedFileReader.open(async () => unlocked, place.path('sealed'), {})
  expect(file.size).toBe(size)
  expect((await file.read(size - 8, 100)).toString('latin1')).toBe('\0\0\0\0ends')
  expect(await file.read(layout.plaintextAt(layout.segments - 3), 100)).toEqual(Buffer.alloc(100))
  expect(await codeOf(file.read(5 * 2 ** 30, 10))).toBe('ERR_DECRYPTION_FAILED') // a hole
  await file.close()
})
