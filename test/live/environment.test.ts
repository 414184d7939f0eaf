/**
 * Backend and store are a matter of environment: the same application, which knows neither, runs on each of them and
 * loads the client of none but its own.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { awsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { azureKeyVaultFake } from '../../src/testing/fakes/azure-key-vault.ts'
import { gcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { openbao } from '../../src/testing/native/openbao.ts'
import { postgres } from '../../src/testing/native/postgres.ts'
import { redis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { type AppRun, runApp } from './run-app.ts'

const SLOW_MS = 60_000
/** Every package that talks to a service. */
const CLIENTS = [
  '@aws-sdk/client-kms',
  '@azure/identity',
  '@azure/keyvault-keys',
  '@google-cloud/kms',
  'ioredis',
  'node-vault',
  'pg',
]
const SERVERS = {
  vault: openbao,
  aws: awsKmsFake,
  azure: azureKeyVaultFake,
  gcp: gcpKmsFake,
  redis,
  postgres,
} as const
type Server = keyof typeof SERVERS

/** Of a name or ARN. */
const lastPart = (name: string): string => name.split('/').at(-1) ?? ''

const missing: string[] = []
for (const server of Object.values(SERVERS)) {
  const { skip } = await serverFor(server)
  if (skip !== undefined) missing.push(skip)
}

