/** What a move would do, by looking. Nothing is changed, and no provider is asked for a key. */
import { KeywrightError } from '../errors.ts'
import type { KeyServices } from '../keys/services.ts'
import { formatDuration } from '../policy/duration.ts'
import { isProviderName } from '../policy/names.ts'
import { MoveMemo } from './move-memo.ts'
import { MOVE_STATES, type MoveState, moveState } from './move-state.ts'
import { type KeySelection, Selection } from './selection.ts'
import { wantedProviders } from './wanted.ts'

/** From which provider to which, and of which keys. */
export interface MoveRequest extends KeySelection {
  readonly from: string
  readonly to: string
  /**
   * How long a key stays wrapped by both after the new provider came to be preferred, in ms. 0 is for when no other
   * process is running. @default the longest cache ttl and refresh period of the key types concerned
   */
  readonly windowMs?: number
}

export type MoveCounts = Readonly<Record<MoveState, number>>

export interface MovePlan {
  readonly from: string
  readonly to: string
  readonly selection: KeySelection
  readonly counts: MoveCounts
  /** By name. */
  readonly keyrings: readonly { readonly keyring: string; readonly counts: MoveCounts }[]
  /** What the whole move will ask of providers. */
  readonly calls: {
    /** Of the new one. */
    readonly wraps: number
    /** Of the new one: after adding, before the last step, and right before each removal. */
    readonly checks: number
    /** Of whatever wrap opens a key first. */
    readonly opens: number
  }
  readonly windowMs: number
  /** ISO 8601: from when the last step may run, once every key prefers the new provider. */
  readonly removeFrom?: string
  /** How far it has got. 'unknown': the store keeps no documents. */
  readonly phase: 'new' | 'under way' | 'removing' | 'finished' | 'rolled back' | 'unknown'
  /** Key types whose policy still wraps new keys under `from`: the last step is refused until it does not. */
  readonly stillWrapping: readonly string[]
  readonly warnings: readonly string[]
}

/** A request that was checked. */
export interface MoveSettings {
  readonly from: string
  readonly to: string
  readonly selection: Selection
  readonly windowMs: number
  readonly leastWindowMs: number
}

/** Throws ERR_ARGUMENT_INVALID for a move onto itself and a window that is none, ERR_PROVIDER_UNKNOWN. */
export function moveSettings(services: KeyServices, request: MoveRequest): MoveSettings {
  const { from, to, windowMs } = request
  if (from === to) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a move onto itself: both providers are the same', {
      hint: 'to bring wraps under the newest master key version of one provider, use rewrap',
    })
  }
  if (windowMs !== undefined && !(Number.isSafeInteger(windowMs) && windowMs >= 0)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', '"windowMs" is not a whole number from 0', {
      hint: 'it is a time in milliseconds; leave it out for the longest cache of the policy',
    })
  }
  // What is no name of a provider is not shown, and stands in no document.
  for (const name of [from, to]) if (!isProviderName(name)) services.calls.get(name)
  const selection = new Selection(request)
  const least = defaultWindow(services, selection)
  return { from, to, selection, windowMs: windowMs ?? least, leastWindowMs: least }
}

/** After it every process has read the records again and has opened its keys by them. */
function defaultWindow({ policy }: KeyServices, selection: Selection): number {
  const times = selection.keyTypes(policy).map(([, { cache }]) => cache.ttlMs + cache.refreshMs)
  return Math.max(0, ...times)
}

/** Where the keys of a move are. */
export interface MoveSurvey {
  readonly counts: MoveCounts
  readonly keyrings: MovePlan['keyrings']
}

/** One look at every selected key. */
export async function surveyMove(
  { store }: KeyServices,
  { from, to, selection }: MoveSettings,
): Promise<MoveSurvey> {
  const counts = noCounts()
  const byKeyring = new Map<string, Record<MoveState, number>>()
  for await (const record of selection.records(store)) {
    const state = moveState(record, from, to)
    const own = byKeyring.get(record.keyring) ?? noCounts()
    byKeyring.set(record.keyring, own)
    counts[state]++
    own[state]++
  }
  return { counts, keyrings: [...byKeyring].map(([keyring, own]) => ({ keyring, counts: own })) }
}

