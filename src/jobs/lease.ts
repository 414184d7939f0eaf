/**
 * One job at a time on the wraps of a store, or on whatever else a lease is named after. It keeps two operators out of
 * each other's way; that nothing is lost when there are two all the same is up to compare-and-set, not to this.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import { formatInstant } from '../policy/duration.ts'
import type { DocumentStore } from '../store.ts'

const WRAPS = { name: 'jobs/wraps', what: 'the wraps of this key store' }
/** A job that was killed is in nobody's way any more after this time. */
const LEASE_MS = 15_000
const RENEW_MS = 5_000

interface Held {
  readonly holder: string
  /** What it does: 'move file to vault'. */
  readonly job: string
  readonly host: string
  /** ms since the epoch, by the holder's clock. */
  readonly until: number
}

/** What `take` needs. */
interface LeaseOptions {
  readonly documents: DocumentStore
  readonly clock: Clock
  readonly job: string
  /** Whoever holds it is known to be gone. */
  readonly takeOver: boolean
  /** The name of its document. @default the lease of jobs on wraps */
  readonly name?: string
  /** What the holder is at work on, for people; given with `name`. */
  readonly what?: string
}

export class JobLease {
  readonly #options: LeaseOptions
  readonly #name: string
  readonly #what: string
  readonly #holder = randomUUID()
  #revision: number
  #lost = false
  #cancel: (() => void) | undefined
  #renewing: Promise<void> | undefined

  private constructor(options: LeaseOptions, revision: number) {
    this.#options = options
    this.#name = options.name ?? WRAPS.name
    this.#what = options.what ?? WRAPS.what
    this.#revision = revision
  }

  /** Throws ERR_JOB_RUNNING while somebody else holds it. */
  static async take(options: LeaseOptions): Promise<JobLease> {
    const { documents, name = WRAPS.name, what = WRAPS.what } = options
    const found = await documents.read(name)
    const held = found === undefined ? undefined : parse(found.text)
    if (held !== undefined && !options.takeOver && options.clock.now() < held.until) throw running(what, held)
    const lease = new JobLease(options, found?.revision ?? 0)
    await lease.#write()
    if (lease.#lost) throw running(what, parse((await documents.read(name))?.text ?? ''))
    lease.#plan()
    return lease
  }

  /** Throws ERR_JOB_RUNNING when somebody took it over. */
  assertHeld(): void {
    if (this.#lost) throw running(this.#what, undefined)
  }

  /** Frees it. A store that is gone frees it by the time. */
  async release(): Promise<void> {
    this.#cancel?.()
    await this.#renewing
    if (!this.#lost) await this.#options.documents.remove(this.#name, this.#revision).catch(() => undefined)
  }

  #plan(): void {
    this.#cancel = this.#options.clock.after(RENEW_MS, () => {
      this.#renewing = this.#write()
        .catch(() => undefined) // the next time
        .then(() => {
          if (!this.#lost) this.#plan()
        })
    })
  }

  async #write(): Promise<void> {
    const { clock, documents, job } = this.#options
    const held: Held = { holder: this.#holder, job, host: hostname(), until: clock.now() + LEASE_MS }
    const revision = this.#revision + 1
    if (await documents.write({ name: this.#name, text: JSON.stringify(held), revision }))
      this.#revision = revision
    else await this.#adopt()
  }

  /** A write whose answer was lost may have been made all the same. */
  async #adopt(): Promise<void> {
    const found = await this.#options.documents.read(this.#name)
    if (found !== undefined && parse(found.text)?.holder === this.#holder) this.#revision = found.revision
    else this.#lost = true
  }
}

/** Undefined for what is no lease of ours: it is in nobody's way. */
function parse(text: string): Held | undefined {
  try {
    const held = JSON.parse(text) as Partial<Held> | null
    const { holder, job, host, until } = held ?? {}
    if (typeof holder !== 'string' || typeof job !== 'string' || typeof host !== 'string') return undefined
    return typeof until === 'number' ? { holder, job, host, until } : undefined
  } catch {
    return undefined
  }
}

function running(what: string, held: Held | undefined): KeywrightError {
  const who = held === undefined ? 'somebody else' : `"${held.job}" on ${held.host}`
  const until = held === undefined ? '' : ` (until ${formatInstant(held.until)}, unless it goes on)`
  return new KeywrightError('ERR_JOB_RUNNING', `${who} is at work on ${what}${until}`, {
    hint: `wait for it; a job that was killed is out of the way after ${LEASE_MS / 1000} s, or at once with --take-over`,
    ...(held === undefined ? {} : { details: { job: held.job, host: held.host } }),
  })
}
