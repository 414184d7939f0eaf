/** The passes of a move over its keys. Each derives from the wraps what is left to do, so any of them may be cut off. */
import { KeywrightError } from '../errors.ts'
import type { KeyServices } from '../keys/services.ts'
import type { KeyRecord } from '../store.ts'
import { eachKey } from './each-key.ts'
import type { RunningJob } from './job.ts'
import { KeyLog } from './key-log.ts'
import type { MoveMemo } from './move-memo.ts'
import {
  type MoveSettings,
  type MoveSurvey,
  removeFromOf,
  stillWrapping,
  surveyMove,
  underSource,
} from './move-plan.ts'
import { moveState, preferring, withWrapBehind } from './move-state.ts'
import { pause } from './pause.ts'
import { addWrap, checkOpens, preferWrap, removeWraps, type StepContext } from './wrap-steps.ts'

/** A window that ends so soon is waited for. */
const LONGEST_WAIT_MS = 60_000
/** Passes until a step finds nothing more to do. Keys that go on appearing are a policy that still makes them. */
const MAX_PASSES = 20

export type MoveStep = 'all' | 'add' | 'prefer' | 'remove'

export type MoveOutcome =
  /** The old provider wraps none of the keys any more. */
  | 'finished'
  /** Every key is wrapped by both (`step: 'add'`). */
  | 'added'
  /** Every key prefers the new provider (`step: 'prefer'`). */
  | 'preferred'
  /** … and the window is not over: run it again from `removeFrom` on. */
  | 'waiting'
  /** … and the policy still wraps new keys under the old provider. */
  | 'blocked'
  /** Some keys could not be brought further: `keys` says which and why. No old wrap goes while one does not open. */
  | 'incomplete'

export class MoveRun {
  readonly log: KeyLog
  readonly #job: RunningJob
  readonly #services: KeyServices
  readonly #settings: MoveSettings
  readonly #memo: MoveMemo
  readonly #context: StepContext
  #stopping: Promise<void> | undefined

  constructor(job: RunningJob, settings: MoveSettings, memo: MoveMemo) {
    this.#job = job
    this.#services = job.services
    this.#settings = settings
    this.#memo = memo
    this.log = new KeyLog(() => job.services.clock.now())
    this.#context = { job, log: this.log }
  }

  async run(step: MoveStep): Promise<MoveOutcome> {
    for (let round = 0; round < MAX_PASSES; round++) {
      const outcome = await this.#round(step)
      if (outcome !== undefined) return outcome
    }
    return 'incomplete'
  }

