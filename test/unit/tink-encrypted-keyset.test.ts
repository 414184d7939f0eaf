import { createDecipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeEncryptedKeyset,
  decodeEncryptedKeysetJson,
  encodeEncryptedKeyset,
  encodeEncryptedKeysetJson,
} from '../../src/crypto/tink-encrypted-keyset.ts'
import { decodeKeyset } from '../../src/crypto/tink-keyset.ts'
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

describe('the encrypted forms', () => {
  const info = keyset(key(42), key(7, { algorithm: 'X-AES-256-GCM', status: 'DISABLED' }))
  const encrypted = Uint8Array.of(1, 2, 3, 255)

  it('hold the encrypted bytes and a description without keys', () => {
    const text = encodeEncryptedKeysetJson(encrypted, info)
    expect(JSON.parse(text)).toEqual({
      encryptedKeyset: 'AQID/w==',
      keysetInfo: {
        primaryKeyId: 42,
        keyInfo: [
          { typeUrl: `${TYPE_URL}AesGcmKey`, status: 'ENABLED', keyId: 42, outputPrefixType: 'TINK' },
          { typeUrl: `${TYPE_URL}XAesGcmKey`, status: 'DISABLED', keyId: 7, outputPrefixType: 'TINK' },
        ],
      },
    })
    const bytes = Buffer.from(encodeEncryptedKeyset(encrypted, info))
    expect(bytes.toString('hex')).toMatch(/^1204010203ff1a/)
    expect(bytes.toString('latin1')).toContain(`${TYPE_URL}XAesGcmKey`)
    expect(bytes.toString('hex')).not.toContain(KEY_HEX.slice(0, 12))
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), arbitraryKeyset, (any, about) => {
        expect(decodeEncryptedKeyset(encodeEncryptedKeyset(any, about))).toEqual(any)
        expect(decodeEncryptedKeysetJson(encodeEncryptedKeysetJson(any, about))).toEqual(any)
      }),
    )
  })

  it('are read whatever the description says, which nothing vouches for', () => {
    const junk = Buffer.concat([Buffer.from('1204010203ff', 'hex'), Buffer.from('1a03ffffff', 'hex')])
    expect(decodeEncryptedKeyset(junk)).toEqual(encrypted)
    expect(decodeEncryptedKeysetJson('{"encryptedKeyset":"AQID/w==","keysetInfo":[1]}')).toEqual(encrypted)
    expect(decodeEncryptedKeysetJson('{"encryptedKeyset":"AQID/w=="}')).toEqual(encrypted)
  })

  it.each([
    ['nothing encrypted', '{"encryptedKeyset":""}'],
    ['no encrypted keyset', '{"keysetInfo":{}}'],
    ['an unknown member', '{"encryptedKeyset":"AQID/w==","key":[]}'],
    ['a member twice', '{"encryptedKeyset":"AQID/w==","encryptedKeyset":"AQID"}'],
    ['base64url', '{"encryptedKeyset":"AQID_w=="}'],
    ['a cleartext keyset', encodeKeysetJson(keyset(key(42)))],
  ])('are refused in JSON with %s', (_title, text) => {
    refusal(() => decodeEncryptedKeysetJson(text))
  })

  it('are refused when empty or malformed', () => {
    refusal(() => decodeEncryptedKeyset(new Uint8Array(0)))
    refusal(() => decodeEncryptedKeyset(Buffer.from('1204', 'hex')))
    refusal(() => encodeEncryptedKeyset(new Uint8Array(0), info))
    refusal(() => encodeEncryptedKeysetJson(new Uint8Array(0), info))
  })

  it("of Tink's example open with its key-encrypting key", () => {
    const [vector] = readVectors<{
      kek_keyset_json: object
      encrypted_keyset_json: object
      associated_data_hex: string
    }>('encrypted_keyset.json')
    const [kek] = decodeKeysetJson(JSON.stringify(vector?.kek_keyset_json)).keys
    const sealed = decodeEncryptedKeysetJson(JSON.stringify(vector?.encrypted_keyset_json))
    const decipher = createDecipheriv('aes-256-gcm', kek?.key ?? '', sealed.subarray(5, 17), {
      authTagLength: 16,
    })
    decipher.setAAD(unhex(vector?.associated_data_hex ?? '')).setAuthTag(sealed.subarray(-16))
    const opened = Buffer.concat([decipher.update(sealed.subarray(17, -16)), decipher.final()])
    // It holds an AES-128 key, so that far we can read it.
    expect(refusal(() => decodeKeyset(opened)).message).toBe(
      'key 1 of the keyset (id 1931667682) has 128 bits',
    )
  })
})
