/** A process that starts with a thousand keyrings that exist, under traffic: one provider call for each, never two. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Keywright, open } from '../../src/index.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { openbao } from '../../src/testing/native/openbao.ts'
import { serverFor } from '../kit/servers.ts'
import { World } from '../kit/world.ts'

const KEYRINGS = 1000
const CALLERS = 8
const tenants = Array.from({ length: KEYRINGS }, (_, n) => `tenant-${n}`)

type Sealed = ReadonlyMap<string, string>

/** Makes the keyrings, with one value each. */
async function makeKeyrings(kw: Keywright): Promise<Sealed> {
  const sealed = new Map<string, string>()
  const queue = tenants.values()
  const worker = async (): Promise<void> => {
    for (const tenant of queue) sealed.set(tenant, await kw.encrypt('pii', tenant, { tenant }))
  }
  await Promise.all(Array.from({ length: 32 }, worker))
  return sealed
}

/** All keyrings at once: half of the callers encrypt, half decrypt what is there. */
async function useAll(kw: Keywright, sealed: Sealed, callers: number): Promise<void> {
  const calls = tenants.flatMap((tenant) =>
    Array.from({ length: callers }, async (_, caller) => {
      if (caller % 2 === 1) return kw.encrypt('pii', 'new', { tenant })
      expect(await kw.decrypt(sealed.get(tenant) ?? '')).toBe(tenant)
      return tenant
    }),
  )
  await Promise.all(calls)
}

const expectOneCallEach = (kw: Keywright, provider: string): void =>
  expect(kw.counters()[provider]).toMatchObject({
    failures: 0,
    refused: 0,
    retries: 0,
    unwraps: KEYRINGS,
    wraps: 0,
  })

describe('the memory provider', () => {
  const world = new World()
  let sealed: Sealed
  beforeAll(async () => {
    sealed = await makeKeyrings(world.open())
  })
  afterAll(() => world.end())

  it.each([1, CALLERS])('with %i callers a keyring', async (callers) => {
    const kw = world.open()
    world.provider.resetCounts()
    await useAll(kw, sealed, callers)
    expect([world.provider.wraps, world.provider.unwraps]).toEqual([0, KEYRINGS])
    expectOneCallEach(kw, 'memory')
  })
})

const vault = await serverFor(openbao)

describe.skipIf(vault.skip)(`Vault ${vault.skip ?? ''}`, () => {
  let folder: string
  let emulator: Emulator | undefined
  let sealed: Sealed
  const start = (create: boolean): Promise<Keywright> =>
    open({
      environment: emulator?.env ?? {},
      storeUrl: `sqlite:${join(folder, 'keys.db')}`,
      audit: false,
      create,
    })
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keywright-cold-'))
    emulator = await vault.start?.()
    await using kw = await start(true)
    sealed = await makeKeyrings(kw)
  })
  afterAll(async () => {
    await emulator?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it.each([1, CALLERS])('with %i callers a keyring', async (callers) => {
    await using kw = await start(false)
    await useAll(kw, sealed, callers)
    expectOneCallEach(kw, 'vault')
  })
})
