/**
 * Dropping old audit records without breaking the chain.
 *
 *   1. the log is verified: dropping must not destroy the evidence of a change
 *   2. an `audit.prune` record is appended, which says what will be dropped and why
 *   3. the dropped lines are replaced by one `audit.checkpoint` record (checkpoint.ts), atomically
 *
 * A crash after 2 leaves the log whole, with the announcement of something that did not take place.
 */
import type { Clock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import { admitEvent, appendRecords, auditFailed, TAMPERED_HINT } from './append.ts'
import { encodeRecord, parseRecord } from './chain.ts'
import { type CheckAuditMac, makeCheckpoint, type SignAudit } from './checkpoint.ts'
import type { AuditRecord } from './event.ts'
import type { AuditSink } from './sink.ts'
import { verifyAudit } from './verify.ts'

export interface PruneOptions {
  /** Records from before this time are dropped, milliseconds since the epoch. Not in the future. */
  readonly before: number
  readonly reason: string
  readonly actor: string
  readonly clock: Clock
  /** Signs the new checkpoint. */
  readonly sign?: SignAudit
  /** Checks the MAC of the checkpoint that is there, before it is folded into the new one. */
  readonly checkMac?: CheckAuditMac
}

export interface PruneResult {
  /** Records dropped by this call. */
  readonly dropped: number
  /** The new first record; absent when nothing was old enough. */
  readonly checkpoint?: AuditRecord
}

/** The lines to drop: the first `lines`, of which `last` is the last one. */
interface Cut {
  readonly lines: number
  readonly last: AuditRecord
  readonly fromTime: string
  readonly dropped: number
}

/**
 * Drops the records from the start of the log on that are older than `before`, up to the first that is not.
 * Rejects with ERR_AUDIT_TAMPERED when the log does not verify, ERR_AUDIT_FAILED when it cannot be written or
 * somebody else pruned it meanwhile, and with what `sign` rejects with; then nothing was dropped.
 */
export async function pruneAudit(sink: AuditSink, options: PruneOptions): Promise<PruneResult> {
  const now = options.clock.now()
  checkOptions(options, now)
  await assertVerified(sink, options.checkMac)
  const cut = await findCut(sink, options.before)
  if (cut === undefined) return { dropped: 0 }
  const event = announcement(cut, options)
  const checkpoint = await makeCheckpoint(event, now, options.sign) // not under the lock: signing may take long
  const line = encodeRecord(checkpoint)
  try {
    await sink.exclusive(async (writer) => {
      await assertUnchanged(sink, cut)
      await appendRecords(writer, [event], now)
      await writer.dropStart(cut.lines, line)
    })
  } catch (error) {
    throw auditFailed(error, 'prune')
  }
  return { dropped: cut.dropped, checkpoint }
}

function checkOptions(options: PruneOptions, now: number): void {
  if (!Number.isFinite(options.before) || options.before > now) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', '"before" is not a time in the past', {
      hint: 'pass milliseconds since the epoch',
    })
  }
  for (const name of ['reason', 'actor'] as const) {
    if (typeof options[name] === 'string' && options[name].trim() !== '') continue
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${name}" is missing`, {
      hint: 'dropping audit records is audited: say who wants it, and why',
    })
  }
}

async function assertVerified(sink: AuditSink, checkMac: CheckAuditMac | undefined): Promise<void> {
  const report = await verifyAudit(sink, checkMac === undefined ? { limit: 1 } : { checkMac, limit: 1 })
  const [problem] = report.problems
  if (problem === undefined) return
  throw new KeywrightError('ERR_AUDIT_TAMPERED', `the audit log does not verify: ${problem.message}`, {
    hint: TAMPERED_HINT,
    details: { kind: problem.kind, line: problem.line },
  })
}

async function findCut(sink: AuditSink, before: number): Promise<Cut | undefined> {
  let cut: Cut | undefined
  let start: AuditRecord | undefined
  try {
    for await (const { line, bytes, torn } of sink.read()) {
      const { record } = torn ? {} : parseRecord(bytes)
      if (record === undefined) break
      start ??= record
      if (record.event === 'audit.checkpoint') continue
      if (!(Date.parse(record.time) < before)) break
      const isFolded = start.event === 'audit.checkpoint'
      const fromTime = isFolded ? String(start.details?.['fromTime']) : start.time
      cut = { lines: line, last: record, fromTime, dropped: record.seq - (isFolded ? start.seq : 0) }
    }
  } catch (error) {
    throw auditFailed(error, 'read')
  }
  return cut
}

function announcement({ last, fromTime }: Cut, { actor, reason }: PruneOptions) {
  const details = {
    fromSeq: 1,
    toSeq: last.seq,
    dropped: last.seq,
    fromTime,
    toTime: last.time,
    lastHash: last.hash,
  }
  return { ...admitEvent({ event: 'audit.prune', actor, reason, details }, { byTheLog: true }), details }
}

/** Lines are only added, unless somebody else pruned: then another record stands on the last line to drop. */
async function assertUnchanged(sink: AuditSink, cut: Cut): Promise<void> {
  for await (const { line, bytes } of sink.read()) {
    if (line < cut.lines) continue
    if (parseRecord(bytes).record?.hash === cut.last.hash) return
    break
  }
  throw new KeywrightError('ERR_AUDIT_FAILED', 'the audit log was pruned by somebody else meanwhile', {
    hint: 'prune again',
  })
}
