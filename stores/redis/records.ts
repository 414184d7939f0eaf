/** Between a record and its hash, and its place in the index. What comes from Redis is checked: it can be damaged. */
import type { KeyRecord } from '../../src/store.ts'
import type { PageRequest, Position } from '../shared/paging.ts'
import { isKeyId, soundRecord } from '../shared/record.ts'
import { formatWraps, parseWraps } from '../shared/wraps.ts'

type Field = readonly [name: string, value: string | number]

/** Fields of a record's hash, in the order in which they are asked for. */
export const FIELDS = [
  'id',
  'keyring',
  'version',
  'algorithm',
  'createdAt',
  'activatesAt',
  'status',
  'statusAt',
  'statusReason',
  'wraps',
  'commitment',
  'mac',
  'messages',
  'bytes',
  'revision',
] as const

/** The record of a reply to HMGET with {@link FIELDS}; `undefined` when there is none. Throws ERR_STORE_CORRUPT. */
export function toRecord(reply: unknown, location: string): KeyRecord | undefined {
  const values: unknown[] = Array.isArray(reply) ? reply : []
  if (values.every((value) => value === null)) return undefined
  const { bytes, commitment, id, mac, messages, wraps, ...rest } = Object.fromEntries(
    FIELDS.map((name, place) => [name, values[place]]),
  ) as Record<(typeof FIELDS)[number], unknown>
  return soundRecord(
    {
      ...rest,
      id: toNumber(id),
      version: toNumber(rest.version),
      createdAt: toNumber(rest.createdAt),
      activatesAt: toNumber(rest.activatesAt),
      statusAt: toNumber(rest.statusAt),
      revision: toNumber(rest.revision),
      wraps: parseWraps(wraps),
      commitment: toBytes(commitment),
      mac: toBytes(mac),
      usage: { messages: toNumber(messages), bytes: toNumber(bytes) },
    },
    location,
  )
}

/** Fields and values of a new record, one after another. */
export function insertedFields(record: KeyRecord): (string | number)[] {
  const { algorithm, commitment, createdAt, id, keyring, mac, usage, version } = record
  const fields: readonly Field[] = [
    ['id', id],
    ['keyring', keyring],
    ['version', version],
    ['algorithm', algorithm],
    ['createdAt', createdAt],
    ['commitment', Buffer.from(commitment).toString('base64')],
    ['mac', Buffer.from(mac).toString('base64')],
    ['messages', usage.messages],
    ['bytes', usage.bytes],
  ]
  return [...fields.flat(), ...updatedFields(record)]
}

/** Fields and values that an update may change, one after another. */
export function updatedFields(record: KeyRecord): (string | number)[] {
  const { activatesAt, revision, status, statusAt, statusReason, wraps } = record
  const fields: readonly Field[] = [
    ['activatesAt', activatesAt],
    ['status', status],
    ['statusAt', statusAt],
    ['statusReason', statusReason],
    ['wraps', formatWraps(wraps)],
    ['revision', revision],
  ]
  return fields.flat()
}

const VERSION_DIGITS = 16

/** What the members of a record's place begin with; its id follows. */
function placeOf({ keyring, version }: Position): string {
  return `${keyring}\0${String(version).padStart(VERSION_DIGITS, '0')}\0`
}

/** Greater than every member that begins with this place. */
const after = (place: string): string => `${place.slice(0, -1)}\u0001`

/** A record's member of the index, and the range in which any member of its place is. */
export function indexEntry(record: KeyRecord): { member: string; from: string; to: string } {
  const place = placeOf(record)
  return { member: `${place}${record.id}`, from: `[${place}`, to: `(${after(place)}` }
}

/** The part of the index that a page comes from. */
export function indexRange({ after: position, keyring }: PageRequest): { from: string; to: string } {
  const isStart = position.keyring === ''
  return {
    from: isStart ? '-' : `(${after(placeOf(position))}`,
    to: keyring === undefined ? '+' : `(${keyring}\u0001`,
  }
}

/** The id in a member of the index; `undefined` for what cannot be one. */
export function idOf(member: unknown): number | undefined {
  const digits = typeof member === 'string' ? /\0([1-9]\d{0,9})$/.exec(member)?.[1] : undefined
  return isKeyId(Number(digits)) ? Number(digits) : undefined
}

/** One spelling only, so that a damaged number is not taken for another. */
function toNumber(value: unknown): unknown {
  return typeof value === 'string' && /^(0|[1-9]\d{0,15})$/.test(value) ? Number(value) : value
}

function toBytes(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const bytes = Buffer.from(value, 'base64')
  return bytes.toString('base64') === value ? bytes : undefined
}
