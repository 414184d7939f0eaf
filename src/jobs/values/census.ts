/**
 * The census: how many ciphertexts are under each key, in every declared place. It needs no key and no provider. What
 * it finds is recorded in the key store, where it gates the destruction of keys.
 */
import { KeywrightError } from '../../errors.ts'
import { readCensus, writeCensus } from '../../keys/census.ts'
import { eachRecord } from '../../keys/services.ts'
import type { SourceValue } from '../../source.ts'
import { type JobReport, type RunningJob, runJob } from '../job.ts'
import { type DataPlace, type FolderPlace, placesNamed, type RowsPlace } from '../places.ts'
import { type ColumnCensus, ColumnCounter, countersOf, type PlaceCensus, pagesOf } from './census-count.ts'
import { censusRecord, type KeyCensus, keyCensus } from './census-keys.ts'
import { batchOf } from './engine.ts'
import { Pace, type PaceOptions } from './pace.ts'
import { MALFORMED, PLAIN } from './prefix.ts'
import type { ValueParts } from './reencrypt.ts'

/** How far a census is. */
export interface CensusProgress {
  readonly place: string
  /** Rows or files of this place so far. */
  readonly done: number
  /** As the source counts or estimates them. */
  readonly total?: number
}

export interface CensusOptions extends Pick<PaceOptions, 'rate'> {
  /** Only these places: then the keys cannot be destroyed by what it finds. @default all */
  readonly places?: readonly string[]
  /** Rows a page, from 1 to 10,000. @default 5,000 */
  readonly batch?: number
  readonly onProgress?: (progress: CensusProgress) => void
  readonly signal?: AbortSignal
  /** For the audit log. */
  readonly reason?: string
}

export interface CensusReport extends JobReport {
  readonly job: 'census'
  /** 'incomplete': a place could not be read. */
  readonly outcome: 'complete' | 'incomplete'
  readonly places: readonly PlaceCensus[]
  /** Every key of the store that is not destroyed, and destroyed ones with ciphertexts. */
  readonly keys: readonly KeyCensus[]
  /** Ciphertexts and tokens that no record knows the key of. */
  readonly orphans: number
  /** Whether the key store keeps what was found. */
  readonly recorded: boolean
  readonly warnings: readonly string[]
}

const BATCH = 5_000

/**
 * Counts. A place that cannot be read makes it incomplete; the others are counted all the same.
 * Throws ERR_SOURCE_UNKNOWN, ERR_ARGUMENT_INVALID, ERR_ABORTED, and what the store throws.
 */
export async function census(parts: ValueParts, options: CensusOptions = {}): Promise<CensusReport> {
  const places = placesNamed(parts.places, options.places)
  const { batch = BATCH, reason, signal } = options
  batchOf({ batch })
  const pace = new Pace(parts.services.clock, options)
  const about = { title: 'census', details: { job: 'census', places: places.length }, changes: false }
  const jobOptions = {
    ...(reason === undefined ? {} : { reason }),
    ...(signal === undefined ? {} : { signal }),
  }
  return runJob(parts.services, about, jobOptions, (job) => {
    return new CensusRun(parts, job, { ...options, batch }, pace).run(places)
  })
}

class CensusRun {
  readonly #parts: ValueParts
  readonly #job: RunningJob
  readonly #options: CensusOptions & { readonly batch: number }
  readonly #pace: Pace
  #known: ReadonlySet<number> = new Set()

  constructor(
    parts: ValueParts,
    job: RunningJob,
    options: CensusOptions & { readonly batch: number },
    pace: Pace,
  ) {
    this.#parts = parts
    this.#job = job
    this.#options = options
    this.#pace = pace
  }

  async run(
    places: readonly DataPlace[],
  ): Promise<Omit<CensusReport, keyof JobReport> & Pick<CensusReport, 'outcome'>> {
    const { places: declared, services } = this.#parts
    const { clock, store } = services
    const startedAt = clock.now()
    const records = await Array.fromAsync(eachRecord(store))
    this.#known = new Set(records.map(({ id }) => id))
    const counted: PlaceCensus[] = []
    for (const place of places) counted.push(await this.#place(place))
    // One that cannot be read counts as none: this one takes its place.
    const before = await readCensus(store.documents).catch(unlessCorrupt)
    const finishedAt = clock.now()
    const facts = { startedAt, finishedAt, records, places, counted, declared, before }
    const record = censusRecord(services, facts)
    const keys = keyCensus(facts, record)
    const orphans = columnsOf(counted).reduce((sum, one) => sum + one.orphans, 0)
    const isRead = counted.every(({ failure }) => failure === undefined)
    const outcome = isRead ? ('complete' as const) : ('incomplete' as const)
    await this.#announce(outcome, counted, orphans)
    const recorded = store.documents !== undefined && (await writeCensus(store.documents, record))
    const warnings = [...recordWarnings(recorded, record.complete, isRead), ...counted.flatMap(placeWarnings)]
    return {
      job: 'census',
      outcome,
      places: counted,
      keys,
      orphans,
      recorded,
      warnings: [...warnings, ...lost(keys)],
    }
  }

  async #place(place: DataPlace): Promise<PlaceCensus> {
    try {
      return place.kind === 'rows' ? await this.#rows(place) : await this.#folder(place)
    } catch (error) {
      if (!(error instanceof KeywrightError) || error.code === 'ERR_ABORTED') throw error
      const { kind, name } = place
      return { place: name, kind, rows: 0, columns: [], failure: error.code }
    }
  }

