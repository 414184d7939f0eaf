/** From what was counted in each place to what is known of each key. */
import { type CensusRecord, coverageOf, type KeyCount, notCovered } from '../../keys/census.ts'
import { quietAt } from '../../keys/destroyable.ts'
import { type KeyServices, policyIfKnown } from '../../keys/services.ts'
import { type KeyringView, viewKeyring } from '../../keys/states.ts'
import type { KeyRecord, KeyState } from '../../store.ts'
import type { DataPlace } from '../places.ts'
import type { PlaceCensus } from './census-count.ts'

/** One key and what is under it. */
export interface KeyCensus {
  readonly keyId: number
  readonly keyring: string
  readonly version: number
  readonly state: KeyState
  /** Values and files. */
  readonly values: number
  readonly tokens: number
  /** When the first of an unbroken series of complete censuses began that found nothing under it: ISO 8601, UTC. */
  readonly emptySince?: string
}

interface Found {
  readonly values: number
  readonly tokens: number
}

/** What was found under each key id, those that no record knows included. */
function foundUnder(places: readonly PlaceCensus[]): ReadonlyMap<number, Found> {
  const found = new Map<number, { values: number; tokens: number }>()
  for (const { columns } of places) {
    for (const { keys, kind } of columns) {
      for (const [text, count] of Object.entries(keys)) {
        const one = found.get(Number(text)) ?? { values: 0, tokens: 0 }
        one[kind] += count
        found.set(Number(text), one)
      }
    }
  }
  return found
}

export interface CensusFacts {
  readonly startedAt: number
  readonly finishedAt: number
  readonly records: readonly KeyRecord[]
  /** The places that were asked for, in the order of `counted`. */
  readonly places: readonly DataPlace[]
  readonly counted: readonly PlaceCensus[]
  /** All that are declared. */
  readonly declared: readonly DataPlace[]
  /** The census before this one. */
  readonly before: CensusRecord | undefined
}

/** What is recorded. A key that may still be encrypted under is not called empty. */
export function censusRecord(services: KeyServices, facts: CensusFacts): CensusRecord {
  const { before, counted, declared, finishedAt, places, records, startedAt } = facts
  const covers = coverageOf(places.filter((_, at) => counted[at]?.failure === undefined))
  const complete = notCovered(covers, coverageOf(declared)).length === 0
  const goesOn = before !== undefined && (!complete || notCovered(before.series, covers).length === 0)
  const found = foundUnder(counted)
  const keys = new Map<number, KeyCount>()
  for (const [view, record] of eachView(records, startedAt)) {
    const { values = 0, tokens = 0 } = found.get(record.id) ?? {}
    if (values + tokens > 0) keys.set(record.id, { count: values + tokens })
    else if (record.status !== 'destroyed' && isQuiet(services, view, record, startedAt)) {
      const earlier = goesOn ? before.keys.get(record.id)?.emptySince : undefined
      const emptySince = earlier ?? (complete ? startedAt : undefined)
      if (emptySince !== undefined) keys.set(record.id, { count: 0, emptySince })
    }
  }
  // What was found under keys of nobody fails `doctor`; that many are enough for it.
  const strangers = [...found].filter(([id]) => !keys.has(id)).slice(0, MAX_STRANGERS)
  for (const [id, { values, tokens }] of strangers) keys.set(id, { count: values + tokens })
  const series = complete ? covers : (before?.series ?? [])
  return { startedAt, finishedAt, complete, covers, series, keys }
}

const MAX_STRANGERS = 1_000

function isQuiet(services: KeyServices, view: KeyringView, record: KeyRecord, at: number): boolean {
  const policy = policyIfKnown(services, record.keyring)
  return policy !== undefined && quietAt(view, policy, record) <= at
}

/** Keys of the store that are not destroyed, and destroyed ones with something under them. */
export function keyCensus(
  { records, counted, finishedAt }: CensusFacts,
  { keys }: CensusRecord,
): KeyCensus[] {
  const found = foundUnder(counted)
  return [...eachView(records, finishedAt)].flatMap(([view, record]) => {
    const { values = 0, tokens = 0 } = found.get(record.id) ?? {}
    if (record.status === 'destroyed' && values + tokens === 0) return []
    const { emptySince } = keys.get(record.id) ?? {}
    const since = emptySince === undefined ? {} : { emptySince: new Date(emptySince).toISOString() }
    const { id, keyring, version } = record
    return [{ keyId: id, keyring, version, state: view.stateOf(record), values, tokens, ...since }]
  })
}

/** Each record with the view of its keyring; `records` are in the order of the store. */
function* eachView(records: readonly KeyRecord[], at: number): Generator<[KeyringView, KeyRecord]> {
  const byRing = Map.groupBy(records, ({ keyring }) => keyring)
  for (const ring of byRing.values()) {
    const view = viewKeyring(ring, at)
    for (const record of ring) yield [view, record]
  }
}
