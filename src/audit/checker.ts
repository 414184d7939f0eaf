/**
 * Follows the chain line by line and says where and how it breaks, in constant memory.
 *
 * A line is judged with the next one in view: when that one goes on from the chain without this one, this one is
 * too much; when it goes on from this one, the break lies before it. Records that come early or are missing are
 * kept (a bounded number), so that a record found elsewhere in the log counts as moved, not as removed.
 */
import { CHAIN_START, NO_HASH, type ParsedLine, positionAfter } from './chain.ts'
import type { AuditRecord } from './event.ts'
import type { AuditProblem, AuditProblemKind } from './problem.ts'
import type { AuditHead } from './sink.ts'

type Finding = { -readonly [Name in keyof AuditProblem]: AuditProblem[Name] }

interface Item extends ParsedLine {
  readonly line: number
}

/** The last line that belongs to the chain; `link` and `prev` are unknown behind a line that was edited. */
interface Trunk {
  readonly line: number
  readonly seq: number
  readonly link: string | undefined
  readonly prev: string | undefined
}

/** Records `from` to `to` are missing so far; `hash` is that of the last of them, as what comes after names it. */
interface Gap {
  readonly from: number
  readonly to: number
  readonly hash: string
  readonly finding: Finding
  found: number
  foundAt: number
}

interface Early {
  readonly seq: number
  readonly hash: string
  readonly finding: Finding
}

const isCheckpoint = (record: AuditRecord): boolean => record.event === 'audit.checkpoint'

/** The record of a line that holds together by itself. */
const sound = (item: Item | undefined): AuditRecord | undefined =>
  item?.fault === undefined ? item?.record : undefined

/** Whether a record is one of those that are missing. Only of the last of them the hash is known. */
const belongs = ({ from, to, hash }: Pick<Gap, 'from' | 'to' | 'hash'>, seq: number, link: string): boolean =>
  from <= seq && (seq < to || (seq === to && link === hash))

function follows(trunk: Trunk, record: AuditRecord): boolean {
  if (isCheckpoint(record)) return trunk.seq === 0 && record.prev === NO_HASH
  return record.seq === trunk.seq + 1 && (trunk.link === undefined || record.prev === trunk.link)
}

const range = (from: number, to: number): string =>
  from === to ? `record ${from} is` : `records ${from} to ${to} are`

export class ChainChecker {
  readonly #head: AuditHead | undefined
  readonly #limit: number
  readonly #findings: Finding[] = []
  readonly #gaps: Gap[] = []
  readonly #early: Early[] = []
  #more = 0
  #trunk: Trunk = { line: 0, ...CHAIN_START, prev: undefined }
  #waiting: Item | undefined
  #checkpoint: AuditRecord | undefined
  #announced = false
  #lines = 0
  #first: AuditRecord | undefined
  #last: AuditRecord | undefined

  /** `head` as it was before the log was read. Keeps at most `limit` problems and counts the others. */
  constructor(head: AuditHead | undefined, limit: number) {
    this.#head = head
    this.#limit = limit
  }

