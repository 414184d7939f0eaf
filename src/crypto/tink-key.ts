/**
 * One key of a Tink keyset: the kinds of key we store, as rows, and their protobuf messages
 * (package google.crypto.tink: AesGcmKey, XAesGcmKey, HmacPrfKey).
 */
import { KeywrightError } from '../errors.ts'
import { type FieldEntry, readFields, writeFields } from './protobuf.ts'

/** Only an ENABLED key encrypts or decrypts in Tink; the others count as absent. */
export type TinkKeyStatus = 'ENABLED' | 'DISABLED' | 'DESTROYED'

/** What stands before a ciphertext: TINK `01 || id`, CRUNCHY and LEGACY `00 || id`, RAW nothing. */
export type TinkPrefix = 'TINK' | 'RAW' | 'CRUNCHY' | 'LEGACY'

/**
 * `HMAC-SHA-256` is Tink's HmacPrfKey with SHA256: a PRF, not a MAC. `X-AES-256-GCM` has 12 bytes of salt.
 */
export type TinkAlgorithm = 'AES-256-GCM' | 'X-AES-256-GCM' | 'HMAC-SHA-256'

/** What may be shown of a key. */
export interface TinkKeyInfo {
  /** uint32; Tink allows 0. */
  readonly id: number
  readonly status: TinkKeyStatus
  readonly prefix: TinkPrefix
  readonly algorithm: TinkAlgorithm
}

/** A key with its 32 bytes of key material. Who gets one from a decoder owns the bytes and wipes them. */
export interface TinkKey extends TinkKeyInfo {
  readonly key: Uint8Array
}

/** A key as both serializations hold it, before anything is known about its type. */
export interface SerializedKey {
  readonly id: number
  readonly status: string
  readonly prefix: string
  readonly typeUrl: string
  /** KeyMaterialType by name. */
  readonly material: string
  /** The serialized key message. */
  readonly value: Uint8Array
}

/** The one KeyMaterialType of all our algorithms. */
export const KEY_MATERIAL = 'SYMMETRIC'

const STATUSES: readonly string[] = ['ENABLED', 'DISABLED', 'DESTROYED'] satisfies TinkKeyStatus[]

const KEY_BYTES = 32
const MAX_ID = 2 ** 32 - 1
const TYPE_URL_PREFIX = 'type.googleapis.com/google.crypto.tink.'

/** Numbers of the fields that AesGcmKey, XAesGcmKey and HmacPrfKey have in common. */
const KEY_FIELD = { version: 1, params: 2, keyValue: 3 } as const

interface Algorithm {
  readonly typeUrl: string
  readonly prefixes: readonly string[]
  /** Field 1 of `params`, which must have this value; AesGcmKey has no params. */
  readonly param?: { readonly title: string; readonly value: number }
}

const ALGORITHMS: Readonly<Record<TinkAlgorithm, Algorithm>> = {
  'AES-256-GCM': {
    typeUrl: `${TYPE_URL_PREFIX}AesGcmKey`,
    prefixes: ['TINK', 'RAW', 'CRUNCHY', 'LEGACY'],
  },
  'X-AES-256-GCM': {
    typeUrl: `${TYPE_URL_PREFIX}XAesGcmKey`,
    prefixes: ['TINK', 'RAW'],
    param: { title: 'a salt size', value: 12 },
  },
  'HMAC-SHA-256': {
    typeUrl: `${TYPE_URL_PREFIX}HmacPrfKey`,
    prefixes: ['RAW'], // a PRF's output has no room for an id
    param: { title: 'a hash type', value: 3 }, // HashType.SHA256
  },
}

/** The error of every keyset that cannot be read or written. Neither part may hold key material. */
export function keysetInvalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_KEYSET_INVALID', message, { hint })
}

/** Tinkey and Java drop the key data of a key that is destroyed; Go refuses such a keyset, and so do we. */
export function keyDataMissing(title: string): KeywrightError {
  return keysetInvalid(
    `${title} has no key data`,
    'delete destroyed keys from the keyset, then export it again',
  )
}

/** How messages name a key: by position and, where it is known, by id. */
export function keyTitle(index: number, id: number): string {
  return `key ${index + 1} of the keyset (id ${id})`
}

/** The type URL of an algorithm, as KeyData and KeysetInfo hold it. */
export function typeUrlOf(algorithm: TinkAlgorithm): string {
  return ALGORITHMS[algorithm].typeUrl
}

/** The fields of the protobuf message of `key`; AES-256-GCM becomes `1a 20` and the 32 bytes. */
export function keyMessageFields(key: TinkKey): readonly FieldEntry[] {
  const { param } = ALGORITHMS[key.algorithm]
  const keyValue: FieldEntry = [KEY_FIELD.keyValue, key.key]
  return param === undefined ? [keyValue] : [[KEY_FIELD.params, [[1, param.value]]], keyValue]
}