const noCounts = (): Record<MoveState, number> =>
  Object.fromEntries(MOVE_STATES.map((state) => [state, 0])) as Record<MoveState, number>

/** Keys that the old provider still wraps. */
export const underSource = ({ source, added, preferred }: MoveCounts): number => source + added + preferred

/** Key types in the selection whose policy wraps new keys under `from`. */
export function stillWrapping({ policy }: KeyServices, { selection, from }: MoveSettings): string[] {
  return selection
    .keyTypes(policy)
    .filter(([, keyType]) => wantedProviders(keyType).includes(from))
    .map(([name]) => name)
}

/** What the operator should know before it matters. */
export function moveWarnings(services: KeyServices, settings: MoveSettings, memo: MoveMemo): string[] {
  const { from, windowMs, leastWindowMs } = settings
  const types = stillWrapping(services, settings)
  const warnings: string[] = []
  if (types.length > 0) {
    warnings.push(
      `the policy still wraps new keys of ${types.join(', ')} under ${from}: the last step waits until it does not`,
    )
  }
  if (windowMs < leastWindowMs) {
    warnings.push(
      `the window is shorter than ${formatDuration(leastWindowMs)}, after which every process has read the new wraps`,
    )
  }
  if (!services.calls.names.includes(from)) {
    warnings.push(`${from} is not configured here: keys that only it wraps cannot be moved`)
  }
  if (!memo.lasts) {
    warnings.push(
      'this key store keeps no documents: the window begins anew with every run, and nothing keeps two runs apart',
    )
  }
  return warnings
}

/** Throws ERR_ARGUMENT_INVALID, ERR_PROVIDER_UNKNOWN, and ERR_JOB_REFUSED when there is nothing to move. */
export async function planMove(services: KeyServices, request: MoveRequest): Promise<MovePlan> {
  const settings = moveSettings(services, request)
  const { from, to, selection, windowMs } = settings
  services.calls.get(to)
  const memo = await MoveMemo.open(services.store, from, to, selection, services.clock.now())
  const { counts, keyrings } = await surveyMove(services, settings)
  assertSomething(services, settings, counts, memo)
  const left = underSource(counts)
  const at = removeFromOf(memo, windowMs)
  return {
    from,
    to,
    selection: selection.filter,
    counts,
    keyrings,
    calls: { wraps: counts.source, checks: counts.source + 2 * left, opens: counts.source },
    windowMs,
    ...(at === undefined || memo.isOver ? {} : { removeFrom: new Date(at).toISOString() }),
    phase: phaseOf(memo),
    stillWrapping: stillWrapping(services, settings),
    warnings: moveWarnings(services, settings, memo),
  }
}

/** Throws when the old provider wraps none of the keys, unless that is what this very move has brought about. */
export function assertSomething(
  { calls }: KeyServices,
  { from, to, selection }: MoveSettings,
  counts: MoveCounts,
  memo: MoveMemo,
): void {
  if (underSource(counts) > 0 || (memo.isKnown && counts.moved > 0)) return
  calls.get(from)
  const which = Object.keys(selection.filter).length === 0 ? 'no key' : 'no key of this selection'
  throw new KeywrightError('ERR_JOB_REFUSED', `nothing to move: ${which} is wrapped by ${from}`, {
    hint:
      counts.moved > 0
        ? `${counts.moved} are wrapped by ${to} already; \`keywright keys list\` shows the wraps of every key`
        : '`keywright keys list` shows the wraps of every key',
    details: { from, to },
  })
}

/** From when the last step may run; undefined before every key prefers the new provider. */
export function removeFromOf({ memory }: MoveMemo, windowMs: number): number | undefined {
  return memory.preferredAt === undefined ? undefined : memory.preferredAt + windowMs
}

function phaseOf({ lasts, isKnown, memory }: MoveMemo): MovePlan['phase'] {
  if (!lasts) return 'unknown'
  if (!isKnown) return 'new'
  if (memory.rolledBackAt !== undefined) return 'rolled back'
  if (memory.finishedAt !== undefined) return 'finished'
  return memory.removingSince === undefined ? 'under way' : 'removing'
}
