/** Files and streams against Tink for Python: it reads the body behind our header, and we read what it writes. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deriveBytes } from '../../src/crypto/derive.ts'
import { encodeFileHeader, headerLength } from '../../src/crypto/file-header.ts'
import { World } from '../kit/world.ts'
import { streamingKeysetJson } from './streaming-keyset.ts'
import { openTinkPeer, TinkPeerError } from './tink-peer.ts'

const CONTEXT = { purpose: 'export', batch: '7' }
/** RFC 8785 of the context with its keyring. */
const CANONICAL = '{"batch":"7","keyring":"pii","purpose":"export"}'
const LENGTHS = [0, 1, 65_479, 65_480, 65_481, 131_000, 131_001, 1_000_000]

const tink = await openTinkPeer()

if ('missing' in tink) {
  it('Tink for Python', (context) => context.skip(tink.missing))
} else {
  const world = new World()
  const kw = world.open()
  let dataKey: Buffer
  let keyId = 0

  beforeAll(async () => {
    const { id } = await kw.keys.create('pii')
    keyId = id
    const keyset = JSON.parse((await kw.exportKeyset('pii', { clear: true })).toString()) as {
      key: { keyData: { value: string } }[]
    }
    dataKey = Buffer.from(keyset.key[0]?.keyData.value ?? '', 'base64').subarray(-32)
  })
  afterAll(async () => {
    await tink.close()
    await world.end()
  })

  /** The keyset of a stream: its key is HKDF of the data key. */
  const keyset = (): string =>
    streamingKeysetJson({
      key: deriveBytes(createSecretKey(dataKey), 'file'),
      segmentBytes: 65_536,
      derivedKeyBytes: 32,
      hash: 'SHA256',
    })
  const aadOf = (header: Uint8Array): Buffer => Buffer.concat([header, Buffer.from(CANONICAL)])

  describe.each([false, true])('a stream (recoverable: %s)', (recoverable) => {
    it.each(LENGTHS)('of ours of %i bytes is read by Tink', async (length) => {
      const content = randomBytes(length)
      const stream = await kw.files.encryptStream({ keyType: 'pii', context: CONTEXT, recoverable })
      const sealed = await buffer(Readable.from([content]).pipe(stream))
      const at = headerLength(sealed)
      const opened = await tink.decryptStream(keyset(), sealed.subarray(at), aadOf(sealed.subarray(0, at)))
      expect(opened).toEqual(content)
      const other = aadOf(sealed.subarray(1, at))
      await expect(tink.decryptStream(keyset(), sealed.subarray(at), other)).rejects.toThrow(TinkPeerError)
    })
  })

  it.each(LENGTHS)('a stream of Tink of %i bytes is read here', async (length) => {
    const content = randomBytes(length)
    const header = encodeFileHeader({ keyId, compression: 'none' })
    const body = await tink.encryptStream(keyset(), content, aadOf(header))
    const options = { keyType: 'pii', context: CONTEXT }
    const sealed = Readable.from([Buffer.concat([header, body])])
    expect(await buffer(sealed.pipe(await kw.files.decryptStream(options)))).toEqual(content)
  })
}