describe.skipIf(missing.length > 0)(`the same application ${missing.join('; ')}`, () => {
  const emulators = new Map<Server, Emulator>()
  const latencies: string[] = []
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keywright-environment-'))
    const started = await Promise.all(Object.values(SERVERS).map((server) => server.start({})))
    for (const [at, name] of (Object.keys(SERVERS) as Server[]).entries())
      emulators.set(name, started[at] as Emulator)
  }, SLOW_MS)
  afterAll(async () => {
    for (const emulator of emulators.values()) await emulator.stop()
    await rm(folder, { recursive: true, force: true })
    process.stderr.write(`milliseconds of a process (${latencies.join('; ')})\n`)
  })

  const envOf = (name: Server): Readonly<Record<string, string>> => emulators.get(name)?.env ?? {}
  const rootKey = (): Record<string, string> => ({
    ENCRYPTION_MASTER_KEY: envOf('redis')['ENCRYPTION_MASTER_KEY'] ?? '',
  })
  /** A store of its own for each row, on one server. */
  const storeIn = (kind: 'sqlite' | 'postgres' | 'redis', name: string): string => {
    if (kind === 'sqlite') return `sqlite:${join(folder, `${name}.db`)}`
    const url = envOf(kind)['ENCRYPTION_KEY_STORE_URL'] ?? ''
    return kind === 'redis' ? `${url}?namespace=${name}` : `${url}?schema=${name}`
  }
  const expectSame = (run: AppRun): void => {
    expect(run.back).toEqual({ id: 7, email: 'ada@example.com', income: 1234.5 })
    expect(run.keys).toEqual(['blind_index 1 active', 'financial_data 1 active', 'pii 1 active'])
    expect(JSON.stringify(run.sealed)).not.toMatch(/ada|1234/)
    expect(run.sealed).toEqual({
      id: 7,
      email: expect.stringMatching(/^kw1\./),
      income: expect.stringMatching(/^kw1\./),
    })
  }
  const clientsOf = ({ packages }: AppRun): string[] => packages.filter((name) => CLIENTS.includes(name))

  it.each([
    ['file', 'sqlite', []],
    ['redis', 'sqlite', ['ioredis']],
    ['vault', 'postgres', ['node-vault', 'pg']],
    ['aws', 'redis', ['@aws-sdk/client-kms', 'ioredis']],
    ['azure', 'sqlite', ['@azure/keyvault-keys']],
    ['gcp', 'sqlite', ['@google-cloud/kms']],
  ] as const)('on %s with records in %s', { timeout: SLOW_MS }, async (backend, store, clients) => {
    const place =
      backend === 'file' ? { ENCRYPTION_KEY_STORAGE_BACKEND: 'file', ...rootKey() } : envOf(backend)
    const env = { ...place, ENCRYPTION_KEY_STORE_URL: storeIn(store, `of_${backend}`) }
    const first = await runApp({ cwd: folder, env })
    expectSame(first)
    const second = await runApp({ cwd: folder, env, earlier: first })
    expectSame(second)
    expect(second.token, 'the search token of the same value').toBe(first.token)
    expect(clientsOf(second)).toEqual(clients)
    const spent = Object.entries(second.milliseconds).map(([what, ms]) => `${what} ${ms.toFixed(0)}`)
    latencies.push(`${backend}, ${store}: ${spent.join(', ')}`)
  })

  it('on what a file of Node’s own --env-file says, and nothing else', { timeout: SLOW_MS }, async () => {
    const env = { ...envOf('vault'), ENCRYPTION_KEY_STORE_URL: storeIn('sqlite', 'of_env_file') }
    const file = join(folder, '.env')
    await writeFile(
      file,
      Object.entries(env).map(([name, value]) => `${name}="${value}"\n`),
    )
    const run = await runApp({ cwd: folder, flags: [`--env-file=${file}`] })
    expectSame(run)
    expect(clientsOf(run)).toEqual(['node-vault'])
  })

  it('on several instances and backends at once, each key type under its own, in one store', async () => {
    const first = envOf('vault')['ENCRYPTION_KEY_ID'] ?? ''
    const second = (await emulators.get('vault')?.createMasterKey('keywright-other'))?.keyId ?? ''
    const keyIdOf = (name: Server): string => envOf(name)['ENCRYPTION_KEY_ID'] ?? ''
    const config = {
      provider: 'main',
      providers: {
        main: { type: 'vault' }, // its key is the one that the environment names
        other: { type: 'vault', keyId: second },
        money: { type: 'aws-kms', keyId: keyIdOf('aws') },
        quick: { type: 'redis', keyId: keyIdOf('redis') },
      },
      keyTypes: {
        financial_data: { provider: 'money' },
        session: { provider: 'quick' },
        api_keys: { provider: 'other' },
      },
    }
    const { ENCRYPTION_KEY_STORAGE_BACKEND: _, ...rest } = {
      ...envOf('aws'),
      ...envOf('redis'),
      ...envOf('vault'),
    }
    const environment = { ...rest, ENCRYPTION_KEY_STORE_URL: storeIn('postgres', 'of_many') }
    await using kw = await open({ config, environment, audit: false, create: true })
    const keyTypes = ['pii', 'financial_data', 'session', 'api_keys']
    const sealed = await Promise.all(keyTypes.map((keyType) => kw.encrypt(keyType, `of ${keyType}`)))
    const wraps = (await kw.keys.list()).map(({ keyType, wraps: found }) => [
      keyType,
      found.map(({ provider, masterKeyId }) => [provider, lastPart(masterKeyId)]),
    ])
    expect(Object.fromEntries(wraps)).toEqual({
      api_keys: [['other', second]],
      financial_data: [['money', lastPart(keyIdOf('aws'))]],
      pii: [['main', first]],
      session: [['quick', expect.any(String)]],
    })
    expect((await kw.check()).checks.filter(({ state }) => state === 'failed')).toEqual([])

    // Another process, which reads all of them by the key ids alone.
    await using reader = await open({ config, environment, audit: false })
    const back = await Promise.all(sealed.map((value) => reader.decrypt(value)))
    expect(back).toEqual(keyTypes.map((keyType) => `of ${keyType}`))
    const calls = Object.entries(reader.counters()).map(([name, { unwraps }]) => [name, unwraps])
    expect(Object.fromEntries(calls)).toEqual({ main: 1, money: 1, other: 1, quick: 1 })
  })
})
