/** The audit log as the rest of the program uses it: append, list, close. */
import type { Clock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import { admitEvent, appendRecords, auditFailed, TAMPERED_HINT } from './append.ts'
import { parseRecord } from './chain.ts'
import type { AuditEvent, AuditEventName, AuditRecord } from './event.ts'
import type { AuditSink } from './sink.ts'

/** Which records to list: all conditions must hold. */
export interface AuditFilter {
  readonly event?: AuditEventName
  readonly keyring?: string
  readonly keyId?: number
  /** From this time on, milliseconds since the epoch. */
  readonly since?: number
  /** Before this time, milliseconds since the epoch. */
  readonly until?: number
  /** The first so many that match. */
  readonly limit?: number
  /** The last so many that match, oldest first. They are held in memory. */
  readonly last?: number
}

/** What whoever changes something needs of the audit log. */
export interface AuditTrail {
  /**
   * Writes one event or several at once. Resolves when they are durable; only then may they take effect.
   * Rejects with ERR_AUDIT_FAILED (or ERR_AUDIT_TAMPERED, where the end of the log was changed): then they must
   * not; and with ERR_ARGUMENT_INVALID for an event that may not be written.
   */
  append(events: AuditEvent | readonly AuditEvent[]): Promise<readonly AuditRecord[]>
  /** Rejects with ERR_AUDIT_TAMPERED at a line that is no record. Checks no hashes: see verify.ts. */
  list(filter?: AuditFilter): AsyncIterable<AuditRecord>
  /** Waits for what was given to `append`, then closes the sink. Twice is harmless. */
  close(): Promise<void>
}

export interface AuditLogOptions {
  readonly sink: AuditSink
  readonly clock: Clock
  /** Stands in events that name no actor. */
  readonly actor?: string
  /** Events that may wait to be written; one more is ERR_AUDIT_FAILED. @default 10_000 */
  readonly maxWaiting?: number
}

/** So many events at most go into one write, unless one call brings more. */
const GROUP_EVENTS = 1000

interface Waiting {
  readonly events: readonly AuditEvent[]
  readonly resolve: (records: readonly AuditRecord[]) => void
  readonly reject: (error: unknown) => void
}

/** An audit log over a sink. Calls that come while a write is under way are written together by the next one. */
export class AuditLog implements AuditTrail {
  readonly #sink: AuditSink
  readonly #clock: Clock
  readonly #actor: string | undefined
  readonly #maxWaiting: number
  #waiting: Waiting[] = []
  #waitingEvents = 0
  #writing: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** Throws ERR_ARGUMENT_INVALID for an actor that may not stand in an event. */
  constructor(options: AuditLogOptions) {
    this.#sink = options.sink
    this.#clock = options.clock
    this.#actor = options.actor
    this.#maxWaiting = options.maxWaiting ?? 10_000
    admitEvent({ event: 'audit.start' }, { actor: this.#actor })
  }

  async append(events: AuditEvent | readonly AuditEvent[]): Promise<readonly AuditRecord[]> {
    this.#assertOpen()
    const list = (isList(events) ? events : [events]).map((event) =>
      admitEvent(event, { actor: this.#actor }),
    )
    if (list.length === 0) return []
    if (this.#waitingEvents + list.length > this.#maxWaiting) {
      throw new KeywrightError('ERR_AUDIT_FAILED', 'too many audit events wait to be written', {
        hint: 'the log is slower than what it should tell: append in batches, or audit less access to data',
        details: { waiting: this.#waitingEvents, limit: this.#maxWaiting },
      })
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events: list, resolve, reject })
      this.#waitingEvents += list.length
      this.#writing ??= this.#writeAll()
    })
  }

  async *list(filter: AuditFilter = {}): AsyncGenerator<AuditRecord> {
    this.#assertOpen()
    assertCount('limit', filter.limit)
    assertCount('last', filter.last)
    const kept: AuditRecord[] = []
    let found = 0
    for await (const record of this.#records()) {
      if (!matches(record, filter)) continue
      found += 1
      if (filter.last === undefined) yield record
      else kept.push(record)
      if (found === filter.limit) break
      if (filter.last !== undefined && kept.length >= 2 * filter.last) kept.splice(0, filter.last)
    }
    if (filter.last !== undefined) yield* kept.slice(-filter.last)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#writing
    await this.#sink.close?.()
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return
    throw new KeywrightError('ERR_CLOSED', 'the audit log is closed', { hint: 'open a new one' })
  }

  /** Writes group after group until nobody waits. Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#writeGroup(this.#nextGroup())
    this.#writing = undefined
  }

  #nextGroup(): readonly Waiting[] {
    let events = 0
    const end = this.#waiting.findIndex((job, at) => {
      events += job.events.length
      return at > 0 && events > GROUP_EVENTS
    })
    const group = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
    this.#waitingEvents -= group.reduce((sum, job) => sum + job.events.length, 0)
    return group
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const events = group.flatMap((job) => job.events)
    try {
      const records = await this.#sink.exclusive((writer) => appendRecords(writer, events, this.#clock.now()))
      let from = 0
      for (const job of group) {
        job.resolve(records.slice(from, from + job.events.length))
        from += job.events.length
      }
    } catch (error) {
      const failure = auditFailed(error, 'write to')
      for (const job of group) job.reject(failure)
    }
  }

  async *#records(): AsyncGenerator<AuditRecord> {
    try {
      for await (const { line, bytes, torn } of this.#sink.read()) {
        if (torn) return
        const { record, fault } = parseRecord(bytes)
        if (record === undefined) {
          throw new KeywrightError('ERR_AUDIT_TAMPERED', `line ${line} of the audit log ${fault}`, {
            hint: TAMPERED_HINT,
          })
        }
        yield record
      }
    } catch (error) {
      throw auditFailed(error, 'read')
    }
  }
}

function isList(events: AuditEvent | readonly AuditEvent[]): events is readonly AuditEvent[] {
  return Array.isArray(events)
}

function assertCount(name: string, count: number | undefined): void {
  if (count === undefined || (Number.isSafeInteger(count) && count >= 1)) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${name}" is not an integer above 0`, {
    hint: 'leave it out for all records',
  })
}

function matches(record: AuditRecord, filter: AuditFilter): boolean {
  const time = Date.parse(record.time)
  return (
    (filter.event === undefined || record.event === filter.event) &&
    (filter.keyring === undefined || record.keyring === filter.keyring) &&
    (filter.keyId === undefined || record.keyId === filter.keyId) &&
    (filter.since === undefined || time >= filter.since) &&
    (filter.until === undefined || time < filter.until)
  )
}

/** For audit switched off, and for tests: checks events as the log does, and writes nothing. */
export const noAudit: AuditTrail = Object.freeze({
  async append(events: AuditEvent | readonly AuditEvent[]) {
    for (const event of isList(events) ? events : [events]) admitEvent(event)
    return []
  },
  async *list() {},
  async close() {},
})
