/**
 * Copying a key store into another one, of whatever kind. The target becomes a copy that opens everything the source
 * does: it shares the installation id, and holds the same records, tombstones and revisions included.
 *
 * Pass after pass compares both stores record by record and mends what differs, until one pass finds no difference:
 * that pass has read every record back. A copy that was stopped anywhere goes on when it is run again, since what is
 * there already differs in nothing. Documents and the audit log of the source stay where they are.
 */
import type { AuditTrail } from '../audit/log.ts'
import { type Clock, systemClock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import { inOrder } from '../keys/in-order.ts'
import type { KeyStore } from '../store.ts'
import { CopyCheckpoint, type CopyCounts } from './copy-checkpoint.ts'
import { type Difference, differenceOf, type Pair, pairs } from './copy-pairs.ts'
import { mend } from './copy-record.ts'
import { digestOf } from './digest.ts'
import { concurrencyOf, type JobReport } from './job.ts'
import { JobLease } from './lease.ts'

export interface CopyStoreOptions {
  /** May be open for reading only. */
  readonly from: KeyStore
  /** With the installation id of `from`: a store that was made with it, or an earlier copy. */
  readonly to: KeyStore
  /** Only compare and count. @default false */
  readonly dryRun?: boolean
  /** Records that are written at once, from 1 to 64. @default 4 */
  readonly concurrency?: number
  /** So many passes at most, for a source that goes on changing. @default 10 */
  readonly maxPasses?: number
  readonly onProgress?: (progress: CopyProgress) => void
  /** Stops the copy between two records, with ERR_ABORTED. */
  readonly signal?: AbortSignal
  /** Take over from another copy or job on the target that is known to be gone. @default false */
  readonly takeOver?: boolean
  /** Where the copy is announced before its first write. */
  readonly audit?: Pick<AuditTrail, 'append'>
  readonly clock?: Clock
}

/** How far a copy is. */
export interface CopyProgress {
  /** 0 while it only looks; then 1, 2, 3 … */
  readonly pass: number
  /** Records of this pass that are compared. */
  readonly done: number
  /** Records as counted by the pass before; 0 in the first one. */
  readonly total: number
}

export interface CopyStoreReport extends JobReport, CopyCounts {
  readonly job: 'copy-store'
  /**
   * 'finished': a pass found both stores alike. 'changing': the source changed in every pass; stop what writes to it
   * and run again. 'dry-run': the counts are what would be done.
   */
  readonly outcome: 'finished' | 'changing' | 'dry-run'
  /** Where they are, without credentials. */
  readonly from: string
  readonly to: string
  readonly installation: string
  /** Records of the source. */
  readonly records: number
  /** Records that were alike before this run. */
  readonly alike: number
  /** Passes of this run, the last one that changed nothing included. */
  readonly passes: number
  /** Whether an earlier run was continued; its records are in the counts. */
  readonly resumed: boolean
}

const MOST_NAMED = 10
/** The checkpoint is written after so many records. */
const CHECKPOINT_RECORDS = 500

/**
 * Copies. Throws ERR_STORE_FOREIGN for a target of another installation and ERR_STORE_CONFLICT for one that holds
 * records which are no copies, both before anything is changed; ERR_ARGUMENT_INVALID for a store onto itself,
 * ERR_JOB_RUNNING, ERR_ABORTED, and what the stores throw.
 */
export async function copyStore(options: CopyStoreOptions): Promise<CopyStoreReport> {
  const { from, to, clock = systemClock, dryRun = false } = options
  const startedAt = new Date(clock.now()).toISOString()
  checkOptions(options)
  const [source, target] = await Promise.all([from.describe(), to.describe()])
  if (from === to || source.location === target.location) throw sameStore()
  if (source.installation !== target.installation) throw foreign(target.location)
  const run = new CopyRun(options)
  const plan = await run.survey(target.location)
  const about = { from: source.location, to: target.location, installation: source.installation, startedAt }
  if (dryRun) return finish(clock, { ...about, ...plan, outcome: 'dry-run', passes: 0, resumed: false })
  const done = await run.copy(about, plan)
  return finish(clock, { ...about, alike: plan.alike, ...done })
}

type Open = Omit<CopyStoreReport, 'job' | 'finishedAt' | 'digest'>

function finish(clock: Clock, found: Open): CopyStoreReport {
  const report = { job: 'copy-store' as const, ...found, finishedAt: new Date(clock.now()).toISOString() }
  return { ...report, digest: digestOf(report) }
}

interface Plan extends CopyCounts {
  readonly records: number
  readonly alike: number
}

type About = Pick<CopyStoreReport, 'from' | 'to' | 'installation' | 'startedAt'>
type Done = CopyCounts & Pick<CopyStoreReport, 'outcome' | 'records' | 'passes' | 'resumed'>

class CopyRun {
  readonly #options: CopyStoreOptions
  /** Of the pass before. */
  #total = 0

  constructor(options: CopyStoreOptions) {
    this.#options = options
  }

  /** Compares everything once and changes nothing. Throws ERR_STORE_CONFLICT. */
  async survey(location: string): Promise<Plan> {
    const found: Record<Difference, number> = { none: 0, usage: 0, behind: 0, missing: 0, conflict: 0 }
    const named: string[] = []
    for await (const pair of this.#pairs(0)) {
      const difference = await this.#certain(pair)
      found[difference]++
      if (difference === 'conflict' && named.length < MOST_NAMED) named.push(nameOf(pair))
    }
    if (found.conflict > 0) throw conflicting(found.conflict, named, location)
    const { none, usage, behind, missing } = found
    this.#total = none + usage + behind + missing
    return { records: this.#total, alike: none, inserted: missing, updated: behind, usageRaised: usage }
  }

  async copy(about: About, plan: Plan): Promise<Done> {
    const lease = await this.#lease()
    try {
      const checkpoint = await CopyCheckpoint.open(this.#options.to.documents, about)
      await this.#assertOther(checkpoint)
      return await this.#announced(about, () => this.#passes(checkpoint, lease, plan))
    } finally {
      await lease?.release()
    }
  }

  async #passes(checkpoint: CopyCheckpoint, lease: JobLease | undefined, plan: Plan): Promise<Done> {
    const { maxPasses = 10 } = this.#options
    const { resumed } = checkpoint
    for (let pass = 1; pass <= maxPasses; pass++) {
      const before = checkpoint.changes
      const records = await this.#pass(pass, checkpoint, lease)
      if (checkpoint.changes > before) continue
      await checkpoint.remove()
      return { outcome: 'finished', records, passes: pass, resumed, ...checkpoint.counts }
    }
    await checkpoint.write()
    const { records } = plan
    return { outcome: 'changing', records, passes: maxPasses, resumed, ...checkpoint.counts }
  }

  /** Mends every difference; resolves to the number of records. */
  async #pass(pass: number, checkpoint: CopyCheckpoint, lease: JobLease | undefined): Promise<number> {
    const { to, from } = this.#options
    const work = async (pair: Pair): Promise<Difference> => {
      lease?.assertHeld()
      return differenceOf(pair) === 'none' ? 'none' : mend(from, to, pair)
    }
    let records = 0
    let unsaved = 0
    for await (const mended of inOrder(this.#pairs(pass), concurrencyOf(this.#options), work)) {
      records++
      if (mended === 'none') continue
      checkpoint.count(mended)
      unsaved++
      if (unsaved % CHECKPOINT_RECORDS === 0) await checkpoint.write()
    }
    if (unsaved > 0) await checkpoint.write()
    this.#total = records
    return records
  }

  async *#pairs(pass: number): AsyncGenerator<Pair> {
    const { from, to, onProgress, signal } = this.#options
    const total = this.#total
    let done = 0
    for await (const pair of pairs(from, to)) {
      if (signal?.aborted === true) throw aborted()
      yield pair
      done++
      onProgress?.({ pass, done, total: Math.max(total, pass === 0 ? 0 : done) })
    }
  }

  /** Either store may have changed since its page was read: what looks like a conflict is looked at again. */
  async #certain(pair: Pair): Promise<Difference> {
    const difference = differenceOf(pair)
    if (difference !== 'conflict') return difference
    const { from, to } = this.#options
    const id = (pair.target ?? pair.source)?.id ?? 0
    const source = await from.get(id)
    return differenceOf({ source, target: await to.get(id) })
  }

  #lease(): Promise<JobLease> | undefined {
    const { to, clock = systemClock, takeOver = false } = this.#options
    if (to.documents === undefined) return undefined
    return JobLease.take({ documents: to.documents, clock, job: 'store copy', takeOver })
  }

  /** Two addresses may lead to one store: then the source shows what was just written to the target. */
  async #assertOther(checkpoint: CopyCheckpoint): Promise<void> {
    const { documents } = this.#options.from
    if (documents === undefined || !(await checkpoint.isIn(documents))) return
    await checkpoint.remove()
    throw sameStore()
  }

  async #announced(about: About, work: () => Promise<Done>): Promise<Done> {
    const { audit } = this.#options
    const details = { job: 'copy-store', from: about.from, to: about.to }
    await audit?.append({ event: 'job.start', details })
    try {
      const done = await work()
      const { outcome, inserted, updated } = done
      await audit?.append({ event: 'job.finish', details: { ...details, outcome, inserted, updated } })
      return done
    } catch (error) {
      const outcome = `failed: ${error instanceof KeywrightError ? error.code : 'ERR_INTERNAL'}`
      // What is to be thrown matters more than that it could not be logged.
      await audit?.append({ event: 'job.finish', details: { ...details, outcome } }).catch(() => undefined)
      throw error
    }
  }
}

