/** Real processes that do the same thing to the same key file, store and audit log at the same moment. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import type { Keywright } from '../../src/index.ts'
import type { Attempt, CreateResult, LeaseResult, RotateResult, Sealed } from './child.ts'
import { newPlace, openPlace, type Place, removePlace } from './support/place.ts'
import { endWorkers, together, Worker } from './support/worker.ts'

const CHILD = join(import.meta.dirname, 'child.ts')
const TIMEOUT_MS = 60_000

const places: Place[] = []
afterEach(async () => {
  await endWorkers()
  for (const place of places.splice(0)) removePlace(place)
})

/** An empty place; `made` with key file and store. */
async function emptyPlace(policy: object, made = true): Promise<Place> {
  const place = newPlace(policy)
  places.push(place)
  if (made) await prepare(place)
  return place
}

/** Makes key file and store; no keyring yet. */
async function prepare(place: Place): Promise<void> {
  await using keywright = await openPlace(place, { create: true })
  expect((await keywright.check()).state).toBe('ok')
}

/** What every one of `count` processes came to. Fails with what went wrong in one of them. */
async function race<T>(place: Place, count: number, command: string): Promise<T[]> {
  const outcomes = await together<{ value?: T }>(CHILD, count, command, place)
  expect(outcomes.filter((outcome) => !('value' in outcome))).toEqual([])
  return outcomes.map(({ value }) => value as T)
}

async function expectAllDecrypt(keywright: Keywright, sealed: readonly Sealed[]): Promise<void> {
  for (const { text, ciphertext } of sealed) expect(await keywright.decrypt(ciphertext)).toBe(text)
}

async function expectSoundAudit(place: Place): Promise<void> {
  const report = await verifyAudit(fileAuditSink({ path: join(place.folder, 'audit.jsonl') }))
  expect(report).toMatchObject({ ok: true, problems: [] })
  expect(report.torn).toBeUndefined()
}

describe('processes at once', () => {
  it('16 that need the first key of a keyring make one', { timeout: TIMEOUT_MS }, async () => {
    const place = await emptyPlace({})
    const sealed = (await race<Sealed[]>(place, 16, 'encrypt')).flat()
    expect(sealed).toHaveLength(320)
    await using keywright = await openPlace(place)
    expect(await keywright.keys.list()).toMatchObject([{ keyring: 'pii', version: 1, state: 'active' }])
    await expectAllDecrypt(keywright, sealed)
    await expectSoundAudit(place)
  })

  it('8 that rotate make versions of their own, one of them active', { timeout: TIMEOUT_MS }, async () => {
    const place = await emptyPlace({})
    const results = await race<RotateResult>(place, 8, 'rotate')
    await using keywright = await openPlace(place)
    const keys = await keywright.keys.list()
    const rotations = results.filter(({ rotated }) => rotated).length
    expect(rotations).toBeGreaterThan(0)
    expect(keys.map(({ version }) => version)).toEqual(Array.from({ length: rotations + 1 }, (_, n) => n + 1))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(keys.length)
    expect(keys.map(({ state }) => state)).toEqual([...Array(rotations).fill('deactivated'), 'active'])
    await expectAllDecrypt(
      keywright,
      results.flatMap(({ sealed }) => sealed),
    )
    await expectSoundAudit(place)
  })

  it('4 that begin in an empty folder share one installation', { timeout: TIMEOUT_MS }, async () => {
    const place = await emptyPlace({}, false)
    const results = await race<CreateResult>(place, 4, 'create')
    expect(new Set(results.map(({ installation }) => installation)).size).toBe(1)
    expect(new Set(results.map(({ masterKey }) => masterKey)).size).toBe(1)
    await using keywright = await openPlace(place)
    await expectAllDecrypt(
      keywright,
      results.flatMap(({ sealed }) => sealed),
    )
    const names = readdirSync(place.folder).filter((name) => /\.(keys|db)$|tmp/.test(name))
    expect(names.sort()).toEqual(['keys.db', 'master.keys'])
    await expectSoundAudit(place)
  })

  it.each([320, 37])(
    '6 never encrypt more than %i messages together',
    {
      timeout: TIMEOUT_MS,
    },
    async (limit) => {
      const pii = { maxMessages: limit, rotation: { auto: false, messages: limit } }
      const place = await emptyPlace({ keyTypes: { pii } })
      const results = await race<LeaseResult>(place, 6, 'lease')
      expect(results.map(({ code }) => code)).toEqual(Array(6).fill('ERR_KEY_EXHAUSTED'))
      const sealed = results.reduce((sum, result) => sum + result.sealed, 0)
      expect(sealed).toBeLessThanOrEqual(limit)
      expect(sealed).toBeGreaterThan(limit / 2)
      await using keywright = await openPlace(place)
      const [key] = await keywright.keys.list()
      expect(key?.usage.messages, 'unused leases went back').toBe(sealed)
      expect(key?.usage.bytes).toBe(results.reduce((sum, { bytes }) => sum + bytes, 0))
      expect(await keywright.keys.list()).toHaveLength(1)
    },
  )
})

describe('a change in another process', () => {
  it('is known everywhere within the refresh period', { timeout: TIMEOUT_MS }, async () => {
    const refreshMs = 200
    const pii = { cache: { refresh: `${refreshMs}ms` }, serveStale: '0s', rotation: { auto: false } }
    const place = await emptyPlace({ keyTypes: { pii } })
    const worker = new Worker(CHILD, 0, 'tryOnDemand', place)
    const { id } = (await worker.line(0)) as { id: number }
    let asked = 0
    /** Asks until the answer is `wanted`; resolves to all attempts. */
    const until = async (wanted: string): Promise<Attempt[]> => {
      const attempts: Attempt[] = []
      for (const begun = performance.now(); attempts.at(-1)?.answer !== wanted; ) {
        if (performance.now() - begun > 20_000) throw new Error(`no ${wanted} within 20 s`)
        worker.send('try')
        asked += 1
        attempts.push((await worker.line(asked)) as Attempt)
      }
      return attempts
    }
    await until('ok')
    await using keywright = await openPlace(place)
    for (let turn = 0; turn < 3; turn++) {
      await keywright.keys.suspend(id, 'looks wrong')
      const suspendedAt = Date.now()
      // However busy the machine is: what was read before the change must not serve any longer than this.
      const late = ({ at, answer }: Attempt): boolean => answer === 'ok' && at > suspendedAt + refreshMs
      expect((await until('ERR_KEY_SUSPENDED')).filter(late)).toEqual([])
      await keywright.keys.resume(id)
      await until('ok')
    }
    worker.send('end')
    expect(await worker.ended).toEqual({ code: 0, signal: null })
  })
})
