/** Adding records to the end of the chain, in the hands of the only writer. */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import {
  CHAIN_START,
  type ChainPosition,
  canonicalJson,
  chainRecord,
  encodeRecord,
  MAX_LINE_BYTES,
  parseRecord,
  positionAfter,
} from './chain.ts'
import { type AuditEvent, type AuditRecord, type CheckOptions, checkEvent } from './event.ts'
import type { AuditWriter } from './sink.ts'

/** What the log adds to an event (v, seq, time, prev, hash) takes less than this. */
const CHAIN_BYTES = 512

/**
 * A frozen copy of `event`, ready to be written. Throws ERR_ARGUMENT_INVALID for what {@link checkEvent} refuses
 * and for an event whose line would be too long: it must not fail the events it is written with.
 */
export function admitEvent(event: AuditEvent, options: CheckOptions = {}): AuditEvent {
  const admitted = checkEvent(event, options)
  const bytes = Buffer.byteLength(canonicalJson(admitted))
  if (bytes <= MAX_LINE_BYTES - CHAIN_BYTES) return admitted
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `the audit event is ${bytes} bytes long`, {
    hint: `shorten its details: at most ${MAX_LINE_BYTES - CHAIN_BYTES} bytes are allowed`,
  })
}

/** What to do once the log does not hold together. */
export const TAMPERED_HINT =
  'verify the log, keep it and its head as evidence, and move both away to begin a new log'

function tampered(what: string): KeywrightError {
  return new KeywrightError('ERR_AUDIT_TAMPERED', `the end of the audit log was changed: ${what}`, {
    hint: TAMPERED_HINT,
  })
}

/**
 * Where the chain ends. Going on behind a cut end would move the head back and hide the cut, so this throws
 * ERR_AUDIT_TAMPERED when the last line is no sound record, or when the head is missing, ahead or another one.
 */
function chainEnd(writer: AuditWriter): ChainPosition {
  const { last, head } = writer
  if (last === undefined) {
    if (head !== undefined && head.seq > 0)
      throw tampered(`it is empty, but its head names record ${head.seq}`)
    return CHAIN_START
  }
  const { record, fault } = parseRecord(last)
  if (record === undefined || fault !== undefined) throw tampered(`the last line ${fault}`)
  if (head === undefined) throw tampered('its head is missing')
  if (head.seq > record.seq) {
    throw tampered(`it ends with record ${record.seq}, but its head names record ${head.seq}`)
  }
  if (head.seq === record.seq && head.hash !== record.hash) {
    throw tampered('the last record is not the one its head names')
  }
  return positionAfter(record)
}

/** Chains `events` to the end of the log and writes them at once; resolves to their records when durable. */
export async function appendRecords(
  writer: AuditWriter,
  events: readonly AuditEvent[],
  now: number,
): Promise<AuditRecord[]> {
  const recovered: AuditEvent[] =
    writer.torn > 0 ? [{ event: 'audit.recovered', details: { bytes: writer.torn } }] : []
  let position = chainEnd(writer)
  const records = [...recovered, ...events].map((event) => {
    const record = chainRecord(event, position, now)
    position = positionAfter(record)
    return record
  })
  const last = records.at(-1)
  if (last !== undefined) await writer.append(records.map(encodeRecord), { seq: last.seq, hash: last.hash })
  return records.slice(recovered.length)
}

const AS_THEY_ARE: ReadonlySet<ErrorCode> = new Set([
  'ERR_AUDIT_TAMPERED',
  'ERR_AUDIT_FAILED',
  'ERR_ARGUMENT_INVALID',
  'ERR_CLOSED',
])

/** An error of the operating system or of SQLite's lock. That of a client may hold an address with credentials. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && ('syscall' in error || 'errcode' in error)
}

/**
 * The error to throw for a failure of the log: ERR_AUDIT_TAMPERED and wrong use as they are, anything else
 * as ERR_AUDIT_FAILED.
 */
export function auditFailed(error: unknown, what: string): KeywrightError {
  if (error instanceof KeywrightError && AS_THEY_ARE.has(error.code)) return error
  const code = (error as { code?: unknown } | undefined)?.code
  const why = typeof code === 'string' ? ` (${code})` : ''
  return new KeywrightError('ERR_AUDIT_FAILED', `cannot ${what} the audit log${why}`, {
    hint: 'nothing takes effect without an audit record: check the space, the rights and the locks where the log is',
    ...(error instanceof KeywrightError || isSystemError(error) ? { cause: error } : {}),
  })
}
