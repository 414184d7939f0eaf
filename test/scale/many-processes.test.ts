/** Sixty-four processes need the first key of one keyring at the same moment: there is one, and few calls are made. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { openbao } from '../../src/testing/native/openbao.ts'
import { postgres } from '../../src/testing/native/postgres.ts'
import { redis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { endWorkers, Worker } from '../race/support/worker.ts'
import type { Started } from './starter.ts'

const STARTER = join(import.meta.dirname, 'starter.ts')
const PROCESSES = 64
/** Node alone takes half a second of a core to start. */
const WAVE = 8
const SLOW_MS = 120_000

const servers = [await serverFor(openbao), await serverFor(postgres), await serverFor(redis)] as const
const skip = servers.flatMap((server) => server.skip ?? []).join('; ')

describe.skipIf(skip)(`${PROCESSES} processes under one Vault ${skip}`, () => {
  const emulators: Emulator[] = []
  const workers: Worker[] = []
  const places: Record<string, string>[] = []
  beforeAll(async () => {
    const [vault, ...stores] = servers
    const bao = await start(vault)
    for (const store of stores) {
      const url = (await start(store)).env['ENCRYPTION_KEY_STORE_URL'] ?? ''
      const place = { ...bao.env, ENCRYPTION_KEY_STORE_URL: url }
      await (await open({ environment: place, audit: false, create: true })).close()
      places.push(place)
    }
    while (workers.length < PROCESSES) {
      const wave = Array.from({ length: WAVE }, (_, n) => new Worker(STARTER, workers.length + n, places))
      workers.push(...wave)
      await Promise.all(wave.map((worker) => worker.line(0)))
    }
  }, SLOW_MS)
  afterAll(async () => {
    await endWorkers()
    for (const emulator of emulators) await emulator.stop()
  })

  async function start(server: (typeof servers)[number]): Promise<Emulator> {
    const emulator = await server.start?.()
    if (emulator === undefined) throw new Error('skipped')
    emulators.push(emulator)
    return emulator
  }

  it.each([
    ['PostgreSQL', 0],
    ['Redis', 1],
  ])('and one %s make one key', { timeout: SLOW_MS }, async (_, place) => {
    for (const worker of workers) worker.send('go')
    const started = (await Promise.all(workers.map((worker) => worker.line(place + 1)))) as Started[]
    expect(started).toHaveLength(PROCESSES)
    expect(started.flatMap(({ failure }) => failure ?? [])).toEqual([])

    await using kw = await open({ environment: places[place] ?? {}, audit: false })
    expect(await kw.keys.list()).toMatchObject([{ keyring: 'pii', state: 'active', version: 1 }])
    for (const { text, sealed = '' } of started) expect(await kw.decrypt(sealed)).toBe(text)
    const greedy = started.filter(({ wraps, unwraps, retries }) => wraps > 1 || unwraps > 1 || retries > 0)
    expect(greedy, 'one wrap and one unwrap at most').toEqual([])
    // They did race: more than one of them made a key, and all but one threw theirs away.
    expect(started.reduce((sum, { wraps }) => sum + wraps, 0)).toBeGreaterThan(1)
  })
})
