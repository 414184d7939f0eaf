/**
 * Two processes on one store, in any order of use, rotation, suspension, crashes and outages. Nothing that was ever
 * encrypted loses its key, every refusal has a cause that is true at that moment, and all is well when it is over.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { keyIdOf, parseCiphertext } from '../../src/crypto/ciphertext.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { Keywright } from '../../src/index.ts'
import { viewKeyring } from '../../src/keys/states.ts'
import type { KeyRecord, KeyStore } from '../../src/store.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { codeOf } from '../kit/failures.ts'
import { testSeed } from '../kit/random.ts'
import { TestStore } from '../kit/store.ts'
import { policyWith, World } from '../kit/world.ts'
import { KEY_TYPES, MINUTE, type Operation, operations, SECOND } from './model-operations.ts'

const REFRESH = MINUTE

const POLICY = policyWith({
  pii: {
    rotation: { ageMs: 60 * MINUTE, messages: 500 },
    maxMessages: 2000,
    cache: { ttlMs: 10 * MINUTE, uses: 40, refreshMs: REFRESH },
    serveStaleMs: 5 * MINUTE,
  },
  vault: {
    algorithm: 'X-AES-256-GCM',
    rotation: { auto: false },
    cache: { ttlMs: 5 * MINUTE, refreshMs: REFRESH },
    serveStaleMs: 0,
  },
})

interface Made {
  readonly text: string
  readonly value: string
  readonly keyId: number
}

class Model {
  readonly world: World
  readonly made: Made[] = []
  readonly skews = [0, -1500]
  readonly processes: Keywright[]
  /** When a status last changed by key, to know whose news may not have arrived everywhere. */
  readonly changedAt = new Map<number, number>()
  count = 0

  constructor(store: KeyStore | undefined) {
    this.world = new World({
      policy: POLICY,
      ...(store === undefined ? {} : { store: new TestStore(store) }),
    })
    this.processes = this.skews.map((skewMs) => this.world.open({ skewMs }))
  }

  kw(index: number): Keywright {
    return this.processes[index] as Keywright
  }

  async records(): Promise<readonly KeyRecord[]> {
    return (await this.world.store.inner.list()).records
  }

  /** Codes that anything may fail with at this moment. */
  outages(): ErrorCode[] {
    const codes: ErrorCode[] = []
    if (this.world.provider.mode === 'down') codes.push('ERR_PROVIDER_UNAVAILABLE')
    if (this.world.store.down) codes.push('ERR_STORE_BUSY', 'ERR_KEYRING_STALE')
    return codes
  }

  /** Whether the news of a change of status may still be on its way: a refresh period, or what is served stale. */
  isNews(id: number): boolean {
    const at = this.changedAt.get(id)
    const slack = this.world.store.down ? Number.POSITIVE_INFINITY : REFRESH + 2 * SECOND
    return at !== undefined && this.world.clock.now() < at + slack
  }

  /** Runs `work`; a failure must have one of `allowed`. Undefined when it failed. */
  async allow<T>(allowed: readonly ErrorCode[], work: () => Promise<T> | T): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      expect([...allowed, ...this.outages()]).toContain(codeOf(error))
      return undefined
    }
  }

  async encrypt(kw: Keywright, type: string, sync: boolean): Promise<void> {
    const value = `value ${this.count++}`
    const records = (await this.records()).filter((record) => record.keyring === type)
    const view = viewKeyring(records, this.world.clock.now())
    const touched = records.some((record) => record.status === 'suspended' || this.isNews(record.id))
    const allowed: ErrorCode[] = []
    if (sync) allowed.push('ERR_KEY_NOT_LOADED', 'ERR_KEYRING_STALE', 'ERR_KEY_LEASE_EXHAUSTED')
    if (touched) allowed.push('ERR_KEY_SUSPENDED')
    if (sync || this.world.provider.mode === 'down') allowed.push('ERR_KEY_COMPROMISED', 'ERR_KEY_EXPIRED')
    // vault does not rotate by itself: its key may be too old or revoked without a successor.
    const stuck = type === 'vault' && view.current !== undefined
    if (stuck) allowed.push('ERR_KEY_EXPIRED', 'ERR_KEY_COMPROMISED', 'ERR_KEY_NOT_LOADED')
    if (this.world.store.down && this.world.provider.mode === 'down') allowed.push('ERR_KEY_NOT_LOADED')
    const text = await this.allow(allowed, () =>
      sync ? kw.encryptSync(type, value) : kw.encrypt(type, value),
    )
    if (text === undefined) return
    const keyId = keyIdOf(parseCiphertext(text))
    this.made.push({ text, value, keyId })
    const record = (await this.records()).find(({ id }) => id === keyId)
    expect(record?.wraps.length).toBeGreaterThan(0) // stored, and openable, before its first use
  }

  async decryptAll(kw: Keywright): Promise<void> {
    const records = new Map((await this.records()).map((record) => [record.id, record]))
    for (const { text, value, keyId } of this.made) {
      const record = records.get(keyId)
      expect(record, `key ${keyId} is gone`).toBeDefined()
      const suspended = record?.status === 'suspended' || this.isNews(keyId)
      const opened = await this.allow(suspended ? ['ERR_KEY_SUSPENDED'] : [], () => kw.decrypt(text))
      if (opened !== undefined) expect(opened).toBe(value)
    }
  }

  async change(op: 'suspend' | 'resume' | 'revoke', kw: Keywright, pick: number): Promise<void> {
    const records = await this.records()
    const record = records[pick % Math.max(1, records.length)]
    if (record === undefined) return
    const { id } = record
    this.changedAt.set(id, this.world.clock.now())
    await this.allow(['ERR_KEY_STATE'], async () => {
      await kw.keys[op](id, 'model')
    })
  }

  async rotate(kw: Keywright, type: string, now: boolean, force: boolean): Promise<void> {
    await this.allow([], () => kw.keys.rotate(type, { now, force }))
  }

  async replace(index: number, crash: boolean): Promise<void> {
    const kw = this.kw(index)
    if (crash) this.world.crash(kw)
    else await kw.close()
    this.processes[index] = this.world.open({ skewMs: this.skews[index] ?? 0 })
  }

  async step(operation: Operation): Promise<void> {
    switch (operation.op) {
      case 'encrypt':
        return this.encrypt(this.kw(operation.process), operation.keyType, operation.sync)
      case 'decryptAll':
        return this.decryptAll(this.kw(operation.process))
      case 'rotate':
        return this.rotate(this.kw(operation.process), operation.keyType, operation.now, operation.force)
      case 'rotateBoth': {
        const { keyType: type, now } = operation
        await Promise.all(this.processes.map((kw) => this.rotate(kw, type, now, true)))
        return
      }
      case 'rotateMaster':
        await this.allow([], () => this.kw(operation.process).keys.rotateMaster('memory'))
        return
      case 'rewrap':
        await this.allow([], () => this.kw(operation.process).keys.rewrap())
        return
      case 'pass':
        return this.world.clock.pass(operation.ms)
      case 'jump':
        return this.world.clock.jump(operation.ms)
      case 'crash':
      case 'reopen':
        return this.replace(operation.process, operation.op === 'crash')
      case 'outage':
        if (operation.of === 'store') this.world.store.down = operation.down
        else this.world.provider.mode = operation.down ? 'down' : 'up'
        return
      default:
        return this.change(operation.op, this.kw(operation.process), operation.pick)
    }
  }

  /** What must hold of the store at every moment. */
  async checkStore(): Promise<void> {
    const records = await this.records()
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length)
    const uses = new Map<number, number>()
    for (const { keyId } of this.made) uses.set(keyId, (uses.get(keyId) ?? 0) + 1)
    for (const record of records) {
      expect(record.wraps.length).toBe(1)
      expect(record.usage.messages).toBeGreaterThanOrEqual(uses.get(record.id) ?? 0)
      expect(record.usage.messages).toBeLessThanOrEqual(record.keyring === 'pii' ? 2000 : 2 ** 48)
    }
    for (const type of KEY_TYPES) {
      const own = records.filter((record) => record.keyring === type)
      const view = viewKeyring(own, this.world.clock.now())
      expect(own.filter((record) => view.stateOf(record) === 'active').length).toBeLessThanOrEqual(1)
      expect(view.records.map(({ version }) => version)).toEqual(own.map((_, index) => index + 1))
    }
  }

  /** Outages over, suspensions undone, time passed: every process, old and new, reads everything. */
  async checkEnd(): Promise<void> {
    this.world.provider.mode = 'up'
    this.world.store.down = false
    for (const { id, status } of await this.records()) {
      if (status === 'suspended') await this.kw(0).keys.resume(id)
    }
    await this.world.clock.pass(2 * REFRESH)
    this.changedAt.clear()
    for (const kw of [...this.processes, this.world.open()]) {
      for (const { text, value } of this.made) expect(await kw.decrypt(text)).toBe(value)
      expect(await kw.decrypt(await kw.encrypt('pii', 'last'))).toBe('last')
      await kw.ready(['pii', 'vault'], { all: true }).catch((error: unknown) => {
        expect(['ERR_KEY_EXPIRED', 'ERR_KEY_COMPROMISED', 'ERR_KEY_NOT_LOADED']).toContain(codeOf(error))
      })
    }
    await this.checkStore()
    await this.world.end()
  }
}

async function run(operations: readonly Operation[], store?: KeyStore): Promise<void> {
  const model = new Model(store)
  for (const operation of operations) {
    await model.step(operation)
    await model.checkStore()
  }
  await model.checkEnd()
}

const seed = testSeed()

it(`on the memory store (KEYWRIGHT_TEST_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(operations, (steps) => run(steps)),
    { numRuns: 250, seed },
  )
}, 60_000)

it(`on SQLite (KEYWRIGHT_TEST_SEED=${seed})`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-model-'))
  let n = 0
  try {
    await fc.assert(
      fc.asyncProperty(operations, async (steps) => {
        const store = await openSqliteStore({ path: join(folder, `${n++}.db`), create: true })
        await run(steps, store)
        await store.close?.()
      }),
      { numRuns: 25, seed },
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
