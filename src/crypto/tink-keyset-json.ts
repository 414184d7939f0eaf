/**
 * The JSON form of Tink keysets in clear (proto3 JSON of google.crypto.tink.Keyset).
 *
 * Written so that the strictest of Tink's readers (Java's) takes it: every member present, camelCase,
 * standard base64 with padding, ids as numbers. Read strictly: unknown and duplicate members are refused; ids
 * may be strings, and a zero may be left out, as proto3 JSON allows.
 */
import { fromBase64, wipe } from './bytes.ts'
import { parseStrictJson } from './strict-json.ts'
import {
  encodeKeyMessage,
  KEY_MATERIAL,
  keyDataMissing,
  keysetInvalid,
  type SerializedKey,
  typeUrlOf,
} from './tink-key.ts'
import { assertKeyset, parseKeyset, type TinkKeyset } from './tink-keyset.ts'

/** As much as the binary form may have, in base64. */
const MAX_TEXT_LENGTH = 2 * 1024 * 1024

const KEYSET_MEMBERS = ['primaryKeyId', 'key']
const KEY_MEMBERS = ['keyData', 'status', 'keyId', 'outputPrefixType']
const KEY_DATA_MEMBERS = ['typeUrl', 'value', 'keyMaterialType']

const HINT_EXPORT = 'export the keyset again with Tink; unknown, duplicate and mistyped members are refused'

/**
 * The keyset as JSON text, which holds the keys. Throws ERR_KEYSET_INVALID for a keyset that Tink would
 * refuse.
 */
export function encodeKeysetJson(keyset: TinkKeyset): string {
  assertKeyset(keyset)
  const key = keyset.keys.map((one) => {
    const message = encodeKeyMessage(one)
    const value = Buffer.from(message.buffer).toString('base64')
    wipe(message)
    return {
      keyData: { typeUrl: typeUrlOf(one.algorithm), value, keyMaterialType: KEY_MATERIAL },
      status: one.status,
      keyId: one.id,
      outputPrefixType: one.prefix,
    }
  })
  return JSON.stringify({ primaryKeyId: keyset.primaryKeyId, key })
}

/** Reads a cleartext JSON keyset. Throws ERR_KEYSET_INVALID as `decodeKeyset` does. */
export function decodeKeysetJson(text: string): TinkKeyset {
  const keyset = parseObject(text, 'the keyset')
  if (Object.hasOwn(keyset, 'encryptedKeyset')) {
    throw keysetInvalid('the keyset is encrypted', 'decrypt it with the key that wrapped it first')
  }
  assertMembers(keyset, KEYSET_MEMBERS, 'the keyset')
  if (!Array.isArray(keyset['key'])) {
    throw keysetInvalid('member "key" of the keyset is not an array', HINT_EXPORT)
  }
  const keys: SerializedKey[] = []
  try {
    for (const [index, key] of keyset['key'].entries()) keys.push(serializedKey(key, index))
    return parseKeyset(toId(keyset['primaryKeyId'], 'the keyset'), keys)
  } finally {
    wipe(...keys.map(({ value }) => value)) // parseKeyset has copied
  }
}

function serializedKey(key: unknown, index: number): SerializedKey {
  const title = `key ${index + 1} of the keyset`
  const entry = toObject(key, title)
  assertMembers(entry, KEY_MEMBERS, title)
  if (entry['keyData'] === undefined) throw keyDataMissing(title)
  const keyData = toObject(entry['keyData'], `"keyData" of ${title}`)
  assertMembers(keyData, KEY_DATA_MEMBERS, `"keyData" of ${title}`)
  return {
    id: toId(entry['keyId'], title),
    status: toText(entry, 'status', title),
    prefix: toText(entry, 'outputPrefixType', title),
    typeUrl: toText(keyData, 'typeUrl', title),
    material: toText(keyData, 'keyMaterialType', title),
    value: toBytes(keyData, 'value', title),
  }
}

type JsonObject = Readonly<Record<string, unknown>>

/** The object that `text` is. Throws ERR_KEYSET_INVALID. */
export function parseObject(text: string, title: string): JsonObject {
  const malformed = () => keysetInvalid(`${title} is not valid JSON, or has a member twice`, HINT_EXPORT)
  if (text.length > MAX_TEXT_LENGTH) throw malformed()
  return toObject(parseStrictJson(text, malformed), title)
}

function toObject(value: unknown, title: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw keysetInvalid(`${title} is not a JSON object`, HINT_EXPORT)
}

/**
 * Throws ERR_KEYSET_INVALID for a member that is not in `known`; its name is not repeated, it may be
 * anything.
 */
export function assertMembers(value: JsonObject, known: readonly string[], title: string): void {
  if (Object.keys(value).every((name) => known.includes(name))) return
  throw keysetInvalid(`${title} has an unknown member`, `known members: ${known.join(', ')}`)
}

/** proto3 JSON leaves out a zero, so an absent id is 0. */
function toId(value: unknown, title: string): number {
  if (value === undefined) return 0
  const id = typeof value === 'string' && /^(0|[1-9]\d{0,9})$/.test(value) ? Number(value) : value
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < 2 ** 32) return id >>> 0
  throw keysetInvalid(`${title} has a key id that is not an unsigned 32-bit number`, HINT_EXPORT)
}

function toText(value: JsonObject, member: string, title: string): string {
  const text = value[member]
  if (typeof text === 'string') return text
  throw keysetInvalid(`${title} has no text in "${member}"`, HINT_EXPORT)
}

/** The bytes of a member in standard base64. Throws ERR_KEYSET_INVALID when it is missing or empty. */
export function toBytes(value: JsonObject, member: string, title: string): Uint8Array {
  const bytes = fromBase64(toText(value, member, title))
  if (bytes !== undefined && bytes.length > 0) return bytes
  throw keysetInvalid(`${title} has no standard base64 in "${member}"`, HINT_EXPORT)
}
