/** Stores behind a network tell of changes: what one process did reaches another long before its refresh period ends. */
import { describe, expect, it, vi } from 'vitest'
import memoryProvider from '../../providers/memory.ts'
import { openStore } from '../../src/compose.ts'
import { keyIdOf, parseCiphertext } from '../../src/crypto/ciphertext.ts'
import { Keywright } from '../../src/keywright.ts'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import type { KeyProvider } from '../../src/provider.ts'
import type { Emulator, LocalServer } from '../../src/testing/emulator.ts'
import { postgres } from '../../src/testing/native/postgres.ts'
import { redis, startRedis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'

/** No test waits so long: whatever arrives came by a notice. */
const REFRESH = '1h'
const PATIENT = { timeout: 20_000, interval: 50 }

/** Both processes of a test are in this one: they share nothing but the store and the provider. */
const shared = memoryProvider()
const provider: KeyProvider = { ...shared, close: async () => undefined }

async function start(url: string): Promise<Keywright> {
  const policy = parsePolicyDocument(
    { provider: 'memory', defaults: { cache: { refresh: REFRESH, ttl: '2h' }, serveStale: '1h' } },
    { knownProviders: ['memory'] },
  )
  const store = await openStore(url, { create: true })
  return new Keywright({ provider, store, policy })
}

interface Server {
  readonly emulator: Emulator
  /** Ends it hard and starts it again. */
  crash(): Promise<void>
}

/** Two processes with one keyring; the server crashes between two pieces of news. */
async function expectNews({ emulator, crash }: Server): Promise<void> {
  const url = emulator.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
  await using manager = await start(url)
  await using worker = await start(url)
  const sealed = await manager.encrypt('pii', 'x')
  const id = (await manager.keys.active('pii'))?.id ?? 0
  await worker.ready(['pii'])
  expect(await worker.decrypt(sealed)).toBe('x')
  const isRefused = (): boolean => {
    try {
      return worker.decryptSync(sealed) !== 'x'
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_KEY_SUSPENDED' })
      return true
    }
  }
  // Told until it is heard: subscribing takes a moment, and what is told before that is lost.
  await vi.waitUntil(async () => {
    await manager.keys.suspend(id, 'test')
    const heard = vi.waitUntil(isRefused, { timeout: 2500, interval: 25 })
    const isHeard = await heard.catch(() => false)
    await manager.keys.resume(id)
    return isHeard
  }, PATIENT)
  await vi.waitUntil(() => !isRefused(), PATIENT)

  await crash()
  const { key } = await manager.keys.rotate('pii', { force: true, now: true })
  const used = (): number => keyIdOf(parseCiphertext(worker.encryptSync('pii', 'y')))
  await vi.waitUntil(() => used() === key.id, PATIENT)
}

const SERVERS: readonly (readonly [string, LocalServer, () => Promise<Server>])[] = [
  [
    'PostgreSQL',
    postgres,
    async () => {
      const emulator = await postgres.start()
      return { emulator, crash: () => emulator.restart('SIGQUIT') }
    },
  ],
  [
    'Redis',
    redis,
    async () => {
      const emulator = await startRedis()
      const crash = async (): Promise<void> => {
        await emulator.crash()
        await emulator.restart()
      }
      return { emulator, crash }
    },
  ],
]

describe.concurrent('a change in one process', async () => {
  for (const [name, kit, startServer] of SERVERS) {
    const { skip } = await serverFor(kit)
    it.skipIf(skip)(`is known in another, by ${name} ${skip ?? ''}`, { timeout: 60_000 }, async () => {
      const server = await startServer()
      try {
        await expectNews(server)
      } finally {
        await server.emulator.stop()
      }
    })
  }
})
