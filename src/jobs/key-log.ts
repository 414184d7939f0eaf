/** What a job did, key by key, for its report. */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import type { KeyRecord } from '../store.ts'

/** What happened to one key, in order. */
export interface KeyStep {
  /** 'add-wrap', 'prefer-wrap', 'remove-wrap', or 'check': a provider gave the key back, and it was compared. */
  readonly step: 'add-wrap' | 'prefer-wrap' | 'remove-wrap' | 'check'
  readonly provider: string
  /** ISO 8601, UTC. */
  readonly at: string
}

/** One key in a report. */
export interface KeyReport {
  readonly keyId: number
  readonly keyring: string
  readonly version: number
  readonly steps: readonly KeyStep[]
  /** Why it could not be brought further. */
  readonly failure?: ErrorCode
}

/** A failure that is about one key: the others go on. */
export class KeyFailure extends Error {
  readonly failure: KeywrightError

  constructor(failure: KeywrightError) {
    super(failure.message)
    this.failure = failure
  }
}

/** Makes every failure of `work` one of this key only. */
export async function ofThisKey<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof KeywrightError ? new KeyFailure(error) : error
  }
}

interface Entry {
  readonly keyId: number
  readonly keyring: string
  readonly version: number
  readonly steps: KeyStep[]
  failure?: ErrorCode
}

export class KeyLog {
  readonly #entries = new Map<number, Entry>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  add(record: KeyRecord, step: KeyStep['step'], provider: string): void {
    this.#entry(record).steps.push({ step, provider, at: new Date(this.#now()).toISOString() })
  }

  fail(record: KeyRecord, code: ErrorCode): void {
    this.#entry(record).failure = code
  }

  hasFailed({ id }: KeyRecord): boolean {
    return this.#entries.get(id)?.failure !== undefined
  }

  get failed(): number {
    return [...this.#entries.values()].filter(({ failure }) => failure !== undefined).length
  }

  /** How many keys had this done to them. */
  count(step: KeyStep['step']): number {
    return [...this.#entries.values()].filter(({ steps }) => steps.some((one) => one.step === step)).length
  }

  /** Every key that something happened to, by keyring and version. */
  report(): KeyReport[] {
    const byName = (a: KeyReport, b: KeyReport): number =>
      a.keyring === b.keyring ? a.version - b.version : a.keyring < b.keyring ? -1 : 1
    return [...this.#entries.values()].map((entry) => ({ ...entry })).sort(byName)
  }

  #entry({ id, keyring, version }: KeyRecord): Entry {
    const entry = this.#entries.get(id) ?? { keyId: id, keyring, version, steps: [] }
    this.#entries.set(id, entry)
    return entry
  }
}
