/**
 * Tink keysets (google.crypto.tink.Keyset) and their binary form. The JSON form is in tink-keyset-json.ts,
 * the encrypted forms in tink-encrypted-keyset.ts.
 *
 * A keyset of this file is in clear: its bytes hold the keys. Its owner wipes them.
 */
import { wipe } from './bytes.ts'
import { type FieldEntry, type Fields, readFields, writeFields } from './protobuf.ts'
import {
  assertKey,
  assertKeyInfo,
  KEY_MATERIAL,
  keyMessageFields,
  keysetInvalid,
  keyTitle,
  parseKey,
  type SerializedKey,
  type TinkKey,
  type TinkKeyInfo,
  typeUrlOf,
} from './tink-key.ts'

export type { TinkAlgorithm, TinkKey, TinkKeyInfo } from './tink-key.ts'

/** Keys of which one, the primary, encrypts. */
export interface TinkKeyset {
  readonly primaryKeyId: number
  readonly keys: readonly TinkKey[]
}

/** What may be shown of a keyset; a {@link TinkKeyset} is one. */
export interface TinkKeysetInfo {
  readonly primaryKeyId: number
  readonly keys: readonly TinkKeyInfo[]
}

// The position of a name is its number in the .proto files; 0 is the unknown value.
const STATUS_NAMES = ['', 'ENABLED', 'DISABLED', 'DESTROYED']
const PREFIX_NAMES = ['', 'TINK', 'LEGACY', 'RAW', 'CRUNCHY']
const MATERIAL_NAMES = ['', KEY_MATERIAL, 'ASYMMETRIC_PRIVATE', 'ASYMMETRIC_PUBLIC', 'REMOTE']

const KEYSET_FIELD = { primaryKeyId: 1, key: 2 } as const
const KEY_FIELD = { keyData: 1, status: 2, id: 3, prefix: 4 } as const
const KEY_DATA_FIELD = { typeUrl: 1, value: 2, material: 3 } as const
const KEY_INFO_FIELD = { typeUrl: 1, status: 2, id: 3, prefix: 4 } as const

/**
 * The keyset as a serialized Keyset message. Throws ERR_KEYSET_INVALID for a keyset that Tink would refuse:
 * no enabled primary, an id twice, a key that is not 32 bytes, a prefix its algorithm does not allow.
 */
export function encodeKeyset(keyset: TinkKeyset): Uint8Array<ArrayBuffer> {
  assertKeyset(keyset)
  return writeFields([
    [KEYSET_FIELD.primaryKeyId, keyset.primaryKeyId],
    ...keyset.keys.map((key): FieldEntry => [KEYSET_FIELD.key, serializedKeyFields(key)]),
  ])
}

function serializedKeyFields(key: TinkKey): readonly FieldEntry[] {
  const keyData: readonly FieldEntry[] = [
    [KEY_DATA_FIELD.typeUrl, typeUrlOf(key.algorithm)],
    [KEY_DATA_FIELD.value, keyMessageFields(key)],
    [KEY_DATA_FIELD.material, MATERIAL_NAMES.indexOf(KEY_MATERIAL)],
  ]
  return [
    [KEY_FIELD.keyData, keyData],
    [KEY_FIELD.status, STATUS_NAMES.indexOf(key.status)],
    [KEY_FIELD.id, key.id],
    [KEY_FIELD.prefix, PREFIX_NAMES.indexOf(key.prefix)],
  ]
}

/**
 * Reads a serialized Keyset message. The keys are copies, so `bytes` can be wiped at once.
 * Throws ERR_KEYSET_INVALID when it is malformed or holds anything we cannot store (see {@link parseKeyset}).
 */
export function decodeKeyset(bytes: Uint8Array): TinkKeyset {
  const malformed = () =>
    keysetInvalid(
      'the keyset is not a readable Tink keyset',
      'pass a binary cleartext keyset; JSON has its own reader',
    )
  const keyset = readFields(bytes, malformed)
  const keys = keyset.all(KEYSET_FIELD.key).map((key) => serializedKey(readFields(key, malformed)))
  return parseKeyset(keyset.uint32(KEYSET_FIELD.primaryKeyId), keys)
}

function serializedKey(key: Fields): SerializedKey {
  const id = key.uint32(KEY_FIELD.id)
  const keyData = key.message(KEY_FIELD.keyData)
  return {
    id,
    status: STATUS_NAMES[key.uint32(KEY_FIELD.status)] ?? '',
    prefix: PREFIX_NAMES[key.uint32(KEY_FIELD.prefix)] ?? '',
    typeUrl: keyData?.string(KEY_DATA_FIELD.typeUrl) ?? '',
    material: MATERIAL_NAMES[keyData?.uint32(KEY_DATA_FIELD.material) ?? 0] ?? '',
    value: keyData?.bytes(KEY_DATA_FIELD.value) ?? new Uint8Array(0),
  }
}

/**
 * The keyset made of what a serialization held. Throws ERR_KEYSET_INVALID, having wiped what it copied,
 * unless there is at least one key, no id stands twice, the primary is there and enabled, and every key is of
 * version 0, of a type and size we store.
 */
export function parseKeyset(primaryKeyId: number, serialized: readonly SerializedKey[]): TinkKeyset {
  const keys: TinkKey[] = []
  try {
    for (const [index, key] of serialized.entries()) keys.push(parseKey(key, keyTitle(index, key.id)))
    const keyset = { primaryKeyId, keys }
    assertKeyset(keyset)
    return keyset
  } catch (error) {
    wipe(...keys.map(({ key }) => key))
    throw error
  }
}

/** Throws ERR_KEYSET_INVALID for a keyset that Tink would refuse. */
export function assertKeyset(keyset: TinkKeyset): void {
  for (const [index, key] of keyset.keys.entries()) assertKey(key, keyTitle(index, key.id))
  assertPrimary(keyset)
}

function assertPrimary({ primaryKeyId, keys }: TinkKeysetInfo): void {
  if (keys.length === 0) throw keysetInvalid('the keyset has no key', 'a keyset needs at least one key')
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) {
    throw keysetInvalid('two keys of the keyset have the same id', 'give every key an id of its own')
  }
  const primary = keys.find(({ id }) => id === primaryKeyId)
  if (primary === undefined) {
    throw keysetInvalid('the primary key is not in the keyset', 'promote one of its keys to primary')
  }
  if (primary.status !== 'ENABLED') {
    throw keysetInvalid('the primary key is not enabled', 'enable it, or promote another key to primary')
  }
}

/**
 * The fields of a KeysetInfo message. Throws ERR_KEYSET_INVALID as {@link encodeKeyset} does, key sizes
 * aside.
 */
export function keysetInfoFields(info: TinkKeysetInfo): readonly FieldEntry[] {
  assertKeysetInfo(info)
  return [
    [KEYSET_FIELD.primaryKeyId, info.primaryKeyId],
    ...info.keys.map(
      (key): FieldEntry => [
        KEYSET_FIELD.key,
        [
          [KEY_INFO_FIELD.typeUrl, typeUrlOf(key.algorithm)],
          [KEY_INFO_FIELD.status, STATUS_NAMES.indexOf(key.status)],
          [KEY_INFO_FIELD.id, key.id],
          [KEY_INFO_FIELD.prefix, PREFIX_NAMES.indexOf(key.prefix)],
        ],
      ],
    ),
  ]
}

/** As {@link assertKeyset}, for what may be shown of a keyset. */
export function assertKeysetInfo(info: TinkKeysetInfo): void {
  for (const [index, key] of info.keys.entries()) assertKeyInfo(key, keyTitle(index, key.id))
  assertPrimary(info)
}
