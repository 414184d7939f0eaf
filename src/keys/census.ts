/**
 * What the last census found, as the key store keeps it: how many ciphertexts are under each key, since when a key has
 * been found empty, and which places were looked at. It gates the destruction of keys. Holds no value of any row.
 */
import { randomUUID } from 'node:crypto'
import { KeywrightError } from '../errors.ts'
import type { DeclaredColumn } from '../policy/column-key-type.ts'
import type { DocumentStore } from '../store.ts'

const LATEST = 'census/latest'
/** Keys of one document: about half of what it may hold. */
const KEYS_A_DOCUMENT = 10_000
const VERSION = 1

/** What is known of one key. */
export interface KeyCount {
  /** Ciphertexts, search tokens and files under it. */
  readonly count: number
  /** When the first of an unbroken series of complete censuses began that found nothing under it, ms since the epoch. */
  readonly emptySince?: number
}

export interface CensusRecord {
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly finishedAt: number
  /** Every declared place was read to its end. */
  readonly complete: boolean
  /** What was read: see `coverageOf`. */
  readonly covers: readonly string[]
  /** What every census of the series behind `emptySince` has read. */
  readonly series: readonly string[]
  readonly keys: ReadonlyMap<number, KeyCount>
}

/** A column as far as a census is concerned. */
export interface CensusColumn extends DeclaredColumn {
  readonly indexes?: readonly { readonly column: string }[]
}

/** A place as far as a census is concerned. */
export interface CensusPlace {
  readonly kind: string
  readonly name: string
  readonly table?: string | undefined
  /** The encrypted columns, each with its columns of search tokens. */
  readonly columns?: Readonly<Record<string, CensusColumn>>
}

/** Everything that a census of these places has to read: 'users.email', 'users.email_index', 'invoices/'. */
export function coverageOf(places: readonly CensusPlace[]): string[] {
  return places.flatMap(({ name, columns }) => {
    if (columns === undefined) return [`${name}/`]
    return Object.entries(columns).flatMap(([column, { indexes = [] }]) =>
      [column, ...indexes.map((index) => index.column)].map((one) => `${name}.${one}`),
    )
  })
}

/** What `covers` lacks of `wanted`. */
export const notCovered = (covers: readonly string[], wanted: readonly string[]): string[] => {
  const known = new Set(covers)
  return wanted.filter((one) => !known.has(one))
}

interface Head extends Omit<CensusRecord, 'keys'> {
  readonly v: number
  readonly run: string
  /** Documents that hold the keys. */
  readonly parts: number
}

type Entry = readonly [id: number, count: number, emptySince: number | null]

const partName = (run: string, part: number): string => `census/${run}/${part}`

/** The last census; undefined when there is none. Throws ERR_STORE_CORRUPT for one that cannot be read. */
export async function readCensus(documents: DocumentStore | undefined): Promise<CensusRecord | undefined> {
  const found = await documents?.read(LATEST)
  if (documents === undefined || found === undefined) return undefined
  const known = headIn(found.text)
  if (known === undefined) throw unreadable()
  const { run, parts, v: _, ...head } = known
  const keys = new Map<number, KeyCount>()
  for (let part = 0; part < parts; part++) {
    const text = (await documents.read(partName(run, part)))?.text
    // Another census was recorded in this moment, and has removed these.
    if (text === undefined && (await documents.read(LATEST))?.revision !== found.revision)
      return readCensus(documents)
    if (text === undefined) throw unreadable()
    for (const [id, count, emptySince] of entriesIn(text))
      keys.set(id, emptySince === null ? { count } : { count, emptySince })
  }
  return { ...head, keys }
}

/**
 * Records a census, which takes the place of the one before. False when a census that began later has been recorded
 * meanwhile: that one stays.
 */
export async function writeCensus(documents: DocumentStore, census: CensusRecord): Promise<boolean> {
  const run = randomUUID()
  const entries: Entry[] = [...census.keys].map(([id, { count, emptySince }]) => [
    id,
    count,
    emptySince ?? null,
  ])
  const parts = Math.ceil(entries.length / KEYS_A_DOCUMENT)
  for (let part = 0; part < parts; part++) {
    const some = entries.slice(part * KEYS_A_DOCUMENT, (part + 1) * KEYS_A_DOCUMENT)
    await documents.write({ name: partName(run, part), text: JSON.stringify(some), revision: 1 })
  }
  const { keys: _, ...head } = census
  const text = JSON.stringify({ v: VERSION, run, parts, ...head } satisfies Head)
  for (;;) {
    const before = await documents.read(LATEST)
    const known = before === undefined ? undefined : headIn(before.text)
    if (known !== undefined && known.startedAt > census.startedAt) {
      await removeParts(documents, run, parts)
      return false
    }
    if (!(await documents.write({ name: LATEST, text, revision: (before?.revision ?? 0) + 1 }))) continue
    if (known !== undefined) await removeParts(documents, known.run, known.parts)
    return true
  }
}

async function removeParts(documents: DocumentStore, run: string, parts: number): Promise<void> {
  for (let part = 0; part < parts; part++) await documents.remove(partName(run, part), 1)
}

/** Undefined for what is no census of this version. */
function headIn(text: string): Head | undefined {
  const head = parse(text) as Partial<Head> | null
  if (head?.v !== VERSION || typeof head.run !== 'string' || typeof head.complete !== 'boolean')
    return undefined
  const numbers = [head.parts, head.startedAt, head.finishedAt]
  const lists = [head.covers, head.series]
  const isSound =
    numbers.every((one) => Number.isSafeInteger(one)) && lists.every((one) => Array.isArray(one))
  return isSound ? (head as Head) : undefined
}

function entriesIn(text: string): readonly Entry[] {
  const entries = parse(text)
  const isEntry = (one: unknown): boolean =>
    Array.isArray(one) && Number.isSafeInteger(one[0]) && Number.isSafeInteger(one[1])
  if (!Array.isArray(entries) || !entries.every(isEntry)) throw unreadable()
  return entries
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const unreadable = (): KeywrightError =>
  new KeywrightError('ERR_STORE_CORRUPT', 'the recorded census cannot be read', {
    hint: 'take a new one: keywright census',
  })
