/** What every store does alike with a record: checking it on the way in and out, copying it, counting usage. */
import {
  type KeyAlgorithm,
  type KeyRecord,
  type KeyStatus,
  type KeyUsage,
  KeywrightError,
  type UsageGrant,
  type WrappedKey,
} from '../../src/store.ts'

const ALGORITHMS = ['AES-256-GCM', 'X-AES-256-GCM', 'HMAC-SHA-256'] as const satisfies readonly KeyAlgorithm[]
const STATUSES = ['enabled', 'suspended', 'compromised', 'destroyed'] as const satisfies readonly KeyStatus[]
const LONGEST_KEYRING = 1024

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isOrdinal = (value: unknown): value is number => isCount(value) && value > 0

// A lone surrogate has no UTF-8 form, and PostgreSQL's text has no NUL: either would come back changed, or not at all.
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && !value.includes('\0')

const isBytes = (value: unknown, length?: number): value is Uint8Array =>
  value instanceof Uint8Array && (length === undefined ? value.length > 0 : value.length === length)

/** Whether `value` may be the id of a key: a uint32 other than 0. */
export const isKeyId = (value: unknown): value is number => isOrdinal(value) && value <= 0xffff_ffff

/** Whether `value` may be the version of a key within its keyring. */
export const isVersion = isOrdinal

/** Whether `value` may be the name of a keyring. Which names are allowed is core's decision; this is what can be kept. */
export const isKeyring = (value: unknown): value is string =>
  isText(value) && value !== '' && value.length <= LONGEST_KEYRING

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const isWrap = (value: unknown): value is WrappedKey =>
  isObject(value) &&
  isText(value['provider']) &&
  value['provider'] !== '' &&
  isText(value['masterKeyId']) &&
  isText(value['masterKeyVersion']) &&
  isText(value['algorithm']) &&
  isBytes(value['ciphertext'])

const isUsage = (value: unknown): value is KeyUsage =>
  isObject(value) && isCount(value['messages']) && isCount(value['bytes'])

const MEMBERS = {
  id: isKeyId,
  keyring: isKeyring,
  version: isVersion,
  algorithm: (value) => ALGORITHMS.some((known) => known === value),
  createdAt: isCount,
  activatesAt: isCount,
  status: (value) => STATUSES.some((known) => known === value),
  statusAt: isCount,
  statusReason: isText,
  wraps: (value) => Array.isArray(value) && value.every(isWrap),
  commitment: (value) => isBytes(value, 32),
  mac: (value) => isBytes(value, 32),
  usage: isUsage,
  revision: isOrdinal,
} as const satisfies Record<keyof KeyRecord, (value: unknown) => boolean>

/** The name of the first member that is missing or cannot be; `undefined` when `value` is a sound record. */
function faultyMember(value: Readonly<Record<keyof KeyRecord, unknown>>): string | undefined {
  return Object.entries(MEMBERS).find(([name, isSound]) => !isSound(value[name as keyof KeyRecord]))?.[0]
}

/** A copy that shares nothing with `record`. */
export function copyRecord(record: KeyRecord): KeyRecord {
  return {
    id: record.id,
    keyring: record.keyring,
    version: record.version,
    algorithm: record.algorithm,
    createdAt: record.createdAt,
    activatesAt: record.activatesAt,
    status: record.status,
    statusAt: record.statusAt,
    statusReason: record.statusReason,
    wraps: record.wraps.map(copyWrap),
    commitment: Uint8Array.from(record.commitment),
    mac: Uint8Array.from(record.mac),
    usage: { messages: record.usage.messages, bytes: record.usage.bytes },
    revision: record.revision,
  }
}

function copyWrap(wrap: WrappedKey): WrappedKey {
  return {
    provider: wrap.provider,
    masterKeyId: wrap.masterKeyId,
    masterKeyVersion: wrap.masterKeyVersion,
    algorithm: wrap.algorithm,
    ciphertext: Uint8Array.from(wrap.ciphertext),
  }
}

/** A checked copy of what a caller passed in. Throws ERR_ARGUMENT_INVALID that names the member, never its value. */
export function checkedRecord(record: KeyRecord): KeyRecord {
  const fault = isObject(record) ? faultyMember(record) : 'record'
  if (fault === undefined) return copyRecord(record)
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `the key record has a bad "${fault}"`, {
    hint: 'integers are safe and not negative, commitment and mac are 32 bytes, text is well-formed without NUL',
    details: { member: fault },
  })
}

/** A copy of what a store read, if it is a sound record, with nothing beside its members. Throws ERR_STORE_CORRUPT that names the key and the member. */
export function soundRecord(value: Readonly<Record<keyof KeyRecord, unknown>>, location: string): KeyRecord {
  const fault = faultyMember(value)
  if (fault === undefined) return copyRecord(value as KeyRecord)
  const id = isKeyId(value.id) ? value.id : 'unknown'
  throw new KeywrightError('ERR_STORE_CORRUPT', `key ${id} in ${location} is damaged: bad "${fault}"`, {
    hint: 'restore the store from a backup; the other keys are still readable one by one',
    details: { keyId: id, member: fault, location },
  })
}

/** `stored` with those members of `record` that an update may change. */
export function updatedRecord(stored: KeyRecord, record: KeyRecord): KeyRecord {
  return {
    ...stored,
    activatesAt: record.activatesAt,
    status: record.status,
    statusAt: record.statusAt,
    statusReason: record.statusReason,
    wraps: record.wraps,
    revision: record.revision,
  }
}

/**
 * Messages are granted as far as `limit` leaves room, or given back as far as there are any; bytes always. Totals
 * stop at 2^53-1, where numbers cease to be exact, far beyond what any key may encrypt.
 */
export function grantUsage(usage: KeyUsage, add: KeyUsage, limit: number): UsageGrant {
  const room = Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER) - usage.messages
  const granted =
    add.messages < 0 ? Math.max(add.messages, 0 - usage.messages) : Math.max(0, Math.min(add.messages, room))
  const bytes = Math.min(usage.bytes + add.bytes, Number.MAX_SAFE_INTEGER)
  return { granted, usage: { messages: usage.messages + granted, bytes } }
}

/** Throws ERR_ARGUMENT_INVALID unless the arguments of `addUsage` are counts (messages with a sign), and a limit. */
export function assertUsage(add: KeyUsage, limit: number): void {
  const sound = isObject(add) && Number.isSafeInteger(add['messages']) && isCount(add['bytes'])
  if (sound && typeof limit === 'number' && limit >= 0) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the usage to add or its limit is not a count', {
    hint: 'pass safe integers, bytes and limit not negative; the limit may be Infinity',
  })
}

/** The error of every call after `close`. */
export function storeClosed(location: string): KeywrightError {
  return new KeywrightError('ERR_CLOSED', `the store ${location} is closed`, { hint: 'open it again' })
}
