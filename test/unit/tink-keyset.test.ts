import { createDecipheriv, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FieldEntry, writeFields } from '../../src/crypto/protobuf.ts'
import { encodeEncryptedKeyset, encodeEncryptedKeysetJson } from '../../src/crypto/tink-encrypted-keyset.ts'
import { decodeKeyset, encodeKeyset, type TinkKeyset } from '../../src/crypto/tink-keyset.ts'
import { decodeKeysetJson, encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import {
  arbitraryKeyset,
  KEY_HEX,
  key,
  keyset,
  readVectors,
  refusal,
  TYPE_URL,
  unhex,
} from './tink-fixtures.ts'

describe('the binary form', () => {
  it('of an AES-256 key is byte for byte what Tink writes', () => {
    const written = Buffer.from(encodeKeyset(keyset(key(294406504))))
    // From the fake-kms URI of Tink's own example, which holds exactly this key.
    const [{ kek_uri } = { kek_uri: '' }] = readVectors<{ kek_uri: string }>('encrypted_keyset.json')
    const ofTink = Buffer.from(kek_uri.slice('fake-kms://'.length), 'base64url')
    expect(decodeKeyset(ofTink)).toEqual(keyset(key(294406504)))
    expect(written).toEqual(ofTink)
    expect(written.toString('hex')).toContain(`1a20${KEY_HEX}`)
  })

  it('leaves out id 0', () => {
    const written = encodeKeyset(keyset(key(0)))
    expect(written.length).toBe(encodeKeyset(keyset(key(1))).length - 4)
    expect(decodeKeyset(written)).toEqual(keyset(key(0)))
  })

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(arbitraryKeyset, (any) => {
        expect(decodeKeyset(encodeKeyset(any))).toEqual(any)
      }),
    )
  })

  it('is read into copies, so that the bytes can be wiped', () => {
    const bytes = encodeKeyset(keyset(key(7)))
    const read = decodeKeyset(bytes)
    bytes.fill(0)
    expect(read).toEqual(keyset(key(7)))
  })
})