  async #rows(place: RowsPlace): Promise<PlaceCensus> {
    const { batch, signal } = this.#options
    const source = await place.open()
    try {
      const { location, rows: total } = await source.describe({ signal })
      const counters = countersOf(place, this.#known)
      let rows = 0
      for await (const page of pagesOf(
        source,
        counters.map(({ column }) => column),
        batch,
        signal,
      )) {
        this.#job.assertGoesOn()
        for (const { key, values } of page) {
          for (let at = 0; at < counters.length; at++) counters[at]?.count(values[at] as SourceValue, key)
        }
        rows += page.length
        this.#options.onProgress?.({
          place: place.name,
          done: rows,
          ...(total === undefined ? {} : { total }),
        })
        await this.#pace.after(page.length, signal)
      }
      const columns = counters.map((counter) => counter.census)
      return { place: place.name, kind: place.kind, location, rows, columns }
    } finally {
      await source.close?.()
    }
  }

  async #folder({ kind, name, path }: FolderPlace): Promise<PlaceCensus> {
    const { signal } = this.#options
    const counter = new ColumnCounter('', 'values', this.#known)
    let rows = 0
    let unreadable: KeywrightError | undefined
    const onOther = (file: string, why: string | KeywrightError): void => {
      if (why === 'plain') counter.add(PLAIN, file)
      else if (why instanceof KeywrightError && why.code === 'ERR_FILE_DAMAGED') counter.add(MALFORMED, file)
      else if (why instanceof KeywrightError) unreadable ??= why
    }
    const { listEncryptedFiles } = await import('../../data/files/list-files.ts')
    for await (const file of listEncryptedFiles(path, { signal, onOther })) {
      counter.add(file.keyId, file.path)
      this.#options.onProgress?.({ place: name, done: ++rows })
      await this.#pace.after(1, signal)
    }
    const found = { place: name, kind, location: path, rows, columns: [counter.census] }
    return unreadable === undefined ? found : { ...found, failure: unreadable.code }
  }

  /** Before it is recorded: what it shows may end a key. */
  async #announce(outcome: string, counted: readonly PlaceCensus[], orphans: number): Promise<void> {
    const sum = (of: (one: ColumnCensus) => number): number =>
      columnsOf(counted).reduce((total, one) => total + of(one), 0)
    await this.#parts.services.audit.append({
      event: 'data.census',
      details: {
        outcome,
        places: counted.length,
        rows: counted.reduce((total, { rows }) => total + rows, 0),
        ciphertexts: sum(({ keys }) => Object.values(keys).reduce((total, count) => total + count, 0)),
        plain: sum(({ plain, foreign, malformed }) => plain + foreign + malformed),
        orphans,
      },
    })
  }
}

function unlessCorrupt(error: unknown): undefined {
  if (!(error instanceof KeywrightError) || error.code !== 'ERR_STORE_CORRUPT') throw error
}

const columnsOf = (places: readonly PlaceCensus[]): readonly ColumnCensus[] =>
  places.flatMap(({ columns }) => columns)

function recordWarnings(recorded: boolean, complete: boolean, isRead: boolean): string[] {
  if (!recorded)
    return ['nothing was recorded: the key store keeps no documents, or a later census was faster']
  return complete || !isRead
    ? []
    : ['not every declared place was looked at: no key can be destroyed by this']
}

function placeWarnings({ place, failure, columns }: PlaceCensus): string[] {
  const told = columns.flatMap(({ column, foreign, malformed, orphans, plain }) => {
    const where = column === '' ? `"${place}"` : `column "${column}" of "${place}"`
    const tell = (count: number, what: string): string[] => (count > 0 ? [`${where}: ${what}: ${count}`] : [])
    return [
      ...tell(plain + foreign, 'no ciphertext'),
      ...tell(malformed, 'damaged'),
      ...tell(orphans, 'under keys that this key store does not know'),
    ]
  })
  return failure === undefined ? told : [`"${place}" was not read to its end (${failure})`, ...told]
}

/** Ciphertexts that nobody can read any more. */
const lost = (keys: readonly KeyCensus[]): string[] =>
  keys
    .filter(({ state }) => state === 'destroyed')
    .map(
      ({ keyId, keyring, values }) => `key ${keyId} of ${keyring} was destroyed; values under it: ${values}`,
    )
