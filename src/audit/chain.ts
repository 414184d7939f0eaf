/**
 * The bytes of the audit log, and the hash chain over them.
 *
 *   line   = canonical JSON of a record, UTF-8, then one LF
 *   hash   = lower-case hex of SHA-256 over the canonical JSON (UTF-8, no LF) of the record without member `hash`
 *   prev   = `hash` of the record on the line before; 64 zeros on the first line
 *   seq    = `seq` of the record on the line before + 1; 1 on the first line
 *
 * Canonical JSON is RFC 8785 for what records hold: members sorted by UTF-16 code units, no white space, strings
 * and numbers as ECMAScript's JSON.stringify writes them; the values are strings, finite numbers, booleans and,
 * one level deep, `details`.
 *
 * One exception: a pruned log begins with an `audit.checkpoint` record (retention.ts). It stands in the place of
 * the last record dropped and has that record's `seq`; the next record's `prev` is the dropped record's hash,
 * which the checkpoint keeps in `details.lastHash`. Its own `prev` is 64 zeros, its own `hash` is made as always.
 *
 * By hand: jq -cSj 'del(.hash)' <<<"$line" | sha256sum   (for records of ASCII names and integers)
 */
import { isUtf8 } from 'node:buffer'
import { hash as digest } from 'node:crypto'
import { KeywrightError } from '../errors.ts'
import type { AuditEvent, AuditRecord } from './event.ts'

/** `prev` of a first line. */
export const NO_HASH = '0'.repeat(64)

/** The longest line, in bytes without the LF. Readers need not hold more. */
export const MAX_LINE_BYTES = 65_536

/** Where the chain has got to: the last seq, and what the next record's `prev` must be. */
export interface ChainPosition {
  readonly seq: number
  readonly link: string
}

/** The position before the first record. */
export const CHAIN_START: ChainPosition = Object.freeze({ seq: 0, link: NO_HASH })

function cannot(what: string): never {
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `cannot make canonical JSON: ${what}`, {
    hint: 'a record holds strings, finite numbers, booleans and one level of details',
  })
}

/**
 * Canonical JSON as described above. Throws ERR_ARGUMENT_INVALID for a non-finite number, a string that is not
 * well-formed, deeper nesting and any other type.
 */
export function canonicalJson(value: unknown, depth = 2): string {
  if (typeof value === 'string') {
    return value.isWellFormed() ? JSON.stringify(value) : cannot('a string has a lone surrogate')
  }
  if (typeof value === 'number')
    return Number.isFinite(value) ? JSON.stringify(value) : cannot('a number is not finite')
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    cannot('a value is neither string, number, boolean nor object')
  }
  if (depth === 0) cannot('objects are nested too deep')
  const object = value as Readonly<Record<string, unknown>>
  const members = Object.keys(object)
    .sort()
    .map((name) => `${canonicalJson(name)}:${canonicalJson(object[name], depth - 1)}`)
  return `{${members.join(',')}}`
}

/** The `hash` of a record: hex SHA-256 over its canonical JSON without `hash`. */
export function hashRecord(record: Omit<AuditRecord, 'hash'> | AuditRecord): string {
  const { hash: _, ...body } = record as AuditRecord
  return digest('sha256', canonicalJson(body), 'hex')
}

/** Makes the record of an event that comes after `position`. `now` is in milliseconds since the epoch. */
export function chainRecord(event: AuditEvent, position: ChainPosition, now: number): AuditRecord {
  const body = {
    ...event,
    v: 1,
    seq: position.seq + 1,
    time: new Date(now).toISOString(),
    prev: position.link,
  } as const
  return Object.freeze({ ...body, hash: hashRecord(body) })
}

/** The line of a record, without the LF. Throws ERR_ARGUMENT_INVALID when it is longer than 65,536 bytes. */
export function encodeRecord(record: AuditRecord): string {
  const line = canonicalJson(record)
  if (Buffer.byteLength(line) <= MAX_LINE_BYTES) return line
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `an audit record is longer than ${MAX_LINE_BYTES} bytes`, {
    hint: 'shorten its details',
  })
}

/** The position after a record. A checkpoint hands on the hash of the record it stands for. */
export function positionAfter(record: AuditRecord): ChainPosition {
  const lastHash = record.event === 'audit.checkpoint' ? record.details?.['lastHash'] : undefined
  return { seq: record.seq, link: typeof lastHash === 'string' ? lastHash : record.hash }
}

/** A line that was read: the record when it is one, and what is wrong with it, if anything. */
export interface ParsedLine {
  readonly record?: AuditRecord
  readonly fault?: string
}

const HASH = /^[0-9a-f]{64}$/

function isRecord(value: unknown): value is AuditRecord {
  if (typeof value !== 'object' || value === null) return false
  const { v, seq, time, event, prev, hash } = value as Readonly<Record<string, unknown>>
  return (
    v === 1 &&
    Number.isSafeInteger(seq) &&
    (seq as number) >= 1 &&
    typeof time === 'string' &&
    typeof event === 'string' &&
    [prev, hash].every((text) => typeof text === 'string' && HASH.test(text))
  )
}

/** Reads a line and checks it by itself: canonical bytes, and a hash that fits the content. Never throws. */
export function parseRecord(bytes: Uint8Array): ParsedLine {
  if (bytes.length > MAX_LINE_BYTES) return { fault: 'is too long for a record' }
  if (!isUtf8(bytes)) return { fault: 'is not UTF-8' }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  try {
    const record: unknown = JSON.parse(text)
    if (!isRecord(record)) return { fault: 'is not a record' }
    if (canonicalJson(record) !== text) return { record, fault: 'is not in canonical form' }
    if (hashRecord(record) !== record.hash)
      return { record, fault: 'has a hash that does not fit its content' }
    return { record }
  } catch {
    return { fault: 'is not a record' }
  }
}