describe('a keyset is refused', () => {
  it.each<[string, TinkKeyset, RegExp]>([
    ['without keys', { primaryKeyId: 1, keys: [] }, /no key/],
    ['without its primary', { primaryKeyId: 2, keys: [key(1)] }, /primary key is not in/],
    ['with a disabled primary', keyset(key(1, { status: 'DISABLED' }), key(2)), /primary key is not enabled/],
    ['with a destroyed primary', keyset(key(1, { status: 'DESTROYED' })), /primary key is not enabled/],
    ['with an id twice', keyset(key(1), key(2), key(2)), /same id/],
    ['with its primary twice', keyset(key(1), key(1, { status: 'DISABLED' })), /same id/],
    ['with a key of 31 bytes', keyset(key(1, { key: new Uint8Array(31) })), /key 1 .*32 bytes/],
    ['with an id of -1', keyset(key(-1)), /id out of range/],
    ['with an id of 2^32', keyset(key(2 ** 32)), /id out of range/],
    ['with an id of 0.5', keyset(key(0.5)), /id out of range/],
    ['with an unknown status', keyset(key(1), key(2, { status: '' as 'ENABLED' })), /key 2 .*status/],
    ['with an unknown algorithm', keyset(key(1, { algorithm: 'constructor' as 'AES-256-GCM' })), /algorithm/],
    [
      'with a CRUNCHY X-AES key',
      keyset(key(1, { algorithm: 'X-AES-256-GCM', prefix: 'CRUNCHY' })),
      /output prefix that X-AES-256-GCM does not allow/,
    ],
    [
      'with a TINK PRF key',
      keyset(key(1, { algorithm: 'HMAC-SHA-256' })),
      /output prefix that HMAC-SHA-256 does not allow/,
    ],
  ])('%s, by every writer', (_title, wrong, message) => {
    expect(refusal(() => encodeKeyset(wrong)).message).toMatch(message)
    expect(refusal(() => encodeKeysetJson(wrong)).message).toMatch(message)
    if (wrong.keys[0]?.key.length !== 31) {
      expect(refusal(() => encodeEncryptedKeyset(Uint8Array.of(1), wrong)).message).toMatch(message)
      expect(refusal(() => encodeEncryptedKeysetJson(Uint8Array.of(1), wrong)).message).toMatch(message)
    }
  })

  interface Parts {
    primary?: number
    typeName?: string
    value?: FieldEntry[] | Uint8Array
    material?: number
    status?: number
    prefix?: number
  }
  const VALUE: FieldEntry[] = [[3, unhex(KEY_HEX)]]
  /** One key by the .proto files, so that a rule can be broken that our writer keeps. */
  const binary = ({ primary = 1, typeName = 'AesGcmKey', value = VALUE, ...numbers }: Parts): Uint8Array => {
    const { material = 1, status = 1, prefix = 1 } = numbers
    const keyData: FieldEntry[] = [
      [1, TYPE_URL + typeName],
      [2, value],
      [3, material],
    ]
    const entry: FieldEntry[] = [
      [1, keyData],
      [2, status],
      [3, 1],
      [4, prefix],
    ]
    return writeFields([
      [1, primary],
      [2, entry],
    ])
  }
  const params = (param: number): FieldEntry[] => [[2, [[1, param]]], ...VALUE]

  it('not when it is right, even with unknown fields and an explicit version 0', () => {
    expect(decodeKeyset(binary({}))).toEqual(keyset(key(1)))
    const tolerated = Buffer.concat([
      Buffer.from([8, 0, 0x78, 5]),
      writeFields(VALUE),
      Buffer.from([0x7a, 0]),
    ])
    expect(decodeKeyset(binary({ value: tolerated }))).toEqual(keyset(key(1)))
  })

  it.each<[string, Parts, RegExp]>([
    ['with a primary that is not there', { primary: 2 }, /primary key is not in/],
    ['with version 1', { value: [[1, 1], ...VALUE] }, /key version 1$/],
    ['with version 1 of X-AES', { typeName: 'XAesGcmKey', value: [[1, 1], ...params(12)] }, /key version 1$/],
    [
      'with version 1 of a PRF',
      { typeName: 'HmacPrfKey', value: [[1, 1], ...params(3)], prefix: 3 },
      /version 1/,
    ],
    ['of AES-128', { value: [[3, new Uint8Array(16)]] }, /has 128 bits$/],
    ['of AES-192', { value: [[3, new Uint8Array(24)]] }, /has 192 bits$/],
    ['with an empty key', { value: [] }, /has 0 bits$/],
    ['with a key of 33 bytes', { value: [[3, new Uint8Array(33)]] }, /has 264 bits$/],
    ['with a salt of 8 bytes', { typeName: 'XAesGcmKey', value: params(8) }, /salt size of 8, .* needs 12$/],
    ['without a salt size', { typeName: 'XAesGcmKey' }, /salt size of 0, .* needs 12$/],
    ['with SHA512', { typeName: 'HmacPrfKey', value: params(4), prefix: 3 }, /hash type of 4, .* needs 3$/],
    ['with a PRF key of prefix TINK', { typeName: 'HmacPrfKey', value: params(3) }, /output prefix/],
    [
      'with an X-AES key of prefix LEGACY',
      { typeName: 'XAesGcmKey', value: params(12), prefix: 2 },
      /prefix/,
    ],
    ['with another type', { typeName: 'AesEaxKey' }, /unknown type .*google\.crypto\.tink\.AesEaxKey$/],
    ['with asymmetric key material', { material: 2 }, /SYMMETRIC/],
    ['with unknown key material', { material: 0 }, /SYMMETRIC/],
    ['with an unknown status', { status: 0 }, /unknown status/],
    ['with a status of the future', { status: 4 }, /unknown status/],
    ['with an unknown prefix', { prefix: 0 }, /output prefix/],
    ['with prefix WITH_ID_REQUIREMENT', { prefix: 5 }, /output prefix/],
    ['with a key message that breaks off', { value: Buffer.from('1a2000', 'hex') }, /cannot be read/],
  ])('%s, by the binary reader', (_title, parts, message) => {
    expect(refusal(() => decodeKeyset(binary(parts))).message).toMatch(message)
  })

  it('when it is empty, a key has no data, or it is JSON', () => {
    expect(refusal(() => decodeKeyset(new Uint8Array(0))).message).toMatch(/no key/)
    const destroyed: FieldEntry[] = [
      [2, 3],
      [3, 9],
      [4, 1],
    ]
    const bytes = Buffer.concat([encodeKeyset(keyset(key(1))), writeFields([[2, destroyed]])])
    expect(refusal(() => decodeKeyset(bytes)).message).toBe('key 2 of the keyset (id 9) has no key data')
    refusal(() => decodeKeyset(Buffer.from(encodeKeysetJson(keyset(key(1))))))
  })
})