  /** The number of lines, the first and last record of the chain, and the checkpoint it begins with. */
  get seen() {
    return { lines: this.#lines, first: this.#first, last: this.#last, checkpoint: this.#checkpoint }
  }

  /** The next line. */
  push(parsed: ParsedLine): void {
    this.#lines += 1
    const item = { ...parsed, line: this.#lines }
    if (this.#waiting !== undefined) this.#judge(this.#waiting, item)
    this.#waiting = item
  }

  /**
   * No line follows; `head` as it is now. Resolves what was open and gives the problems in order of their lines.
   */
  finish(head: AuditHead | 'malformed' | undefined): { problems: Finding[]; more: number } {
    if (this.#waiting !== undefined) this.#judge(this.#waiting, undefined)
    this.#waiting = undefined
    this.#checkEnd()
    this.#checkHead(head)
    this.#checkAnnouncement()
    for (const gap of this.#gaps) this.#settle(gap)
    return { problems: this.#findings.sort((a, b) => a.line - b.line), more: this.#more }
  }

  #report(kind: AuditProblemKind, line: number, message: string, seq?: number): Finding {
    const finding: Finding = { kind, line, message, ...(seq === undefined ? {} : { seq }) }
    if (this.#findings.length < this.#limit) this.#findings.push(finding)
    else this.#more += 1
    return finding
  }

  #judge(item: Item, next: Item | undefined): void {
    const record = sound(item)
    const after = sound(next)
    const nextFollows = after !== undefined && follows(this.#trunk, after)
    // A checkpoint before record 1 stands for nothing.
    const idle = record !== undefined && isCheckpoint(record) && nextFollows && !isCheckpoint(after)
    if (record !== undefined && follows(this.#trunk, record) && !idle) this.#advance(item.line, record)
    else if (nextFollows) this.#tooMuch(item, record)
    else if (record === undefined) this.#edited(item, next)
    else this.#broken(item.line, record, after)
  }

  /** `record` belongs to the chain. */
  #advance(line: number, record: AuditRecord, linkKnown = true): void {
    const { seq, link } = positionAfter(record)
    this.#trunk = { line, seq, link: linkKnown ? link : undefined, prev: record.prev }
    this.#first ??= record
    this.#last = record
    if (isCheckpoint(record)) this.#checkpoint = record
    else this.#compareWithHead(line, record)
    const { toSeq, lastHash } = this.#checkpoint?.details ?? {}
    if (record.event === 'audit.prune' && record.details?.['toSeq'] === toSeq) {
      this.#announced ||= record.details?.['lastHash'] === lastHash
    }
  }

  #compareWithHead(line: number, record: AuditRecord): void {
    if (this.#head?.seq !== record.seq || this.#head.hash === record.hash) return
    if (this.#findings.some((finding) => finding.line === line)) return
    this.#report('edited', line, `record ${record.seq} is not the one that the head names`, record.seq)
  }

  /** The next line goes on from the chain without this one. */
  #tooMuch(item: Item, record: AuditRecord | undefined): void {
    if (record === undefined) {
      this.#report('inserted', item.line, `a line that is no part of the chain: it ${item.fault}`)
    } else if (record.seq <= this.#trunk.seq) this.#late(item.line, record)
    else {
      const message = `record ${record.seq} is no part of the chain here`
      const finding = this.#report('inserted', item.line, message, record.seq)
      if (this.#early.length < this.#limit && !isCheckpoint(record)) {
        this.#early.push({ seq: record.seq, hash: record.hash, finding })
      }
    }
  }

  /** A line that does not hold together, in the place of a record. */
  #edited(item: Item, next: Item | undefined): void {
    const { seq } = this.#trunk
    if (next === undefined && this.#head?.seq === seq) {
      this.#tooMuch(item, undefined)
      return
    }
    const after = sound(next)
    const own = seq === 0 && after !== undefined ? after.seq - 1 : seq + 1
    this.#report('edited', item.line, `the line ${item.fault}`, own)
    this.#trunk = { line: item.line, seq: own, link: undefined, prev: undefined }
  }

  /** A record that holds together by itself, but does not go on from the chain; nor does the next line. */
  #broken(line: number, record: AuditRecord, next: AuditRecord | undefined): void {
    const trunk = this.#trunk
    const { seq } = record
    if (this.#isTwin(record) && this.#isConfirmed(record, next)) {
      this.#rejectTrunk()
      this.#advance(line, record)
    } else if (seq <= trunk.seq) this.#late(line, record)
    else if (isCheckpoint(record)) {
      this.#report('inserted', line, 'a checkpoint stands in the middle of the log', seq)
    } else if (seq > trunk.seq + 1) {
      const gap = { from: trunk.seq + 1, to: seq - 1, hash: record.prev }
      this.#missing(gap, line, trunk.line === 0 ? 'cut-start' : 'removed')
      this.#advance(line, record)
    } else if (trunk.line > 0 && this.#isConfirmed(record, next)) {
      this.#report(
        'edited',
        trunk.line,
        `record ${trunk.seq} is not the one that record ${seq} names`,
        trunk.seq,
      )
      this.#advance(line, record)
    } else {
      this.#report('edited', line, `record ${seq} names another record before it`, seq)
      this.#advance(line, record, this.#isConfirmed(record, next))
    }
  }

  /** Another record in the place of the last one. */
  #isTwin({ seq, prev, hash }: AuditRecord): boolean {
    return seq === this.#trunk.seq && prev === this.#trunk.prev && hash !== this.#trunk.link
  }

  /** The last line was taken for part of the chain, but the chain goes on from its twin. */
  #rejectTrunk(): void {
    const { line, seq } = this.#trunk
    const message = `of two records ${seq}, this is not the one the chain goes on from`
    const known = this.#findings.find((finding) => finding.line === line)
    if (known === undefined) this.#report('inserted', line, message, seq)
    else Object.assign(known, { kind: 'inserted', message })
  }

  /** The next record goes on from this one, or the head names it. */
  #isConfirmed(record: AuditRecord, next: AuditRecord | undefined): boolean {
    if (next === undefined) return this.#head?.hash === record.hash
    return next.seq === record.seq + 1 && next.prev === positionAfter(record).link
  }

  /** A record whose turn is over: one that was missing, or a second one. */
  #late(line: number, record: AuditRecord): void {
    const { seq, link } = positionAfter(record)
    const gap = this.#gaps.find((missing) => belongs(missing, seq, link))
    if (gap === undefined) {
      this.#report('duplicate', line, `a second record ${seq}, or a false one`, seq)
      return
    }
    gap.found += 1
    if (gap.foundAt === 0) gap.foundAt = line
  }

  /** Records are not where they should be. */
  #missing(
    gap: Pick<Gap, 'from' | 'to' | 'hash'>,
    line: number,
    kind: 'removed' | 'cut-start' | 'cut-end',
  ): void {
    const { from, to } = gap
    const moved = this.#early.filter(({ seq, hash }) => belongs(gap, seq, hash))
    for (const { seq, finding } of moved) {
      finding.kind = 'reordered'
      finding.message = `record ${seq} stands before its place`
    }
    if (moved.length > to - from) return
    const finding = this.#report(kind, line, `${range(from, to)} missing here`, from)
    if (this.#gaps.length < this.#limit) this.#gaps.push({ ...gap, finding, found: 0, foundAt: 0 })
  }

  /** At the end it is known which of the missing records stand elsewhere. */
  #settle(gap: Gap): void {
    const { from, to, finding } = gap
    if (gap.found > to - from) {
      finding.kind = 'reordered'
      finding.message = `${range(from, to)} not in place, but from line ${gap.foundAt} on`
    } else if (gap.found > 0) {
      this.#report('reordered', gap.foundAt, `a record that should stand before line ${finding.line}`)
    }
  }

