/**
 * Moves there and back, rollbacks, rotations, rewraps and repairs, alone and side by side, killed at any write, with
 * either provider down. No wrap ever goes but beside one that opened at that moment; every key opens all the time;
 * and when it is over, a move or a rollback brings every key to where it belongs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import type { ErrorCode, Keywright } from '../../src/index.ts'
import type { KeyRecord, KeyStore } from '../../src/store.ts'
import memoryStore from '../../stores/memory.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { codeOf } from '../kit/failures.ts'
import { testSeed } from '../kit/random.ts'
import { DocumentedStore, MoveWorld } from '../unit/jobs/move-kit.ts'
import { type Change, type MoveOperation, operations, type ProviderName } from './move-operations.ts'

/** What anything may be refused with: outages, somebody else's turn, a key or a move that is not so far. */
const ALLOWED: ReadonlySet<ErrorCode> = new Set([
  'ERR_PROVIDER_UNAVAILABLE',
  'ERR_PROVIDER_DENIED',
  'ERR_STORE_BUSY',
  'ERR_STORE_CONFLICT',
  'ERR_JOB_REFUSED',
  'ERR_JOB_RUNNING',
  'ERR_KEY_STATE',
  'ERR_KEY_DESTROYED',
  'ERR_KEY_SUSPENDED',
])

const THERE = { from: 'file', to: 'vault', windowMs: 0, takeOver: true } as const
const BACK = { from: 'vault', to: 'file', windowMs: 0, takeOver: true } as const

const dead = (): KeywrightError => new KeywrightError('ERR_STORE_BUSY', 'killed', { hint: 'none' })

class Model {
  readonly world: MoveWorld
  readonly kw: Record<ProviderName, Keywright>
  /** Writes until the process is killed. */
  #left = Number.POSITIVE_INFINITY
  #written = false
  #killed = false
  #afterUpdate = (): void => undefined

  constructor(inner: KeyStore) {
    const store = new DocumentedStore({ ...inner, update: (record) => this.#update(inner, record) })
    store.before = () => this.#assertAlive()
    store.beforeDocument = () => this.#write()
    this.world = new MoveWorld({}, store)
    this.kw = { file: this.world.open('file'), vault: this.world.open('vault') }
  }

  #assertAlive(): void {
    if (this.#killed) throw dead()
  }

  #write(): void {
    this.#assertAlive()
    if (--this.#left > 0) return
    this.#killed = true
    if (!this.#written) throw dead()
  }

  async #update(inner: KeyStore, record: KeyRecord): Promise<boolean> {
    this.#write()
    const before = await inner.get(record.id)
    const done = await inner.update(record)
    if (done && before !== undefined) this.#expectSafe(before, record)
    this.#afterUpdate()
    this.#assertAlive() // killed after the write, before its answer
    return done
  }

  /**
   * A wrap is removed only beside one whose provider could have opened the key at that moment, and nobody's change of
   * a status is written over.
   */
  #expectSafe(before: KeyRecord, now: KeyRecord): void {
    const after = { compromised: ['compromised', 'destroyed'], destroyed: ['destroyed'] }
    if (before.status === 'compromised' || before.status === 'destroyed')
      expect(after[before.status]).toContain(now.status)
    if (now.status === 'destroyed' || now.wraps.length >= before.wraps.length) return
    const reachable = now.wraps.filter(({ provider }) => this.#providerOf(provider).mode === 'up')
    expect(reachable, `key ${now.id} is left with what nobody can open`).not.toEqual([])
  }

  #providerOf(name: string): MoveWorld['file'] {
    return name === 'file' ? this.world.file : this.world.vault
  }

  async records(): Promise<readonly KeyRecord[]> {
    return this.world.records()
  }

  async allow(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      expect([...ALLOWED]).toContain(codeOf(error))
    }
  }

  change(change: Change): Promise<void> {
    return this.allow(async () => {
      switch (change.op) {
        case 'move': {
          const { direction, step, concurrency } = change
          const options = { step, concurrency } as const
          if (direction === 'there') return this.kw.vault.jobs.move({ ...THERE, ...options })
          return this.kw.file.jobs.move({ ...BACK, ...options })
        }
        case 'rollback':
          if (change.direction === 'there')
            return this.kw.file.jobs.rollbackMove({ ...THERE, concurrency: 1 })
          return this.kw.vault.jobs.rollbackMove({ ...BACK, concurrency: 1 })
        case 'rotate':
          return this.kw[change.by].keys.rotate('pii', { force: true, now: true })
        case 'rewrap':
          await this.kw[change.of].keys.rotateMaster(change.of)
          return this.kw.file.keys.rewrap()
        case 'repair':
          return this.kw.vault.jobs.repair({ prune: change.prune, concurrency: 1, takeOver: true })
        default:
          return this.#changeStatus(change.op, change.pick)
      }
    })
  }

