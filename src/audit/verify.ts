/**
 * Checks a whole audit log: every line, the chain, the head and the checkpoint.
 *
 * What a chain cannot show: that somebody who may write to the log and its head replaced both by another log that
 * holds together, wholly or from some record on. Against that keep `head` elsewhere from time to time, or sign
 * checkpoints.
 */
import { KeywrightError } from '../errors.ts'
import { auditFailed } from './append.ts'
import { parseRecord } from './chain.ts'
import { ChainChecker } from './checker.ts'
import { type CheckAuditMac, checkpointBytes, checkpointMac } from './checkpoint.ts'
import type { AuditRecord } from './event.ts'
import type { AuditProblem } from './problem.ts'
import type { AuditHead, AuditSink } from './sink.ts'

export interface VerifyOptions {
  /** Checks the MAC of a checkpoint. With it a checkpoint without a MAC is a problem; without it MACs are ignored. */
  readonly checkMac?: CheckAuditMac
  /** So many problems at most are reported, the others are counted. @default 100 */
  readonly limit?: number
}

/** The part of the log that was dropped by retention. */
export interface AuditCheckpoint {
  /** When it was dropped. */
  readonly time: string
  /** Records 1 to `toSeq` were dropped. */
  readonly toSeq: number
  readonly fromTime: string
  readonly toTime: string
  readonly signed: boolean
}

export interface AuditReport {
  /** Whether there is no problem. An unfinished last line is none: nobody was told that it was written. */
  readonly ok: boolean
  /** Complete lines, a checkpoint included. */
  readonly records: number
  readonly firstSeq?: number
  readonly lastSeq?: number
  readonly firstTime?: string
  readonly lastTime?: string
  readonly checkpoint?: AuditCheckpoint
  /** The line number of an unfinished last line: a crash, or a write under way. */
  readonly torn?: number
  /** The head as it was read before the log. */
  readonly head?: AuditHead
  /** In the order of their lines. */
  readonly problems: readonly AuditProblem[]
  /** Problems beyond the limit. */
  readonly more: number
}

/**
 * Reads the log once, in constant memory. Never rejects because of what the log holds; rejects with
 * ERR_AUDIT_FAILED when it cannot be read, and with what `checkMac` rejects with.
 */
export async function verifyAudit(sink: AuditSink, options: VerifyOptions = {}): Promise<AuditReport> {
  const head = await readHead(sink) // before the log, which may grow meanwhile: then it is behind, never ahead
  const checker = new ChainChecker(head === 'malformed' ? undefined : head, checkLimit(options.limit))
  const torn = await follow(sink, checker)
  const { problems, more } = checker.finish(await readHead(sink))
  const { first, last, checkpoint, lines } = checker.seen
  if (checkpoint !== undefined && options.checkMac !== undefined) {
    const problem = await macProblem(checkpoint, options.checkMac)
    if (problem !== undefined) problems.unshift(problem)
  }
  return {
    ok: problems.length === 0 && more === 0,
    records: lines,
    ...(first === undefined ? {} : { firstSeq: first.seq, firstTime: first.time }),
    ...(last === undefined ? {} : { lastSeq: last.seq, lastTime: last.time }),
    ...(checkpoint === undefined ? {} : { checkpoint: describe(checkpoint) }),
    ...(torn === undefined ? {} : { torn }),
    ...(head === undefined || head === 'malformed' ? {} : { head }),
    problems,
    more,
  }
}

function checkLimit(limit = 100): number {
  if (Number.isSafeInteger(limit) && limit >= 1) return limit
  throw new KeywrightError('ERR_ARGUMENT_INVALID', '"limit" is not an integer above 0', {
    hint: 'leave it out for 100 problems',
  })
}

async function readHead(sink: AuditSink): Promise<AuditHead | 'malformed' | undefined> {
  try {
    return await sink.head()
  } catch (error) {
    if (error instanceof KeywrightError && error.code === 'ERR_AUDIT_TAMPERED') return 'malformed'
    throw auditFailed(error, 'read the head of')
  }
}

/** Hands all complete lines to the checker; resolves to the line number of an unfinished one. */
async function follow(sink: AuditSink, checker: ChainChecker): Promise<number | undefined> {
  try {
    for await (const { line, bytes, torn } of sink.read()) {
      if (torn) return line
      checker.push(parseRecord(bytes))
    }
    return undefined
  } catch (error) {
    throw auditFailed(error, 'read')
  }
}

async function macProblem(record: AuditRecord, check: CheckAuditMac): Promise<AuditProblem | undefined> {
  const mac = checkpointMac(record)
  const at = { kind: 'mac', line: 1, seq: record.seq } as const
  if (mac === undefined) return { ...at, message: 'the checkpoint has no MAC' }
  if (await check(checkpointBytes(record), mac)) return undefined
  return { ...at, message: 'the MAC of the checkpoint is wrong' }
}

function describe(record: AuditRecord): AuditCheckpoint {
  const { fromTime, toTime } = record.details ?? {}
  return {
    time: record.time,
    toSeq: record.seq,
    fromTime: String(fromTime),
    toTime: String(toTime),
    signed: checkpointMac(record) !== undefined,
  }
}
