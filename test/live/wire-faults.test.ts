/**
 * What a service does on a bad day, as its official client meets it on a socket: throttling, errors that pass, half
 * replies, a token that ends. An application gets its values, or the code for it, and one try more than needed never.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Keywright, open } from '../../src/index.ts'
import type { ResilienceOptions } from '../../src/resilience/options.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { awsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { azureKeyVaultFake, startAzureKeyVaultFake } from '../../src/testing/fakes/azure-key-vault.ts'
import type { Fault, Faults } from '../../src/testing/fakes/faults.ts'
import { gcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { expectCode, failureOf } from '../kit/failures.ts'
import { serverFor } from '../kit/servers.ts'

interface Fake {
  readonly emulator: Emulator
  readonly faults: Faults
}

/** A wire fake; `unwrap` is the operation in its own words. */
const FAKES = [
  {
    provider: 'aws-kms',
    server: awsKmsFake,
    unwrap: 'Decrypt',
    start: async (): Promise<Fake> => {
      const emulator = await startAwsKmsFake()
      return { emulator, faults: emulator.faults }
    },
  },
  {
    provider: 'azure-key-vault',
    server: azureKeyVaultFake,
    unwrap: 'unwrapKey',
    start: async (): Promise<Fake> => {
      const emulator = await startAzureKeyVaultFake()
      return { emulator, faults: emulator.faults }
    },
  },
  {
    provider: 'gcp-kms',
    server: gcpKmsFake,
    unwrap: 'Decrypt',
    start: async (): Promise<Fake> => {
      const emulator = await startGcpKmsFake()
      return { emulator, faults: emulator.service.faults }
    },
  },
] as const

/** Faults that pass within a call, and how many in a row. */
const PASSING: readonly (readonly [Fault, number])[] = [
  ['throttle', 2],
  ['unavailable', 2],
  ['reset', 2],
  ['half-reply', 1],
  ['half-reply', 2],
]

for (const { provider, server, unwrap, start } of FAKES) {
  const { skip } = await serverFor(server)
  describe.skipIf(skip)(`${provider} on a bad day ${skip ?? ''}`, () => {
    let fake: Fake
    const opened: Keywright[] = []
    beforeAll(async () => {
      fake = await start()
    })
    afterEach(async () => {
      fake.faults.clear()
      for (const kw of opened.splice(0)) await kw.close()
    })
    afterAll(() => fake?.emulator.stop())

    /** `keyrings` that exist and are not open: the next use of each is one call of the service. */
    async function application(keyrings: number, resilience: ResilienceOptions = {}) {
      const kw = await open({
        environment: fake.emulator.env,
        storeUrl: 'memory:',
        audit: false,
        create: true,
        resilience: { retryDelayMs: 5, ...resilience },
      })
      opened.push(kw)
      const tenants = Array.from({ length: keyrings }, (_, n) => `t${n}`)
      for (const tenant of tenants) await kw.keys.create('pii', { tenant })
      const use = (tenant: string): Promise<string> => kw.encrypt('pii', 'x', { tenant })
      return { kw, tenants, use, counters: () => kw.counters()[provider] }
    }

    it.each(PASSING)('%s, %i in a row: tried again, and served', async (fault, calls) => {
      const { use, counters } = await application(1)
      fake.faults.inject(fault, { calls, operation: unwrap })
      expect(await use('t0')).toMatch(/^kw1\./)
      expect(fake.faults.pending).toBe(0)
      expect(counters()).toMatchObject({ failures: 0, refused: 0, retries: calls, unwraps: 1 })
    })

    it('throttled for longer: the code says so, the circuit stays closed, and the next call is served', async () => {
      const { use } = await application(1, { breakAfter: 1 })
      fake.faults.inject('throttle', { calls: 3, operation: unwrap })
      const error = await failureOf(use('t0'))
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_THROTTLED', retryable: true })
      fake.faults.clear()
      expect(await use('t0')).toMatch(/^kw1\./)
    })

    it('down for longer: then left alone, and found again by itself', async () => {
      const { use, counters } = await application(1, { breakAfter: 1, breakMs: 200 })
      fake.faults.inject('unavailable', { calls: Number.POSITIVE_INFINITY, operation: unwrap })
      await expectCode(use('t0'), 'ERR_PROVIDER_UNAVAILABLE')
      await expectCode(use('t0'), 'ERR_PROVIDER_CIRCUIT_OPEN')
      expect(counters()).toMatchObject({ refused: 1, retries: 2, unwraps: 2 })
      fake.faults.clear()
      const found = expect.poll(() => use('t0').catch(() => ''), { timeout: 20_000 })
      await found.toMatch(/^kw1\./)
    })

    it('a hundred calls through a storm: everybody is served', async () => {
      const { tenants, use, counters } = await application(100, { attempts: 20 })
      for (const fault of ['throttle', 'unavailable', 'half-reply'] as const)
        fake.faults.inject(fault, { calls: 4, after: 5, operation: unwrap })
      const all = await Promise.all(tenants.map(use))
      expect(all.filter((sealed) => sealed.startsWith('kw1.'))).toHaveLength(100)
      expect(fake.faults.pending).toBe(0)
      expect(counters()).toMatchObject({ failures: 0, unwraps: 100 })
    })

    it('a token that ends in mid-run is not the end: the call is served, or the next one', async () => {
      const { use } = await application(1, { rememberFailureMs: 0 })
      fake.faults.inject('expired-token', { operation: unwrap })
      const error = await use('t0').then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (error !== undefined) expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAUTHENTICATED' })
      expect(fake.faults.pending).toBe(0)
      expect(await use('t0')).toMatch(/^kw1\./)
    })
  })
}
