/** Our keysets, AES-GCM and X-AES-GCM against Tink for Python, in both directions. */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import {
  decodeEncryptedKeyset,
  decodeEncryptedKeysetJson,
  encodeEncryptedKeyset,
  encodeEncryptedKeysetJson,
} from '../../src/crypto/tink-encrypted-keyset.ts'
import { decodeKeyset, encodeKeyset, type TinkKey, type TinkKeyset } from '../../src/crypto/tink-keyset.ts'
import { decodeKeysetJson, encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import { xaesSubkey } from '../../src/crypto/xaes.ts'
import { type StreamingKey, streamingKeysetJson } from './streaming-keyset.ts'
import { openTinkPeer, type TinkPeer, TinkPeerError } from './tink-peer.ts'

const AAD = Buffer.from('{"column":"ssn","table":"users"}')
const NONE = new Uint8Array(0)
const PLAINTEXTS = ['', '000-00-0000', 'ä🔑'.repeat(5000)].map((text) => Buffer.from(text))

interface StreamingVector {
  id: number
  hkdf_hash: StreamingKey['hash']
  ciphertext_segment_size: number
  derived_key_size: number
  key_hex: string
  plaintext_hex: string
  associated_data_hex: string
  ciphertext_hex: string
}

const unhex = (text: string) => Buffer.from(text, 'hex')

function readStreamingVectors(): StreamingVector[] {
  const file = new URL('../vectors/tink/aes_gcm_hkdf_streaming.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { vectors: StreamingVector[] }).vectors
}

const newKey = (id: number, more: Partial<TinkKey> = {}): TinkKey => ({
  id,
  status: 'ENABLED',
  prefix: 'TINK',
  algorithm: 'AES-256-GCM',
  key: new Uint8Array(randomBytes(32)),
  ...more,
})
const keysetOf = (...keys: TinkKey[]): TinkKeyset => ({ primaryKeyId: keys[0]?.id ?? 0, keys })

/** Tink's output prefix. */
function prefixOf({ prefix, id }: TinkKey): Buffer {
  if (prefix === 'RAW') return Buffer.alloc(0)
  const bytes = Buffer.alloc(5, prefix === 'TINK' ? 1 : 0)
  bytes.writeUInt32BE(id, 1)
  return bytes
}

/** Tink's AEAD output, made with node:crypto and the key derivation of src/crypto/xaes.ts. */
function seal(key: TinkKey, plaintext: Uint8Array, associatedData: Uint8Array): Buffer {
  const salt = randomBytes(key.algorithm === 'X-AES-256-GCM' ? 12 : 0)
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', messageKey(key, salt), iv).setAAD(associatedData)
  const body = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]
  return Buffer.concat([prefixOf(key), salt, iv, ...body])
}

function open(key: TinkKey, ciphertext: Uint8Array, associatedData: Uint8Array): Buffer {
  const prefix = prefixOf(key)
  expect(prefix.equals(ciphertext.subarray(0, prefix.length))).toBe(true)
  const ivAt = prefix.length + (key.algorithm === 'X-AES-256-GCM' ? 12 : 0)
  const subkey = messageKey(key, ciphertext.subarray(prefix.length, ivAt))
  const iv = ciphertext.subarray(ivAt, ivAt + 12)
  const decipher = createDecipheriv('aes-256-gcm', subkey, iv, { authTagLength: 16 })
  decipher.setAAD(associatedData).setAuthTag(ciphertext.subarray(-16))
  return Buffer.concat([decipher.update(ciphertext.subarray(ivAt + 12, -16)), decipher.final()])
}

function messageKey(key: TinkKey, salt: Uint8Array) {
  const secret = createSecretKey(key.key)
  return key.algorithm === 'X-AES-256-GCM' ? xaesSubkey(secret, salt) : secret
}

/** Binary or JSON, ours to Tink's and back, gives the same keyset. */
async function expectAccepted(tink: TinkPeer, keyset: TinkKeyset): Promise<void> {
  const [binary, json] = [encodeKeyset(keyset), encodeKeysetJson(keyset)]
  expect(new Uint8Array(await tink.jsonToBinary(json))).toEqual(binary)
  expect(decodeKeysetJson(await tink.binaryToJson(binary))).toEqual(keyset)
}

const tink = await openTinkPeer()

if ('missing' in tink) {
  it('Tink for Python', (context) => context.skip(tink.missing))
} else {
  afterAll(() => tink.close())

  describe('a keyset of ours is taken by Tink, which writes the same bytes', () => {
    it.each<[string, TinkKeyset]>([
      ['one AES-GCM key', keysetOf(newKey(42))],
      ['the smallest and the largest id', keysetOf(newKey(0), newKey(4294967295))],
      [
        'every prefix',
        keysetOf(
          newKey(1),
          newKey(2, { prefix: 'RAW' }),
          newKey(3, { prefix: 'CRUNCHY' }),
          newKey(4, { prefix: 'LEGACY' }),
        ),
      ],
      [
        'every status',
        keysetOf(newKey(1), newKey(2, { status: 'DISABLED' }), newKey(3, { status: 'DESTROYED' })),
      ],
      [
        'X-AES-GCM keys',
        keysetOf(
          newKey(2 ** 31, { algorithm: 'X-AES-256-GCM' }),
          newKey(7, { algorithm: 'X-AES-256-GCM', prefix: 'RAW' }),
        ),
      ],
      ['a PRF key', keysetOf(newKey(9, { algorithm: 'HMAC-SHA-256', prefix: 'RAW' }))],
    ])('%s', async (_title, keyset) => {
      await expectAccepted(tink, keyset)
    })

    it('of a hundred keys', async () => {
      await expectAccepted(tink, keysetOf(...Array.from({ length: 100 }, (_, i) => newKey(i + 1))))
    })
  })

  describe('a keyset of Tink is read', () => {
    it.each([
      ['AES256_GCM', 'AES-256-GCM', 'TINK'],
      ['AES256_GCM_RAW', 'AES-256-GCM', 'RAW'],
      ['X_AES_256_GCM', 'X-AES-256-GCM', 'TINK'],
      ['X_AES_256_GCM_RAW', 'X-AES-256-GCM', 'RAW'],
      ['HMAC_SHA256_PRF', 'HMAC-SHA-256', 'RAW'],
    ] as const)('of template %s', async (template, algorithm, prefix) => {
      const json = await tink.generate(template)
      const read = decodeKeysetJson(json)
      expect(read.keys).toMatchObject([{ id: read.primaryKeyId, status: 'ENABLED', prefix, algorithm }])
      expect(decodeKeyset(await tink.jsonToBinary(json))).toEqual(read)
    })
  })

  describe.each([
    ['AES-256-GCM', 'TINK'],
    ['AES-256-GCM', 'RAW'],
    ['AES-256-GCM', 'CRUNCHY'],
    ['AES-256-GCM', 'LEGACY'],
    ['X-AES-256-GCM', 'TINK'],
    ['X-AES-256-GCM', 'RAW'],
  ] as const)('a ciphertext of %s with prefix %s', (algorithm, prefix) => {
    const key = newKey(0x80000001, { algorithm, prefix })
    const keyset = encodeKeysetJson(keysetOf(key, newKey(5)))

    it.each(PLAINTEXTS)('of ours is decrypted by Tink (%#)', async (plaintext) => {
      expect(await tink.decrypt(keyset, seal(key, plaintext, AAD), AAD)).toEqual(plaintext)
      expect(await tink.decrypt(keyset, seal(key, plaintext, NONE), NONE)).toEqual(plaintext)
    })

    it.each(PLAINTEXTS)('of Tink is decrypted here (%#)', async (plaintext) => {
      expect(open(key, await tink.encrypt(keyset, plaintext, AAD), AAD)).toEqual(plaintext)
    })

    it('under other associated data is refused by Tink', async () => {
      const sealed = seal(key, Buffer.from('x'), AAD)
      await expect(tink.decrypt(keyset, sealed, NONE)).rejects.toThrow(TinkPeerError)
    })
  })

  it('a ciphertext of a disabled key is refused by Tink, as our export says', async () => {
    const disabled = newKey(2, { status: 'DISABLED' })
    const sealed = seal(disabled, Buffer.from('x'), AAD)
    const active = newKey(1)
    await expect(tink.decrypt(encodeKeysetJson(keysetOf(active, disabled)), sealed, AAD)).rejects.toThrow(
      TinkPeerError,
    )
    const enabled = { ...disabled, status: 'ENABLED' } as const
    const opened = await tink.decrypt(encodeKeysetJson(keysetOf(active, enabled)), sealed, AAD)
    expect(opened.toString()).toBe('x')
  })

  it('the PRF of an exported key is the same in Tink', async () => {
    const key = newKey(3, { algorithm: 'HMAC-SHA-256', prefix: 'RAW' })
    const expected = createHmac('sha256', createSecretKey(key.key)).update(AAD).digest()
    const keyset = encodeKeysetJson(keysetOf(key))
    expect(await tink.prf(keyset, AAD, 32)).toEqual(expected)
    expect(await tink.prf(keyset, AAD, 16)).toEqual(expected.subarray(0, 16))
  })

  describe('an encrypted keyset', () => {
    const kek = newKey(77)
    const kekJson = encodeKeysetJson(keysetOf(kek))
    const keyset = keysetOf(newKey(1), newKey(2, { algorithm: 'X-AES-256-GCM', status: 'DISABLED' }))

    it('of ours is opened by Tink', async () => {
      const sealed = seal(kek, encodeKeyset(keyset), AAD)
      for (const encrypted of [
        encodeEncryptedKeyset(sealed, keyset),
        encodeEncryptedKeysetJson(sealed, keyset),
      ]) {
        expect(decodeKeysetJson(await tink.decryptKeyset(encrypted, kekJson, AAD))).toEqual(keyset)
      }
    })

    it('of Tink is opened here', async () => {
      const { json, binary } = await tink.encryptKeyset(encodeKeysetJson(keyset), kekJson, AAD)
      expect(decodeKeyset(open(kek, decodeEncryptedKeysetJson(json), AAD))).toEqual(keyset)
      expect(decodeKeyset(open(kek, decodeEncryptedKeyset(binary), AAD))).toEqual(keyset)
    })
  })

  describe("Tink's streaming vectors open in the peer, so that it can judge our streams", () => {
    it.each(readStreamingVectors())('$id: $hkdf_hash, $derived_key_size bytes', async (vector) => {
      const keyset = streamingKeysetJson({
        key: unhex(vector.key_hex),
        segmentBytes: vector.ciphertext_segment_size,
        derivedKeyBytes: vector.derived_key_size,
        hash: vector.hkdf_hash,
      })
      const [plaintext, aad] = [unhex(vector.plaintext_hex), unhex(vector.associated_data_hex)]
      expect(await tink.decryptStream(keyset, unhex(vector.ciphertext_hex), aad)).toEqual(plaintext)
      const again = await tink.encryptStream(keyset, plaintext, aad)
      expect(again.length).toBe(vector.ciphertext_hex.length / 2)
      expect(await tink.decryptStream(keyset, again, aad)).toEqual(plaintext)
      await expect(tink.decryptStream(keyset, again.subarray(0, -1), aad)).rejects.toThrow(TinkPeerError)
    })
  })

  it('refusals and an end are errors of the peer, never a wait', async () => {
    const second = await openTinkPeer()
    if ('missing' in second) throw new Error(second.missing)
    await expect(second.encrypt('{', NONE, NONE)).rejects.toThrow(TinkPeerError)
    expect(await second.version()).toMatch(/^1\./)
    await second.close()
    await second.close()
    await expect(second.version()).rejects.toThrow(/closed/)
  })
}
