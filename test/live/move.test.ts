/**
 * A live system moves through all six backends and back: two processes encrypt and decrypt all the time while file →
 * vault → aws → gcp → azure → redis → file is moved under them, and each provider is taken away once it was left. Not
 * one operation may fail, and not one value may be lost.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import type { LocalServer } from '../../src/testing/emulator.ts'
import { azureKeyVaultFake } from '../../src/testing/fakes/azure-key-vault.ts'
import { gcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { moto } from '../../src/testing/native/moto.ts'
import { openbao } from '../../src/testing/native/openbao.ts'
import { redis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { type Name, type SixBackends, startSix } from './six-backends.ts'
import type { Sample, TrafficReport } from './traffic.ts'
import { startTraffic, type Traffic } from './traffic-process.ts'

const ROUTE: readonly Name[] = ['file', 'vault', 'aws', 'gcp', 'azure', 'redis', 'file']
const SERVERS = { vault: openbao, aws: moto, gcp: gcpKmsFake, azure: azureKeyVaultFake, redis }
const MINUTE = 60_000

const missing: string[] = []
for (const server of Object.values(SERVERS) as LocalServer[]) {
  const { skip } = await serverFor(server)
  if (skip !== undefined) missing.push(skip)
}

describe.skipIf(missing.length > 0)(`a live move through six backends ${missing.join('; ')}`, () => {
  let folder: string
  let six: SixBackends
  const running: Traffic[] = []
  const samples = new Map<string, Sample>()
  const reports: TrafficReport[] = []
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keywright-live-'))
    six = await startSix(folder, SERVERS)
  }, 3 * MINUTE)
  afterAll(async () => {
    for (const traffic of running) traffic.kill()
    await six?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  function start(config: string, rotates: boolean): Traffic {
    const { env, storeUrl } = six
    const onSamples = (seen: readonly Sample[]): void => {
      for (const sample of seen) samples.set(sample.sealed, sample)
      for (const other of running) if (other !== traffic) other.share(seen.slice(0, 20))
    }
    const traffic: Traffic = startTraffic({ config, env, onSamples, rotates, storeUrl })
    running.push(traffic)
    return traffic
  }

  async function end(traffic: Traffic): Promise<void> {
    reports.push(await traffic.stop())
    running.splice(running.indexOf(traffic), 1)
  }

  it(
    'loses nothing, and fails no operation',
    async () => {
      // This one is never restarted, and knows nothing of the moves.
      const steady = start(await six.policy('file'), false)
      await steady.ready
      let rolling: Traffic | undefined
      const finished: string[] = []
      for (const [at, to] of ROUTE.slice(1).entries()) {
        const from = ROUTE[at] as Name
        const config = await six.policy(to)
        // The deployment that says where new keys go; the next release takes over before the last one ends.
        const next = start(config, true)
        await next.ready
        if (rolling !== undefined) await end(rolling)
        rolling = next
        if (to === 'file') await six.bringBack('file')
        const mover = await open({ config, storeUrl: six.storeUrl, environment: six.env, actor: 'mover' })
        const report = await mover.jobs.move({ from, to })
        await mover.close()
        expect(report).toMatchObject({ failed: 0, from, outcome: 'finished', stillWrapping: [], to })
        expect(report.done.removed).toBeGreaterThanOrEqual(3)
        finished.push(`${from} to ${to}`)
        if (at < ROUTE.length - 2 || to === 'file') await six.takeDown(from)
      }
      if (rolling !== undefined) await end(rolling)
      await end(steady)

      expect(finished).toHaveLength(6)
      expect(reports.flatMap(({ failures }) => failures)).toEqual([])
      const all = { operations: 0, rotations: 0 }
      for (const report of reports) {
        all.operations += report.operations
        all.rotations += report.rotations
      }
      expect(all.operations).toBeGreaterThan(1000)
      expect(all.rotations).toBeGreaterThanOrEqual(6)
      // The steady process really asked each of them in turn.
      const asked = reports.at(-1)?.calls ?? {}
      for (const name of ROUTE) expect([name, (asked[name] ?? 0) > 0]).toEqual([name, true])
      await readEverything()
    },
    10 * MINUTE,
  )

  /** With the file as the only provider that exists. */
  async function readEverything(): Promise<void> {
    const config = await six.policy('file', ['file'])
    const kw = await open({ config, storeUrl: six.storeUrl, environment: six.env })
    for (const { keyType, plain, sealed } of samples.values())
      expect(await kw.decrypt(sealed, { keyType, context: { of: keyType } })).toBe(plain)
    for (const { wraps } of await kw.keys.list())
      expect(wraps.map(({ provider }) => provider)).toEqual(['file'])
    expect((await kw.verifyAudit()).ok).toBe(true)
    const log = await readFile(join(folder, 'audit.jsonl'), 'utf8')
    expect(log.match(/"event":"key\.remove-wrap"/g)?.length).toBeGreaterThan(10)
    await kw.close()
  }
})
