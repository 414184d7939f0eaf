/** Giving every key the wraps that its policy wants, and taking away those that it does not. */
import { KeywrightError } from '../errors.ts'
import type { KeyServices } from '../keys/services.ts'
import type { KeyRecord, WrappedKey } from '../store.ts'
import { eachKey } from './each-key.ts'
import { type JobOptions, type JobReport, type RunningJob, runJob } from './job.ts'
import { KeyFailure, KeyLog, type KeyReport } from './key-log.ts'
import { movesUnderWay } from './move-memo.ts'
import { wrapsOf } from './move-state.ts'
import { type KeySelection, Selection } from './selection.ts'
import { wantedFor } from './wanted.ts'
import { addWrap, removeWraps, type StepContext } from './wrap-steps.ts'

export interface RepairOptions extends KeySelection, JobOptions {
  /** Also remove wraps by providers that the policy does not want, once every wanted one opens the key. @default false */
  readonly prune?: boolean
  /** Only count. @default false */
  readonly dryRun?: boolean
}

export interface RepairReport extends JobReport {
  readonly job: 'repair'
  readonly selection: KeySelection
  /** 'planned': a dry run. 'incomplete': some wraps are still missing, or could not be removed. */
  readonly outcome: 'finished' | 'incomplete' | 'planned'
  /** Wraps by provider that are missing now (in a dry run: that would be added). */
  readonly missing: Readonly<Record<string, number>>
  /** Wraps by provider that no policy wants now. They are removed only with `prune`. */
  readonly unwanted: Readonly<Record<string, number>>
  readonly done: { readonly added: number; readonly removed: number }
  readonly failed: number
  readonly keys: readonly KeyReport[]
}

/**
 * Adds what is missing; each new wrap is opened there and compared. A provider that is down keeps only its own wraps
 * from being added. Throws ERR_JOB_RUNNING, ERR_ABORTED, and ERR_JOB_REFUSED when it should prune during a move.
 */
export async function repair(services: KeyServices, options: RepairOptions = {}): Promise<RepairReport> {
  const selection = new Selection(options)
  const { prune = false, dryRun = false } = options
  if (prune && !dryRun) await assertNoMove(services)
  const details = { job: 'repair', prune, dryRun, ...selection.filter }
  const about = { title: 'repair', details, changes: !dryRun }
  return runJob(services, about, options, (job) => repairKeys(job, selection, { prune, dryRun }))
}

/** During its window a move has wraps that no policy wants, or not yet. */
async function assertNoMove({ store }: KeyServices): Promise<void> {
  const [one] = await movesUnderWay(store)
  if (one === undefined) return
  const what = `no wraps are removed: a move from ${one.from} to ${one.to} is under way`
  throw new KeywrightError('ERR_JOB_REFUSED', what, {
    hint: 'finish it or roll it back; without prune, repair only adds wraps',
    details: { from: one.from, to: one.to },
  })
}

interface Mode {
  readonly prune: boolean
  readonly dryRun: boolean
}

async function repairKeys(
  job: RunningJob,
  selection: Selection,
  { prune, dryRun }: Mode,
): Promise<Omit<RepairReport, keyof JobReport> & Pick<RepairReport, 'outcome'>> {
  const { clock, store } = job.services
  const log = new KeyLog(() => clock.now())
  const context = { job, log }
  const before = await survey(job.services, selection)
  const pass = (step: string, total: number, work: (record: KeyRecord) => Promise<boolean | undefined>) =>
    eachKey(job, selection.records(store), log, { step, total, toTheEnd: true, work })
  if (!dryRun) {
    await pass('add', before.lacking, (record) => addMissing(context, record))
    if (prune) await pass('remove', before.overfull, (record) => removeUnwanted(context, record))
  }
  const { missing, unwanted } = dryRun ? before : await survey(job.services, selection)
  const left = Object.keys(missing).length + (prune ? Object.keys(unwanted).length : 0)
  return {
    job: 'repair',
    selection: selection.filter,
    outcome: dryRun ? 'planned' : log.failed + left === 0 ? 'finished' : 'incomplete',
    missing,
    unwanted,
    done: { added: log.count('add-wrap'), removed: log.count('remove-wrap') },
    failed: log.failed,
    keys: log.report(),
  }
}