  async #changeStatus(op: 'suspend' | 'revoke' | 'destroy', pick: number): Promise<unknown> {
    const records = await this.records()
    const { id } = records[pick % records.length] as KeyRecord
    if (op !== 'destroy') return this.kw.file.keys[op](id, 'model')
    // By the back door: the guards of `destroy` are not what is tested, and nothing is encrypted under a search key.
    const [index] = records.filter(({ keyring }) => keyring === 'blind_index')
    if (index === undefined || index.status === 'destroyed') return undefined
    return this.world.store.client().update({
      ...index,
      status: 'destroyed',
      wraps: [],
      revision: index.revision + 1,
    })
  }

  async step(operation: MoveOperation): Promise<void> {
    switch (operation.op) {
      case 'alone':
        return this.change(operation.change)
      case 'together':
        return this.#together(operation)
      case 'killed':
        this.#left = operation.at
        this.#written = operation.written
        await this.change(operation.change)
        this.#left = Number.POSITIVE_INFINITY
        this.#killed = false
        return
      case 'breaks':
        return this.#breaks(operation)
      case 'outage':
        this.world[operation.of].mode = operation.mode
        return
      default:
        return this.allow(async () => {
          this.world.sealed.push(await this.kw.file.encrypt('session', 'x'))
        })
    }
  }

  /** One key at a time: then nothing comes between the check of a wrap and the removal of another. */
  async #breaks({ change, of, at }: Extract<MoveOperation, { op: 'breaks' }>): Promise<void> {
    const provider = this.world[of]
    let events = 0
    const count = (): void => {
      if (++events === at) provider.mode = 'down'
    }
    provider.before = count
    this.#afterUpdate = count
    await this.change(change.op === 'move' ? { ...change, concurrency: 1 } : change)
    provider.mode = 'up'
    provider.before = undefined
    this.#afterUpdate = () => undefined
  }

  /** Side by side, each call of a provider waiting for a while that the seed tells. */
  async #together({ one, other, seed }: Extract<MoveOperation, { op: 'together' }>): Promise<void> {
    let state = seed
    const dawdle = async (): Promise<void> => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      for (let turn = state >>> 30; turn > 0; turn--) await setImmediate()
    }
    this.world.file.before = dawdle
    this.world.vault.before = dawdle
    this.world.store.before = dawdle
    await Promise.all([this.change(one), this.change(other)])
    this.world.file.before = undefined
    this.world.vault.before = undefined
    this.world.store.before = () => this.#assertAlive()
  }

  /** With both providers up again for a moment, every key opens. */
  async expectAllOpen(): Promise<void> {
    const { file, vault } = this.world
    const modes = [file.mode, vault.mode] as const
    file.mode = 'up'
    vault.mode = 'up'
    expect((await this.kw.file.jobs.drill({ without: ['aws'] })).lost).toEqual([])
    file.mode = modes[0]
    vault.mode = modes[1]
  }

  async expectEnd(end: 'there' | 'back'): Promise<void> {
    const { world } = this
    world.file.mode = 'up'
    world.vault.mode = 'up'
    for (const { id, status } of await this.records())
      if (status === 'suspended') await this.kw.file.keys.resume(id)
    const [target, options] = end === 'there' ? (['vault', THERE] as const) : (['file', BACK] as const)
    const { counts } = await this.#finish(target, options)
    expect([counts.source, counts.added, counts.preferred]).toEqual([0, 0, 0])
    for (const { status, wraps } of await this.records()) {
      expect(wraps.map(({ provider }) => provider)).toEqual(status === 'destroyed' ? [] : [target])
    }
    world[end === 'there' ? 'file' : 'vault'].mode = 'down'
    const reader = world.open(target)
    for (const kw of [this.kw.file, this.kw.vault, reader])
      for (const text of world.sealed) expect(await kw.decrypt(text)).toBe('x')
    expect(await reader.verifyAudit()).toMatchObject({ ok: true })
    await world.end()
  }

  /** Nothing to move is as good as moved. */
  async #finish(target: ProviderName, options: typeof THERE | typeof BACK) {
    try {
      const report = await this.kw[target].jobs.move(options)
      expect(report.outcome).toBe('finished')
      return report
    } catch (error) {
      expect(codeOf(error)).toBe('ERR_JOB_REFUSED')
      return { counts: { source: 0, added: 0, preferred: 0 } }
    }
  }
}

async function run(steps: readonly MoveOperation[], end: 'there' | 'back', store: KeyStore): Promise<void> {
  const model = new Model(store)
  await model.world.fill(model.kw.file)
  for (const operation of steps) {
    await model.step(operation)
    await model.expectAllOpen()
  }
  await model.expectEnd(end)
}

const seed = testSeed()
const ends = fc.constantFrom('there' as const, 'back' as const)

it(`on the memory store (KEYWRIGHT_TEST_SEED=${seed})`, { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(operations, ends, (steps, end) => run(steps, end, memoryStore())),
    { numRuns: 100, seed },
  )
})

it(`on SQLite (KEYWRIGHT_TEST_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-move-'))
  let n = 0
  try {
    await fc.assert(
      fc.asyncProperty(operations, ends, async (steps, end) => {
        const store = await openSqliteStore({ path: join(folder, `${n++}.db`), create: true })
        await run(steps, end, store)
        await store.close?.()
      }),
      { numRuns: 8, seed },
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
