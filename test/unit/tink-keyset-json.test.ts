import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeKeysetJson, encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import {
  arbitraryKeyset,
  KEY_BASE64,
  KEY_HEX,
  key,
  keyset,
  readText,
  readVectors,
  refusal,
  TYPE_URL,
  unhex,
} from './tink-fixtures.ts'

describe('the JSON form', () => {
  it('has every member, in the spelling that all readers take', () => {
    const text = encodeKeysetJson({
      primaryKeyId: 0,
      keys: [
        key(0),
        key(4294967295, { algorithm: 'X-AES-256-GCM', prefix: 'RAW', status: 'DISABLED' }),
        key(3, { algorithm: 'HMAC-SHA-256', prefix: 'RAW' }),
      ],
    })
    const entry = (name: string, value: string, status: string, keyId: number, outputPrefixType: string) => ({
      keyData: {
        typeUrl: TYPE_URL + name,
        value: unhex(value + KEY_HEX).toString('base64'),
        keyMaterialType: 'SYMMETRIC',
      },
      status,
      keyId,
      outputPrefixType,
    })
    expect(JSON.parse(text)).toEqual({
      primaryKeyId: 0,
      key: [
        entry('AesGcmKey', '1a20', 'ENABLED', 0, 'TINK'),
        entry('XAesGcmKey', '1202080c1a20', 'DISABLED', 4294967295, 'RAW'),
        entry('HmacPrfKey', '120208031a20', 'ENABLED', 3, 'RAW'),
      ],
    })
  })

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(arbitraryKeyset, (any) => {
        expect(decodeKeysetJson(encodeKeysetJson(any))).toEqual(any)
      }),
    )
  })

  it('may have its ids as strings, and an id of 0 left out, as proto3 JSON allows', () => {
    const text = encodeKeysetJson(keyset(key(0), key(42)))
    expect(decodeKeysetJson(text.replace('"keyId":42', '"keyId":"42"'))).toEqual(keyset(key(0), key(42)))
    const omitted = text.replace('"primaryKeyId":0,', '').replace('"keyId":0,', '')
    expect(decodeKeysetJson(omitted)).toEqual(keyset(key(0), key(42)))
  })

  interface ParsingVector {
    name: string
    valid: boolean
    json_keyset: string
  }
  // Like Go and Python we take ids as strings; like C++ and Java we refuse a type we do not know.
  const ours: Record<string, boolean> = { with_primary_key_id_as_string: true, with_unicode_char: false }

  it.each(readVectors<ParsingVector>('json_keyset_parsing.json'))(
    'is judged as in the cross-language tests: $name',
    ({ name, valid, json_keyset }) => {
      if (ours[name] ?? valid) expect(decodeKeysetJson(json_keyset)).toEqual(keyset(key(42)))
      else refusal(() => decodeKeysetJson(json_keyset))
    },
  )

  const good = encodeKeysetJson(keyset(key(42)))
  it.each<[string, string, RegExp]>([
    ['an unknown member', good.replace('{"primary', '{"x":1,"primary'), /^the keyset has an unknown member/],
    ['an unknown member of a key', good.replace('"keyId"', '"__proto__":1,"keyId"'), /unknown member/],
    ['an unknown member of the key data', good.replace('"typeUrl"', '"x":{},"typeUrl"'), /unknown member/],
    ['a member twice', good.replace('"keyId"', '"keyId":1,"keyId"'), /member twice/],
    ['a member twice in two spellings', good.replace('"keyId"', '"key\\u0049d":1,"keyId"'), /member twice/],
    ['a negative id', good.replaceAll(':42', ':-42'), /unsigned 32-bit/],
    ['an id over 32 bits', good.replaceAll(':42', ':4294967296'), /unsigned 32-bit/],
    ['an id with a fraction', good.replaceAll(':42', ':42.5'), /unsigned 32-bit/],
    ['an id in hexadecimal', good.replaceAll(':42', ':"0x2a"'), /unsigned 32-bit/],
    ['an id in an array', good.replaceAll(':42', ':[42]'), /unsigned 32-bit/],
    ['an id as null', good.replaceAll(':42', ':null'), /unsigned 32-bit/],
    ['base64url', good.replace('LI', '-_'), /standard base64/],
    ['base64 without padding', good.replace('==', ''), /standard base64/],
    ['an enum as a number', good.replace('"ENABLED"', '1'), /"status"/],
    ['an enum in lower case', good.replace('"ENABLED"', '"enabled"'), /unknown status/],
    ['no status', good.replace('"status":"ENABLED",', ''), /"status"/],
    ['an unknown prefix', good.replace('"TINK"', '"WITH_ID_REQUIREMENT"'), /output prefix/],
    ['an array', `[${good}]`, /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['no text at all', '', /not valid JSON/],
    ['text after the keyset', `${good} {}`, /not valid JSON/],
    ['text that breaks off inside the key', good.slice(0, good.indexOf('NSLg')), /not valid JSON/],
    ['an encrypted keyset', '{"encryptedKeyset":"AA=="}', /is encrypted/],
    ['a destroyed key without data', withDestroyed(good), /^key 2 of the keyset has no key data/],
  ])('refuses %s', (_title, text, message) => {
    expect(refusal(() => decodeKeysetJson(text)).message).toMatch(message)
  })

  function withDestroyed(text: string): string {
    return text.replace(/\]\}$/, ',{"status":"DESTROYED","keyId":2,"outputPrefixType":"TINK"}]}')
  }

  it('refuses text of more than 2 MiB without reading it', () => {
    refusal(() => decodeKeysetJson(good + ' '.repeat(2 * 1024 * 1024)))
  })

  it.each(['example_mac_keyset.json', 'example_daead_keyset.json'])('refuses %s, naming the type', (file) => {
    expect(refusal(() => decodeKeysetJson(readText(file))).message).toMatch(
      /unknown type type\.googleapis\.com\/google\.crypto\.tink\.(HmacKey|AesSivKey)$/,
    )
  })

  it('refuses example_aead_keyset.json, which has an AES-128 key', () => {
    const refused = refusal(() => decodeKeysetJson(readText('example_aead_keyset.json')))
    expect(refused.message).toBe('key 1 of the keyset (id 1931667682) has 128 bits')
    expect(refused.hint).toContain('256 bits')
  })

  it('names no type that does not look like one', () => {
    const text = good.replace(`${TYPE_URL}AesGcmKey`, KEY_BASE64)
    expect(refusal(() => decodeKeysetJson(text)).message).toBe(
      'key 1 of the keyset (id 42) is of an unknown type',
    )
  })
})