  /** One round; undefined when keys appeared, or the window is over: look again. */
  async #round(step: MoveStep): Promise<MoveOutcome | undefined> {
    if (underSource((await this.#survey()).counts) === 0) return 'finished'
    if (step === 'remove') await this.#assertAllPreferred()
    else await this.#advanceAll(step)
    if (this.log.failed > 0) return 'incomplete'
    if (step === 'add') return 'added'
    if (step === 'prefer') return 'preferred'
    if (stillWrapping(this.#services, this.#settings).length > 0) return 'blocked'
    const wait = this.#waitMs()
    if (wait > LONGEST_WAIT_MS) return 'waiting'
    if (wait > 0) {
      await pause(this.#services.clock, wait, this.#job.signal)
      this.#job.assertGoesOn()
      return undefined
    }
    return this.#finish()
  }

  /** Adds and prefers until a pass finds nothing more. A key that comes to prefer makes the window begin anew. */
  async #advanceAll(step: MoveStep): Promise<void> {
    await this.#pass('add', (record) => this.#add(record))
    if (step === 'add') return
    let changed = 0
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const now = await this.#pass('prefer', (record) => this.#addAndPrefer(record))
      changed += now
      if (now === 0) break
    }
    if (this.log.failed > 0) return
    if (changed > 0 || this.#memo.memory.preferredAt === undefined) {
      await this.#memo.note({ preferredAt: this.#services.clock.now() })
    }
  }

  /** Before a key comes to prefer the new provider: a run that is killed now must not leave an older beginning. */
  async #stopWindow(): Promise<void> {
    if (this.#memo.memory.preferredAt === undefined) return
    this.#stopping ??= this.#memo.note({}, 'preferredAt').finally(() => {
      this.#stopping = undefined
    })
    await this.#stopping
  }

  #waitMs(): number {
    const { clock } = this.#services
    const from = removeFromOf(this.#memo, this.#settings.windowMs)
    return from === undefined ? 0 : from - clock.now()
  }

  /** The last step: nothing goes before every key has been opened by the new provider. */
  async #finish(): Promise<MoveOutcome | undefined> {
    const { from, to } = this.#settings
    let appeared = false
    await this.#pass('check', async (record) => {
      const state = moveState(record, from, to)
      if (state === 'preferred') await checkOpens(this.#context, record, to)
      else if (state === 'source' || state === 'added') appeared = true
      return state === 'preferred'
    })
    if (this.log.failed > 0) return 'incomplete'
    if (appeared) return undefined
    await this.#memo.note({ removingSince: this.#memo.memory.removingSince ?? this.#services.clock.now() })
    await this.#pass('remove', (record) => this.#remove(record))
    if (this.log.failed > 0) return 'incomplete'
    const { counts } = await this.#survey()
    return underSource(counts) === 0 ? 'finished' : undefined
  }

  #survey(): Promise<MoveSurvey> {
    return surveyMove(this.#services, this.#settings)
  }

  async #pass(step: string, work: (record: KeyRecord) => Promise<boolean>): Promise<number> {
    const { from, to, selection } = this.#settings
    const total = underSource((await this.#survey()).counts)
    const concerned = async (record: KeyRecord): Promise<boolean | undefined> => {
      const state = moveState(record, from, to)
      return state === 'destroyed' || state === 'moved' || state === 'other' ? undefined : work(record)
    }
    const records = selection.records(this.#services.store)
    return eachKey(this.#job, records, this.log, { step, total, work: concerned })
  }

  #add(record: KeyRecord): Promise<boolean> {
    const { from, to } = this.#settings
    return addWrap(this.#context, record, {
      provider: to,
      wants: (read) => moveState(read, from, to) === 'source',
      placed: ({ wraps }, added) => withWrapBehind(wraps, from, added),
    })
  }

  async #addAndPrefer(record: KeyRecord): Promise<boolean> {
    const { from, to } = this.#settings
    const added = await this.#add(record)
    const now = added ? await this.#services.store.get(record.id) : record
    if (now === undefined || moveState(now, from, to) !== 'added') return added
    await this.#stopWindow()
    return preferWrap(this.#context, now, to, (read) =>
      moveState(read, from, to) === 'added' ? preferring(read.wraps, to, from) : undefined,
    )
  }

  /** A key that appeared meanwhile, or was changed, waits for the next round. */
  #remove(record: KeyRecord): Promise<boolean> {
    const { from, to } = this.#settings
    return removeWraps(this.#context, record, from, [to], (read) => moveState(read, from, to) === 'preferred')
  }

  /** Throws ERR_JOB_REFUSED when a key has not been brought so far. */
  async #assertAllPreferred(): Promise<void> {
    const { counts } = await this.#survey()
    const behind = counts.source + counts.added
    const { preferredAt } = this.#memo.memory
    if (behind === 0 && (preferredAt !== undefined || this.#settings.windowMs === 0)) return
    const { from, to } = this.#settings
    const why = behind > 0 ? `${behind} keys do not prefer ${to} yet` : 'nobody knows since when they do'
    throw new KeywrightError('ERR_JOB_REFUSED', `the wraps of ${from} are not removed: ${why}`, {
      hint: this.#memo.lasts
        ? 'run the step "prefer" first: the window begins when it is done'
        : 'run the step "prefer" first, wait, and state a window of 0: this key store keeps no documents',
      details: { from, to, behind },
    })
  }
}

/** Refuses the last step while new keys would go on appearing. Throws ERR_JOB_REFUSED. */
export function assertMayRemove(services: KeyServices, settings: MoveSettings): void {
  const types = stillWrapping(services, settings)
  if (types.length === 0) return
  const { from } = settings
  const what = `the wraps of ${from} are not removed: the policy still wraps new keys under it`
  throw new KeywrightError('ERR_JOB_REFUSED', `${what} (${types.join(', ')})`, {
    hint: 'let every process wrap these key types by another provider (provider, furtherProviders), then run it again',
    details: { from, keyTypes: types },
  })
}