  #checkEnd(): void {
    const from = this.#trunk.seq + 1
    const { seq: to, hash } = this.#head ?? { seq: 0, hash: NO_HASH }
    if (to >= from) this.#missing({ from, to, hash }, this.#lines + 1, 'cut-end')
  }

  /** A log that was begun or pruned while it was read has had its head since. */
  #checkHead(head: AuditHead | 'malformed' | undefined): void {
    if (head === 'malformed') {
      this.#report('head', 0, 'the head is malformed: whether the end was cut is unknown')
    } else if (head === undefined) {
      if (this.#lines > 0) this.#report('head', 0, 'the log has no head: whether its end was cut is unknown')
    } else if (this.#checkpoint !== undefined && head.seq <= this.#checkpoint.seq) {
      this.#report('head', 0, `the head names record ${head.seq}, which was dropped long ago`, head.seq)
    }
  }

  #checkAnnouncement(): void {
    const checkpoint = this.#checkpoint
    if (checkpoint === undefined) return
    const { fromSeq, toSeq, dropped, lastHash } = checkpoint.details ?? {}
    const whole = fromSeq === 1 && toSeq === checkpoint.seq && dropped === toSeq
    if (!whole || typeof lastHash !== 'string') {
      this.#report('checkpoint', 1, 'the checkpoint contradicts itself', checkpoint.seq)
    } else if (!this.#announced) {
      this.#report('checkpoint', 1, 'no audit.prune record announces the checkpoint', checkpoint.seq)
    }
  }
}
