/**
 * Encrypted Tink keysets (google.crypto.tink.EncryptedKeyset), binary and JSON: the serialized keyset
 * encrypted under another key, and a description of it in clear. Encrypting and decrypting is the caller's.
 *
 * Nothing vouches for the description, so readers ignore it.
 */
import { readFields, writeFields } from './protobuf.ts'
import { keysetInvalid, typeUrlOf } from './tink-key.ts'
import { assertKeysetInfo, keysetInfoFields, type TinkKeysetInfo } from './tink-keyset.ts'
import { assertMembers, parseObject, toBytes } from './tink-keyset-json.ts'

const FIELD = { encryptedKeyset: 2, keysetInfo: 3 } as const
const MEMBERS = ['encryptedKeyset', 'keysetInfo']
const TITLE = 'the encrypted keyset'

/**
 * The EncryptedKeyset message of `encrypted`, the encrypted output of `encodeKeyset`, with the facts of
 * `info` (pass the keyset itself). Throws ERR_KEYSET_INVALID when `encrypted` is empty or `info` no valid
 * keyset.
 */
export function encodeEncryptedKeyset(encrypted: Uint8Array, info: TinkKeysetInfo): Uint8Array<ArrayBuffer> {
  assertNotEmpty(encrypted)
  return writeFields([
    [FIELD.encryptedKeyset, encrypted],
    [FIELD.keysetInfo, keysetInfoFields(info)],
  ])
}

/**
 * The encrypted bytes of an EncryptedKeyset message, copied. Throws ERR_KEYSET_INVALID when there are none.
 */
export function decodeEncryptedKeyset(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const fields = readFields(bytes, () =>
    keysetInvalid(`${TITLE} cannot be read`, 'pass a binary encrypted keyset; JSON has its own reader'),
  )
  const encrypted = fields.bytes(FIELD.encryptedKeyset) ?? new Uint8Array(0)
  assertNotEmpty(encrypted)
  return new Uint8Array(encrypted)
}

/** As {@link encodeEncryptedKeyset}, in JSON. */
export function encodeEncryptedKeysetJson(encrypted: Uint8Array, info: TinkKeysetInfo): string {
  assertNotEmpty(encrypted)
  assertKeysetInfo(info)
  const keyInfo = info.keys.map((key) => ({
    typeUrl: typeUrlOf(key.algorithm),
    status: key.status,
    keyId: key.id,
    outputPrefixType: key.prefix,
  }))
  return JSON.stringify({
    encryptedKeyset: Buffer.from(encrypted).toString('base64'),
    keysetInfo: { primaryKeyId: info.primaryKeyId, keyInfo },
  })
}

/** As {@link decodeEncryptedKeyset}, from JSON. Unknown and duplicate members are refused. */
export function decodeEncryptedKeysetJson(text: string): Uint8Array<ArrayBuffer> {
  const keyset = parseObject(text, TITLE)
  assertMembers(keyset, MEMBERS, TITLE)
  return new Uint8Array(toBytes(keyset, 'encryptedKeyset', TITLE))
}

function assertNotEmpty(encrypted: Uint8Array): void {
  if (encrypted.length > 0) return
  throw keysetInvalid(`${TITLE} holds nothing encrypted`, 'export the keyset again')
}