describe("Tink's vectors under a keyset that was written and read back", () => {
  interface AesVector {
    key_hex: string
    variant: 'NoPrefix' | 'Tink' | 'Crunchy'
    id_requirement: number | null
    plaintext_hex: string
    associated_data_hex: string
    ciphertext_hex: string
  }
  const aes = readVectors<AesVector>('aes_gcm.json').filter((vector) => vector.key_hex.length === 64)
  const PREFIX = { NoPrefix: ['RAW', ''], Tink: ['TINK', '01'], Crunchy: ['CRUNCHY', '00'] } as const

  it.each(aes)('AES-GCM $variant', (vector) => {
    const [prefix, first] = PREFIX[vector.variant]
    const id = vector.id_requirement ?? 5
    const own = keyset(key(id, { prefix, key: new Uint8Array(unhex(vector.key_hex)) }))
    const [read] = decodeKeysetJson(encodeKeysetJson(decodeKeyset(encodeKeyset(own)))).keys
    const idHex = (read?.id ?? 0).toString(16).padStart(8, '0')
    const expectedPrefix = read?.prefix === 'RAW' ? '' : first + idHex
    expect(vector.ciphertext_hex.startsWith(expectedPrefix)).toBe(true)
    const body = unhex(vector.ciphertext_hex).subarray(expectedPrefix.length / 2)
    const decipher = createDecipheriv('aes-256-gcm', read?.key ?? '', body.subarray(0, 12), {
      authTagLength: 16,
    })
    decipher.setAAD(unhex(vector.associated_data_hex)).setAuthTag(body.subarray(-16))
    const opened = Buffer.concat([decipher.update(body.subarray(12, -16)), decipher.final()])
    expect(opened.toString('hex')).toBe(vector.plaintext_hex)
  })

  interface PrfVector {
    key_size_in_bytes: number
    hash_type: string
    key_hex: string
    msg_hex: string
    output_hex: string
  }

  it.each(readVectors<PrfVector>('hmac_prf.json'))(
    'HMAC-PRF $hash_type, $key_size_in_bytes bytes',
    (vector) => {
      // None has both SHA256 and 32 bytes: the construction is checked, and that the key is refused.
      const prf = createHmac(vector.hash_type.toLowerCase(), unhex(vector.key_hex)).update(
        unhex(vector.msg_hex),
      )
      expect(prf.digest('hex').startsWith(vector.output_hex)).toBe(true)
      const hash = { Sha1: 1, Sha384: 2, Sha256: 3, Sha512: 4 }[vector.hash_type] ?? 0
      const value: FieldEntry[] = [
        [2, [[1, hash]]],
        [3, unhex(vector.key_hex)],
      ]
      const text = JSON.stringify({
        primaryKeyId: 1,
        key: [
          {
            keyData: {
              typeUrl: `${TYPE_URL}HmacPrfKey`,
              value: Buffer.from(writeFields(value)).toString('base64'),
              keyMaterialType: 'SYMMETRIC',
            },
            status: 'ENABLED',
            keyId: 1,
            outputPrefixType: 'RAW',
          },
        ],
      })
      expect(refusal(() => decodeKeysetJson(text)).message).toMatch(/hash type of [124]|has 320 bits/)
    },
  )
})
