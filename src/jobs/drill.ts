/** What would be lost if providers were gone: told by really opening every key with the others. Changes nothing. */
import { wipe } from '../crypto/bytes.ts'
import { type ErrorCode, KeywrightError } from '../errors.ts'
import { unwrapThrough } from '../keys/opener.ts'
import type { KeyServices } from '../keys/services.ts'
import type { KeyRecord, KeyStatus } from '../store.ts'
import { eachKey } from './each-key.ts'
import { type JobOptions, type JobReport, type RunningJob, runJob } from './job.ts'
import { KeyLog } from './key-log.ts'
import { type KeySelection, Selection } from './selection.ts'

export interface DrillOptions extends KeySelection, Omit<JobOptions, 'takeOver'> {
  /** Providers that are taken to be gone. */
  readonly without?: readonly string[]
  /** Instead: providers that are taken to be all that is left. */
  readonly only?: readonly string[]
}

/** A key that would be lost. */
export interface LostKey {
  readonly keyId: number
  readonly keyring: string
  readonly version: number
  readonly status: KeyStatus
  /** Providers that were tried, and what came of each. Empty: no other provider wraps it. */
  readonly tried: readonly { readonly provider: string; readonly code: ErrorCode }[]
}

export interface DrillReport extends JobReport {
  readonly job: 'drill'
  readonly selection: KeySelection
  readonly without: readonly string[]
  /** 'lost': at least one key could not be opened. */
  readonly outcome: 'all open' | 'lost'
  /** Keys that were tried; destroyed ones are not. */
  readonly keys: number
  /** By provider: how many keys it opened. */
  readonly openedBy: Readonly<Record<string, number>>
  readonly lost: readonly LostKey[]
}

/**
 * Opens every key by the wraps of the providers that would be left, each key by the first that can. A provider that
 * does not answer counts as one that cannot. Throws ERR_ARGUMENT_INVALID, and ERR_PROVIDER_UNKNOWN for a name that is
 * neither configured nor stands in a wrap.
 */
export async function drill(services: KeyServices, options: DrillOptions): Promise<DrillReport> {
  const selection = new Selection(options)
  const named = namedIn(options)
  const wrapping = await wrappingNames(services, selection)
  for (const name of named) if (!wrapping.has(name)) services.calls.get(name)
  const all = new Set([...services.calls.names, ...wrapping])
  const without = options.without ?? [...all].filter((name) => !named.includes(name)).sort()
  const details = { job: 'drill', without: without.join(', '), ...selection.filter }
  const about = { title: 'drill', details, changes: false }
  return runJob(services, about, options, (job) => drillKeys(job, selection, without))
}

function namedIn({ without, only }: DrillOptions): readonly string[] {
  const named = without ?? only ?? []
  if (named.length > 0 && (without === undefined) !== (only === undefined)) return named
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'a drill names providers either as gone or as all that is left',
    {
      hint: 'pass names in "without" or in "only"',
    },
  )
}

async function wrappingNames({ store }: KeyServices, selection: Selection): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { wraps } of selection.records(store))
    for (const { provider } of wraps) names.add(provider)
  return names
}

async function drillKeys(
  job: RunningJob,
  selection: Selection,
  without: readonly string[],
): Promise<Omit<DrillReport, keyof JobReport> & Pick<DrillReport, 'outcome'>> {
  const { clock, store } = job.services
  const openedBy: Record<string, number> = {}
  const lost: LostKey[] = []
  const alive = async (): Promise<number> => {
    let count = 0
    for await (const { status } of selection.records(store)) if (status !== 'destroyed') count++
    return count
  }
  let keys = 0
  await eachKey(job, selection.records(store), new KeyLog(() => clock.now()), {
    step: 'open',
    total: await alive(),
    work: async (record) => {
      if (record.status === 'destroyed') return undefined
      const { by, tried } = await tryAll(job, record, without)
      keys++
      if (by === undefined) lost.push(lostKey(record, tried))
      else openedBy[by] = (openedBy[by] ?? 0) + 1
      return false
    },
  })
  const outcome = lost.length === 0 ? 'all open' : 'lost'
  return { job: 'drill', selection: selection.filter, without, outcome, keys, openedBy, lost: ordered(lost) }
}

interface Tried {
  /** The provider that opened it. */
  readonly by?: string
  readonly tried: LostKey['tried']
}

async function tryAll(
  { services }: RunningJob,
  record: KeyRecord,
  without: readonly string[],
): Promise<Tried> {
  const tried: { provider: string; code: ErrorCode }[] = []
  for (const wrapped of record.wraps) {
    const { provider } = wrapped
    if (without.includes(provider)) continue
    try {
      wipe((await unwrapThrough(services.calls, record, [wrapped])).dataKey)
      return { by: provider, tried }
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
      tried.push({ provider, code: error.code })
    }
  }
  return { tried }
}

const lostKey = ({ id, keyring, version, status }: KeyRecord, tried: LostKey['tried']): LostKey => ({
  keyId: id,
  keyring,
  version,
  status,
  tried,
})

/** Keys come as they are answered for. */
const ordered = (lost: readonly LostKey[]): LostKey[] =>
  lost.toSorted((a, b) => (a.keyring === b.keyring ? a.version - b.version : a.keyring < b.keyring ? -1 : 1))