/** The protobuf message of `key`: the value of its KeyData, and what a Tink envelope wraps. Holds the key. */
export function encodeKeyMessage(key: TinkKey): Uint8Array<ArrayBuffer> {
  return writeFields(keyMessageFields(key))
}

/**
 * Throws ERR_KEYSET_INVALID when `key` has an id, status, prefix or algorithm that may not stand in a keyset.
 */
export function assertKeyInfo(key: TinkKeyInfo, title: string): void {
  if (!Number.isInteger(key.id) || key.id < 0 || key.id > MAX_ID) {
    throw keysetInvalid(`${title} has an id out of range`, 'ids are whole numbers from 0 to 4294967295')
  }
  if (!STATUSES.includes(key.status)) {
    throw keysetInvalid(`${title} has an unknown status`, 'use ENABLED, DISABLED or DESTROYED')
  }
  if (!Object.hasOwn(ALGORITHMS, key.algorithm)) {
    throw keysetInvalid(`${title} has an unknown algorithm`, `use ${Object.keys(ALGORITHMS).join(', ')}`)
  }
  const { prefixes } = ALGORITHMS[key.algorithm]
  if (!prefixes.includes(key.prefix)) {
    throw keysetInvalid(
      `${title} has an output prefix that ${key.algorithm} does not allow`,
      `use ${prefixes.join(', ')}`,
    )
  }
}

/** As {@link assertKeyInfo}, and the key must have 32 bytes. */
export function assertKey(key: TinkKey, title: string): void {
  assertKeyInfo(key, title)
  if (!(key.key instanceof Uint8Array) || key.key.length !== KEY_BYTES) {
    throw keysetInvalid(`${title} does not have ${KEY_BYTES} bytes`, 'only keys of 256 bits are supported')
  }
}

/** Reads what a serialization held. Throws ERR_KEYSET_INVALID; the returned `key` is a copy. */
export function parseKey(serialized: SerializedKey, title: string): TinkKey {
  const algorithm = algorithmOf(serialized.typeUrl, title)
  if (serialized.material !== KEY_MATERIAL) {
    throw keysetInvalid(`${title} is not marked as SYMMETRIC key material`, 'export the keyset again')
  }
  const fields = readFields(serialized.value, () =>
    keysetInvalid(`${title} holds a key message that cannot be read`, 'export the keyset again'),
  )
  const version = fields.uint32(KEY_FIELD.version)
  if (version !== 0) {
    throw keysetInvalid(
      `${title} has key version ${version}`,
      'only version 0 is known; export the keyset again',
    )
  }
  const { param } = ALGORITHMS[algorithm]
  const given = fields.message(KEY_FIELD.params)?.uint32(1) ?? 0
  if (param !== undefined && given !== param.value) {
    throw keysetInvalid(
      `${title} has ${param.title} of ${given}, ${algorithm} needs ${param.value}`,
      'make a new key from one of the templates AES256_GCM, XAES_256_GCM_192_BIT_NONCE, HMAC_SHA256_PRF',
    )
  }
  return parsedKey(serialized, algorithm, fields.bytes(KEY_FIELD.keyValue), title)
}

function parsedKey(
  serialized: SerializedKey,
  algorithm: TinkAlgorithm,
  material: Uint8Array | undefined,
  title: string,
): TinkKey {
  if (material?.length !== KEY_BYTES) {
    throw keysetInvalid(
      `${title} has ${(material?.length ?? 0) * 8} bits`,
      'only keys of 256 bits are supported; rotate to one (AES256_GCM) before exporting',
    )
  }
  const { id, status, prefix } = serialized
  const info = { id, status, prefix, algorithm } as TinkKeyInfo // checked by the next line
  assertKeyInfo(info, title)
  return { ...info, key: new Uint8Array(material) }
}

function algorithmOf(typeUrl: string, title: string): TinkAlgorithm {
  if (typeUrl === '') throw keyDataMissing(title)
  for (const [algorithm, row] of Object.entries(ALGORITHMS)) {
    if (row.typeUrl === typeUrl) return algorithm as TinkAlgorithm
  }
  // Anything may stand there by mistake, so only what looks like a type URL is repeated.
  const shown = /^type\.googleapis\.com\/[a-zA-Z.]{1,80}$/.test(typeUrl) ? ` ${typeUrl}` : ''
  throw keysetInvalid(
    `${title} is of an unknown type${shown}`,
    `supported types: ${Object.values(ALGORITHMS)
      .map((row) => row.typeUrl.slice(TYPE_URL_PREFIX.length))
      .join(', ')}`,
  )
}