function checkOptions(options: CopyStoreOptions): void {
  concurrencyOf(options)
  const { maxPasses = 10 } = options
  if (Number.isSafeInteger(maxPasses) && maxPasses >= 2) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', '"maxPasses" is not a whole number from 2', {
    hint: 'one pass copies and another one verifies; leave it out for 10',
  })
}

const nameOf = ({ source, target }: Pair): string => {
  const { keyring, version, id } = target ?? source ?? { keyring: '', version: 0, id: 0 }
  return `${keyring} v${version} (key ${id})`
}

function sameStore(): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', 'source and target are the same store', {
    hint: 'name another store with --to',
  })
}

function foreign(location: string): KeywrightError {
  return new KeywrightError('ERR_STORE_FOREIGN', `the store ${location} belongs to another installation`, {
    hint: 'copy into a place where there is no store yet: the copy makes it, with the installation id of the source',
    details: { location },
  })
}

function conflicting(count: number, keys: readonly string[], location: string): KeywrightError {
  const which = `${keys.join(', ')}${count > keys.length ? ` and ${count - keys.length} more` : ''}`
  return new KeywrightError(
    'ERR_STORE_CONFLICT',
    `the store ${location} has keys that are no copies: ${which}`,
    {
      hint: 'nothing was changed; the target has been used by itself, so decide which store is the right one',
      details: { location, conflicts: count, keys },
    },
  )
}

function aborted(): KeywrightError {
  return new KeywrightError('ERR_ABORTED', 'the copy was stopped', {
    hint: 'the source is as it was; run it again and it goes on from here',
  })
}
