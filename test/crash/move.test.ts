/**
 * Moves between two key files, there and back and rolled back, killed with -9 at random points and run again until
 * they are done, while this process encrypts, decrypts and rotates. KEYWRIGHT_TEST_SEED repeats the choices of a run
 * that failed; where a kill lands is up to the machine.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyFile } from '../../providers/file.ts'
import type { Keywright } from '../../src/index.ts'
import { openPlace, type Place, removePlace } from '../race/support/place.ts'
import { endWorkers, Worker } from '../race/support/worker.ts'
import type { MoveLine, MoveOrder } from './move-worker.ts'
import { randomFrom } from './random.ts'

const SCRIPT = join(import.meta.dirname, 'move-worker.ts')
const KILLS = 16
const KEYRINGS = 24
/** Kills that must have landed inside a move at least, for the test to mean anything. */
const LEAST_HITS = 5

const seed = Number(process.env['KEYWRIGHT_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const random = randomFrom(seed)

const folder = mkdtempSync(join(tmpdir(), 'keywright-move-kill-'))
const secret = randomBytes(32)
const places: Record<'old' | 'fresh', Place> = { old: placeUnder('old'), fresh: placeUnder('fresh') }

/** The same installation with a policy that wraps new keys by one or the other. */
function placeUnder(provider: string): Place {
  const file = (name: string) => ({ type: 'file', path: join(folder, `${name}.keys`) })
  return {
    folder,
    environment: {
      ENCRYPTION_MASTER_KEY: secret.toString('base64'),
      ENCRYPTION_KEY_STORE_URL: `sqlite:${join(folder, 'keys.db')}`,
      ENCRYPTION_AUDIT_PATH: join(folder, 'audit.jsonl'),
    },
    policy: {
      provider,
      providers: { old: file('old'), fresh: file('fresh') },
      // Keys are fetched anew all the time, so that every decryption meets the wraps as they are.
      defaults: { cache: { ttl: '100ms', refresh: '100ms', uses: 2 }, serveStale: '1m' },
    },
  }
}

/** What this process has encrypted. */
const sealed = new Map<string, string>()
let traffic: Keywright

beforeAll(async () => {
  for (const name of ['old', 'fresh']) {
    await createKeyFile({ path: join(folder, `${name}.keys`), rootSecret: { kind: 'key', bytes: secret } })
  }
  traffic = await openPlace(places.old, { create: true })
  for (let n = 0; n < KEYRINGS; n++) await encrypt(traffic, `t${n}`)
})
afterAll(async () => {
  await endWorkers()
  await traffic.close()
  removePlace(places.old)
})

async function encrypt(keywright: Keywright, tenant: string): Promise<void> {
  const text = `${tenant} ${sealed.size}`
  sealed.set(await keywright.encrypt('pii', text, { tenant }), text)
}

async function expectAllReadable(keywright: Keywright): Promise<void> {
  for (const [ciphertext, text] of sealed) expect(await keywright.decrypt(ciphertext)).toBe(text)
}

/** Reads and writes until the worker is gone; now and then a keyring gets another key. */
async function useWhile(worker: Worker): Promise<void> {
  let over = false
  void worker.ended.then(() => {
    over = true
  })
  for (let turn = 0; !over; turn++) {
    const all = [...sealed]
    for (let n = 0; n < 10; n++) {
      const [ciphertext = '', text = ''] = all[Math.floor(random() * all.length)] ?? []
      expect(await traffic.decrypt(ciphertext)).toBe(text)
    }
    const tenant = `t${Math.floor(random() * KEYRINGS)}`
    if (turn % 20 === 10) await traffic.keys.rotate('pii', { tenant, force: true, now: true })
    if (turn % 10 === 0) await encrypt(traffic, tenant)
    await sleep(2)
  }
}

/** Gives the order and kills after a while, if `killAfterMs` says so. Resolves to what the worker has told. */
async function order(worker: Worker, wanted: MoveOrder, killAfterMs?: number): Promise<readonly MoveLine[]> {
  await worker.line(0)
  worker.send(JSON.stringify(wanted))
  const used = useWhile(worker)
  if (killAfterMs !== undefined) {
    await Promise.race([worker.line(1), worker.ended])
    await Promise.race([sleep(killAfterMs), worker.ended])
    worker.kill()
  }
  await worker.ended
  await used
  return worker.lines as MoveLine[]
}

/** What must hold after each kill, as a new process sees it. */
async function expectWhole(): Promise<void> {
  await using keywright = await openPlace(places.old)
  await expectAllReadable(keywright)
  expect(await keywright.verifyAudit()).toMatchObject({ ok: true, problems: [] })
  expect(await keywright.jobs.drill({ only: ['old', 'fresh'] })).toMatchObject({ outcome: 'all open' })
}

const outcomeOf = (lines: readonly MoveLine[]): string | undefined =>
  lines.find(([what]) => what === 'done')?.[1]

describe('a move that is killed', () => {
  it(`goes on when it is run again, ${KILLS} times (KEYWRIGHT_TEST_SEED=${seed})`, {
    timeout: 300_000,
  }, async () => {
    const hits = new Map<string, number>()
    let [here, there]: ('old' | 'fresh')[] = ['old', 'fresh']
    for (let kill = 0; kill < KILLS; ) {
      const to = there as 'old' | 'fresh'
      const wanted: MoveOrder = ['move', String(here), to]
      await traffic.close()
      traffic = await openPlace(places[to])
      for (let done = false; !done; kill++) {
        const lines = await order(new Worker(SCRIPT, places[to]), wanted, random() * 600)
        await expectWhole()
        done = outcomeOf(lines) !== undefined
        const last = lines.at(-1)
        if (!done && last?.[0] === 'busy') hits.set(last[1], (hits.get(last[1]) ?? 0) + 1)
        if (kill > 3 * KILLS) expect.fail('the move does not get on')
      }
      expect(await order(new Worker(SCRIPT, places[to]), wanted)).toContainEqual(['done', 'finished'])
      ;[here, there] = [there, here]
      const used = await wrapsInUse()
      expect(used).toEqual([to])
    }
    const told = [...hits].map(([step, times]) => `${step} ${times}`).join(', ')
    process.stdout.write(`killed inside ${told}; ${sealed.size} ciphertexts; seed ${seed}\n`)
    expect(
      [...hits.values()].reduce((sum, times) => sum + times, 0),
      told,
    ).toBeGreaterThanOrEqual(LEAST_HITS)
  })

  it('can be rolled back, also by a rollback that is killed', { timeout: 120_000 }, async () => {
    const [used = 'old'] = (await wrapsInUse()) as ('old' | 'fresh')[]
    const other = used === 'old' ? 'fresh' : 'old'
    await traffic.close()
    traffic = await openPlace(places[used])
    await traffic.jobs.move({ from: used, to: other, step: 'prefer', takeOver: true })
    await order(new Worker(SCRIPT, places[used]), ['rollback', used, other], random() * 100)
    await expectWhole()
    const lines = await order(new Worker(SCRIPT, places[used]), ['rollback', used, other])
    expect(lines).toContainEqual(['done', 'rolled back'])
    await expectWhole()
    expect(await wrapsInUse()).toEqual([used])
  })
})

/** Which providers wrap any key. */
async function wrapsInUse(): Promise<string[]> {
  const keys = await traffic.keys.list()
  return [...new Set(keys.flatMap(({ wraps }) => wraps.map(({ provider }) => provider)))]
}
