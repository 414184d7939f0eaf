/**
 * kill -9 at random points of every operation that makes or changes keys. Afterwards everything opens, and every
 * ciphertext that was ever handed out decrypts. KEYWRIGHT_TEST_SEED repeats the choices of a run that failed; where
 * a kill lands is up to the machine.
 */
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Keywright } from '../../src/index.ts'
import { openPlace, type Place, placeIn, removePlace } from '../race/support/place.ts'
import { endWorkers, Worker } from '../race/support/worker.ts'
import { KEY_TYPES, type Line, OPERATIONS, type Operation } from './protocol.ts'
import { randomFrom } from './random.ts'

const SCRIPT = join(import.meta.dirname, 'worker.ts')
const KILLS = 200
const LEAST_HITS = 5
const FULL_CHECK_EVERY = 10
/** A kill comes at a random moment of this many times what the operation takes. */
const SPREAD = 1.2

const seed = Number(process.env['KEYWRIGHT_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const random = randomFrom(seed)

let place: Place
/** Everything that any worker ever told it had encrypted. */
const sealed = new Map<string, string>()
const durations = new Map<Operation, number>()
/** Kills that landed inside each operation. */
const hits = new Map<Operation, number>()

beforeAll(async () => {
  // Rotations ahead of their date take effect soon, so that their keys are used too.
  const policy = { defaults: { cache: { refresh: '250ms' }, serveStale: '1h' } }
  place = placeIn(mkdtempSync(join(tmpdir(), 'keywright-kill-')), policy)
  await using keywright = await openPlace(place, { create: true })
  await keywright.ready(KEY_TYPES)
})
afterAll(async () => {
  await endWorkers()
  removePlace(place)
})

/** Waits until the worker has begun the operation for the `times`th time. */
async function begun(worker: Worker, operation: Operation, times: number): Promise<void> {
  for (let index = 0, seen = 0; seen < times; index++) {
    const [what, of] = (await worker.line(index)) as Line
    if (what === 'begin' && of === operation) seen++
  }
}

/** Kills a worker inside `operation`, or shortly behind it. */
async function killDuring(worker: Worker, operation: Operation): Promise<readonly Line[]> {
  await worker.line(0)
  worker.send(JSON.stringify([operation, Math.floor(random() * 2 ** 32)]))
  await begun(worker, operation, 1 + Math.floor(random() * 3))
  const at = performance.now() + random() * SPREAD * (durations.get(operation) ?? 5)
  while (performance.now() < at) await setImmediate() // timers count whole milliseconds
  worker.kill()
  expect(await worker.ended).toEqual({ code: null, signal: 'SIGKILL' })
  return worker.lines as Line[]
}

/** Takes down what a worker told before it was killed. */
function note(lines: readonly Line[]): Map<string, string> {
  const told = new Map<string, string>()
  let inside: Operation | undefined
  for (const line of lines) {
    if (line[0] === 'begin') inside = line[1]
    if (line[0] === 'sealed') told.set(line[1], line[2])
    if (line[0] !== 'end') continue
    inside = undefined
    const before = durations.get(line[1]) ?? line[2]
    durations.set(line[1], before * 0.8 + line[2] * 0.2)
  }
  if (inside !== undefined) hits.set(inside, (hits.get(inside) ?? 0) + 1)
  for (const [ciphertext, text] of told) sealed.set(ciphertext, text)
  return told
}

async function expectToDecrypt(keywright: Keywright, values: ReadonlyMap<string, string>): Promise<void> {
  for (const [ciphertext, text] of values) expect(await keywright.decrypt(ciphertext)).toBe(text)
}

/** What must hold after each kill, as a new process sees it. */
async function expectWhole(told: ReadonlyMap<string, string>): Promise<void> {
  await using keywright = await openPlace(place)
  expect(await keywright.check()).toMatchObject({ state: 'ok' })
  expect(await keywright.verifyAudit()).toMatchObject({ ok: true, problems: [] })
  await expectToDecrypt(keywright, told)
}

/** What must hold over everything that ever happened. */
async function expectNothingLost(): Promise<void> {
  await using keywright = await openPlace(place)
  await expectToDecrypt(keywright, sealed)
  const announced = new Set<number | undefined>()
  for await (const { keyId } of keywright.audit.list()) announced.add(keyId)
  const keys = await keywright.keys.list()
  expect(keys.filter(({ id }) => !announced.has(id)).map(({ id }) => id)).toEqual([])
  const byKeyring = Map.groupBy(keys, ({ keyring }) => keyring)
  for (const versions of byKeyring.values()) {
    expect(versions.map(({ version }) => version)).toEqual(versions.map((_, index) => index + 1))
    expect(versions.filter(({ state }) => state === 'active')).toHaveLength(1)
  }
}

describe('a process that is killed', () => {
  it(`loses no key, ${KILLS} times (KEYWRIGHT_TEST_SEED=${seed})`, { timeout: 300_000 }, async () => {
    let next = new Worker(SCRIPT, place)
    for (let kill = 0; kill < KILLS; kill++) {
      const worker = next
      next = new Worker(SCRIPT, place) // starts while this one works
      const operation = OPERATIONS[kill % OPERATIONS.length] as Operation
      const told = note(await killDuring(worker, operation))
      await expectWhole(told)
      if (kill % FULL_CHECK_EVERY === FULL_CHECK_EVERY - 1) await expectNothingLost()
    }
    next.kill()
    await next.ended
    const counts = OPERATIONS.map((operation) => `${operation} ${hits.get(operation) ?? 0}`).join(', ')
    process.stdout.write(`killed inside ${counts}; ${sealed.size} ciphertexts; seed ${seed}\n`)
    for (const operation of OPERATIONS) {
      expect(hits.get(operation) ?? 0, counts).toBeGreaterThanOrEqual(LEAST_HITS)
    }
  })

  it('leaves nothing that holds keys once the master key is rotated again', async () => {
    await using keywright = await openPlace(place)
    await keywright.keys.rotateMaster('file')
    await keywright.keys.rewrap()
    await expectNothingLost()
    const left = readdirSync(place.folder).filter((name) => /^\.(master|keys|keywright)/.test(name))
    expect(left).toEqual([])
  })

  it('leaves no file of the audit log that the next record does not take along', async () => {
    await using keywright = await openPlace(place)
    await keywright.audit.append({ event: 'audit.start' })
    expect(readdirSync(place.folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})