interface Survey extends Pick<RepairReport, 'missing' | 'unwanted'> {
  /** Keys that lack a wrap. */
  readonly lacking: number
  /** Keys that have one too many. */
  readonly overfull: number
}

async function survey({ policy, store }: KeyServices, selection: Selection): Promise<Survey> {
  const missing: Record<string, number> = {}
  const unwanted: Record<string, number> = {}
  const count = (into: Record<string, number>, names: readonly string[]): number => {
    for (const name of names) into[name] = (into[name] ?? 0) + 1
    return names.length === 0 ? 0 : 1
  }
  const keys = { lacking: 0, overfull: 0 }
  for await (const record of selection.records(store)) {
    const wanted = wantedOf(policy, record)
    if (wanted === undefined) continue
    keys.lacking += count(missing, missingIn(record, wanted))
    keys.overfull += count(unwanted, unwantedIn(record, wanted))
  }
  return { missing, unwanted, ...keys }
}

/** Undefined for a key that is destroyed, or of a key type that the policy does not have any more. */
const wantedOf = (
  policy: KeyServices['policy'],
  { keyring, status }: KeyRecord,
): readonly string[] | undefined => (status === 'destroyed' ? undefined : wantedFor(policy, keyring))

const missingIn = (record: KeyRecord, wanted: readonly string[]): string[] =>
  wanted.filter((name) => wrapsOf(record, name).length === 0)

const unwantedIn = ({ wraps }: KeyRecord, wanted: readonly string[]): string[] => [
  ...new Set(wraps.map(({ provider }) => provider).filter((name) => !wanted.includes(name))),
]

/** One provider after the other; one that fails does not keep the next from its turn. */
async function addMissing(context: StepContext, record: KeyRecord): Promise<boolean | undefined> {
  const wanted = wantedOf(context.job.services.policy, record)
  const names = wanted === undefined ? [] : missingIn(record, wanted)
  if (wanted === undefined || names.length === 0) return undefined
  const failures: unknown[] = []
  for (const name of names) {
    const wants = (read: KeyRecord): boolean => wrapsOf(read, name).length === 0
    try {
      await addWrap(context, record, { provider: name, wants, placed: ranked(wanted) })
    } catch (error) {
      if (isOurs(error)) throw error
      failures.push(error)
    }
  }
  const [first] = failures
  if (first !== undefined) throw first instanceof KeywrightError ? new KeyFailure(first) : first
  return true
}

/** What fails for every provider: the store, the audit log. */
const isOurs = (error: unknown): boolean =>
  error instanceof KeywrightError && /^ERR_(STORE|AUDIT|CLOSED|INTERNAL)/.test(error.code)

/** The new wrap before the first one that the policy wants less. */
const ranked =
  (wanted: readonly string[]) =>
  ({ wraps }: KeyRecord, added: WrappedKey): WrappedKey[] => {
    const rank = ({ provider }: WrappedKey): number =>
      wanted.includes(provider) ? wanted.indexOf(provider) : wanted.length
    const found = wraps.findIndex((wrap) => rank(wrap) > rank(added))
    const at = found < 0 ? wraps.length : found
    return [...wraps.slice(0, at), added, ...wraps.slice(at)]
  }

/** Only a key that every wanted provider opens loses a wrap. */
async function removeUnwanted(context: StepContext, record: KeyRecord): Promise<boolean | undefined> {
  const { policy } = context.job.services
  const wanted = wantedOf(policy, record)
  const names = wanted === undefined ? [] : unwantedIn(record, wanted)
  if (wanted === undefined || names.length === 0) return undefined
  const isComplete = (read: KeyRecord): boolean => missingIn(read, wanted).length === 0
  let removed = false
  for (const name of names) {
    const mayGo = (read: KeyRecord): boolean => isComplete(read) && wrapsOf(read, name).length > 0
    const now: KeyRecord | undefined = removed ? await context.job.services.store.get(record.id) : record
    if (now !== undefined) removed = (await removeWraps(context, now, name, wanted, mayGo)) || removed
  }
  return removed
}
