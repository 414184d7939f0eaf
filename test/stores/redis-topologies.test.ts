/** Store and provider on a cluster, behind Sentinel and over TLS: real servers each. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { generate } from 'selfsigned'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import redisProvider, { type RedisProviderOptions } from '../../providers/redis.ts'
import type { KeyProvider } from '../../src/provider.ts'
import type { KeyStore } from '../../src/store.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import { findProgram } from '../../src/testing/native/debian.ts'
import { freePort, type ServerProcess, scratchFolder, startServer } from '../../src/testing/native/process.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { storeNames } from '../../stores/redis/names.ts'
import redisStore from '../../stores/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { context, newKey, rootSecret } from '../providers/redis/kit.ts'
import { failure, newNamespace } from './redis-kit.ts'

const native = await serverFor(redis)
const password = 'one-for-all-of-them'
/** Elections take a few seconds. */
const PATIENCE = { interval: 100, timeout: 20_000 }

const closing: { close?(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close?.()
})
const openStore = async (url: string, namespace = newNamespace()): Promise<KeyStore> => {
  const store = await redisStore({ create: true, namespace, url })
  closing.push(store)
  return store
}
const openProvider = (options: Partial<RedisProviderOptions>): KeyProvider => {
  const provider = redisProvider({ checkIntervalMs: 0, create: true, rootSecret, ...options })
  closing.push(provider)
  return provider
}
const codeOf = (error: { code: string }): string => error.code

describe.skipIf(native.skip)('redis cluster', () => {
  let nodes: RedisServer[] = []
  let admins: Redis[] = []
  let url = ''

  beforeAll(async () => {
    nodes = await Promise.all([0, 1, 2].map(() => startNode()))
    admins = nodes.map(({ port }) => new Redis({ host: '127.0.0.1', password, port }))
    const bounds = [0, 5461, 10_922, 16_384]
    await Promise.all(
      admins.map((admin, n) =>
        admin.call('CLUSTER', 'ADDSLOTSRANGE', String(bounds[n]), String(Number(bounds[n + 1]) - 1)),
      ),
    )
    const { bus, port } = nodes[0] as RedisServer & { bus: number }
    for (const admin of admins.slice(1))
      await admin.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(bus))
    await vi.waitFor(async () => {
      const whole = await Promise.all(admins.map(isWhole))
      expect(whole.every(Boolean)).toBe(true)
    }, PATIENCE)
    url = `redis://:${password}@${nodes.map((node) => `127.0.0.1:${node.port}`).join(',')}?cluster=true`
  }, 60_000)
  afterAll(async () => {
    for (const admin of admins) admin.disconnect()
    for (const node of nodes) await node.stop()
  })

  async function startNode(): Promise<RedisServer & { bus: number }> {
    const bus = await freePort()
    const settings = [
      'cluster-enabled yes',
      `cluster-port ${bus}`,
      'cluster-node-timeout 2000',
      'appendfsync always',
    ]
    return Object.assign(await startRedis({ password, settings }), { bus })
  }
  const isWhole = async (admin: Redis): Promise<boolean> => {
    const info = String(await admin.call('CLUSTER', 'INFO'))
    return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
  }

  it('the store does everything there', async () => {
    const namespace = newNamespace()
    const [store, other] = [await openStore(url, namespace), await openStore(url, namespace)]
    const heard: (string | undefined)[] = []
    other.watch?.((keyring) => heard.push(keyring))
    await expect.poll(() => heard, PATIENCE).toEqual([undefined])
    const ids = Array.from({ length: 50 }, (_, n) => n + 1)
    const results = await Promise.all(ids.map((id) => store.insert(recordOf({ id, version: id }))))
    expect(results.every((result) => result === 'inserted')).toBe(true)
    expect((await store.list({ limit: 20 })).records.map(({ id }) => id)).toEqual(ids.slice(0, 20))
    expect(await store.update(recordOf({ id: 7, version: 7, revision: 2 }))).toBe(true)
    expect(await store.addUsage(7, { bytes: 1, messages: 3 }, 2)).toMatchObject({ granted: 2 })
    expect(await store.documents?.write({ name: 'job/1', revision: 1, text: 'x' })).toBe(true)
    expect(await store.documents?.list('job')).toHaveLength(1)
    const sink = store.auditSink?.()
    await sink?.exclusive((writer) => writer.append(['{}'], { hash: 'c'.repeat(64), seq: 1 }))
    expect((await sink?.head())?.seq).toBe(1)
    await sink?.close?.()
    expect((await store.describe()).warnings).toEqual([])
    await expect.poll(() => heard.length, PATIENCE).toBe(52)
  })

  it('names of a store lie in one slot', async () => {
    const { audit, doc, docs, index, key, lines, lock, store } = storeNames('some:name.space')
    const names = [audit, docs, index, lines, lock, store, key(1), key(77), doc('job/1')]
    const slots = names.map((name) => admins[0]?.call('CLUSTER', 'KEYSLOT', name))
    expect(new Set(await Promise.all(slots)).size).toBe(1)
  })

  it('a node that is taken for a single server is told from one', async () => {
    const refusals = await Promise.all(
      nodes.map(({ port }) => {
        const provider = openProvider({ create: false, url: `redis://:${password}@127.0.0.1:${port}` })
        return provider.describeMasterKey().catch((error: unknown) => error)
      }),
    )
    const told = failure('ERR_PROVIDER_FAILED', 'ENCRYPTION_REDIS_CLUSTER')
    expect(refusals).toEqual(expect.arrayContaining([told, told, failure('ERR_MASTER_KEY_NOT_FOUND')]))
  })

  it('the provider does too, with 200 first calls at once, and after a node was killed', async () => {
    const provider = openProvider({ url })
    await provider.describeMasterKey()
    const fresh = openProvider({
      url: `redis://:${password}@127.0.0.1`,
      cluster: nodes.map((node) => `127.0.0.1:${node.port}`),
    })
    const key = newKey()
    const wraps = await Promise.all(Array.from({ length: 200 }, () => fresh.wrapKey(key, context)))
    expect(wraps).toHaveLength(200)
    expect((await provider.rotateMasterKey?.())?.version).toBe('2')
    for (const node of nodes) await node.crash()
    const failed = await fresh.wrapKey(key, context).catch(codeOf)
    expect(['ERR_PROVIDER_UNAVAILABLE']).toContain(failed)
    for (const node of nodes) await node.restart()
    await expect
      .poll(() => fresh.wrapKey(key, context).then((wrapped) => wrapped.masterKeyVersion, codeOf), PATIENCE)
      .toBe('2')
    expect((await fresh.unwrapKey(wraps[0] as (typeof wraps)[0], context)).length).toBe(64)
  })
})

describe.skipIf(native.skip)('redis sentinel', () => {
  let master: RedisServer
  let replica: RedisServer
  let sentinel: ServerProcess
  let folder: Awaited<ReturnType<typeof scratchFolder>>
  let port = 0

  beforeAll(async () => {
    master = await startRedis({ password, settings: ['repl-diskless-sync-delay 0'] })
    replica = await startRedis({ password, settings: [`replicaof 127.0.0.1 ${master.port}`] })
    folder = await scratchFolder('sentinel')
    port = await freePort()
    const config = join(folder.path, 'sentinel.conf')
    await writeFile(
      config,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        'requirepass the-sentinels-own',
        `dir ${folder.path}`,
        `sentinel monitor main 127.0.0.1 ${master.port} 1`,
        `sentinel auth-pass main ${password}`,
        'sentinel down-after-milliseconds main 400',
        'sentinel failover-timeout main 3000',
      ].join('\n'),
    )
    const ready = async (): Promise<boolean> => {
      const probe = new Redis({ password: 'the-sentinels-own', port, retryStrategy: null, lazyConnect: true })
      probe.on('error', () => undefined)
      try {
        const info = String(await probe.call('INFO', 'sentinel'))
        return info.includes('slaves=1') && info.includes('status=ok')
      } finally {
        probe.disconnect()
      }
    }
    const command = findProgram('redis-server') ?? ''
    sentinel = await startServer({ args: [config, '--sentinel'], command, ready, title: 'Sentinel' })
  }, 60_000)
  afterAll(async () => {
    await sentinel?.stop()
    await folder?.remove()
    for (const server of [master, replica]) await server?.stop()
  })

  it('a fail-over is followed, and nothing that was replicated is lost', { timeout: 60_000 }, async () => {
    const query = 'sentinelName=main&sentinelPassword=the-sentinels-own'
    const store = await openStore(`redis://:${password}@127.0.0.1:${port}/0?${query}`)
    const provider = openProvider({
      password,
      sentinelName: 'main',
      sentinelPassword: 'the-sentinels-own',
      sentinels: [`127.0.0.1:${await freePort()}`, `127.0.0.1:${port}`],
    })
    await store.insert(recordOf())
    const wrapped = await provider.wrapKey(newKey(), context)
    const admin = new Redis({ host: '127.0.0.1', password, port: master.port })
    expect(await admin.wait(1, 5000)).toBe(1)
    admin.disconnect()
    await master.crash()
    await expect
      .poll(() => store.insert(recordOf({ id: 2, version: 2 })).catch(codeOf), PATIENCE)
      .toMatch(/^(inserted|version-taken)$/)
    expect((await store.list()).records.map(({ id }) => id)).toEqual([1, 2])
    expect((await provider.wrapKey(newKey(), context)).masterKeyVersion).toBe('1')
    expect((await provider.unwrapKey(wrapped, context)).length).toBe(64)
  })

  it.each([
    [
      'an unknown master group',
      { sentinelName: 'nobody', sentinelPassword: 'the-sentinels-own' },
      'ERR_PROVIDER_UNAVAILABLE',
    ],
    ['no password for the Sentinels', { sentinelName: 'main' }, 'ERR_PROVIDER_UNAUTHENTICATED'],
  ])('%s is refused', async (_, options, code) => {
    const provider = openProvider({ url: `redis://:${password}@127.0.0.1:${port}`, ...options })
    await expect(provider.wrapKey(newKey(), context)).rejects.toEqual(failure(code))
  })
})

describe.skipIf(native.skip)('redis over TLS', () => {
  let server: RedisServer
  let folder: Awaited<ReturnType<typeof scratchFolder>>
  let port = 0
  let files: { caFile: string; certFile: string; keyFile: string }

  beforeAll(async () => {
    folder = await scratchFolder('redis-tls')
    port = await freePort()
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      algorithm: 'sha256',
      keySize: 2048,
      extensions: [
        { cA: true, name: 'basicConstraints' },
        { altNames: [{ type: 2, value: 'localhost' }], name: 'subjectAltName' },
      ],
    })
    files = {
      caFile: join(folder.path, 'cert.pem'),
      certFile: join(folder.path, 'cert.pem'),
      keyFile: join(folder.path, 'key.pem'),
    }
    await writeFile(files.certFile, cert)
    await writeFile(files.keyFile, key, { mode: 0o600 })
    const settings = [
      `tls-port ${port}`,
      `tls-cert-file ${files.certFile}`,
      `tls-key-file ${files.keyFile}`,
      `tls-ca-cert-file ${files.caFile}`,
      'tls-auth-clients yes',
    ]
    server = await startRedis({ password, settings })
  })
  afterAll(async () => {
    await server?.stop()
    await folder?.remove()
  })

  it('works with the authority and a client certificate', async () => {
    const url = `rediss://:${password}@localhost:${port}`
    const provider = openProvider({ ...files, url })
    const { server: facts, warnings } = await provider.describeMasterKey()
    expect([facts?.tls, warnings]).toEqual([true, []])
    const query = new URLSearchParams(files).toString()
    const store = await openStore(`${url}?${query}`)
    expect(await store.insert(recordOf())).toBe('inserted')
    store.watch?.(() => undefined)
  })

  const FAILED = 'ERR_PROVIDER_FAILED'
  const AWAY = 'ERR_PROVIDER_UNAVAILABLE'
  it.each<[what: string, codes: string[], make: () => Partial<RedisProviderOptions>]>([
    ['an authority that is not known', [FAILED], () => ({ ...files, caFile: '' })],
    ['a name that is not in the certificate', [FAILED], () => ({ ...files, url: tlsUrl('127.0.0.1', port) })],
    // The server may end the connection before its reason arrives, or wait for a line that never ends.
    ['no client certificate', [FAILED, AWAY], () => ({ caFile: files.caFile })],
    ['a port without TLS', [FAILED, AWAY], () => ({ ...files, url: tlsUrl('localhost', server.port) })],
    [
      'a port with TLS, without it',
      [FAILED, AWAY],
      () => ({ url: `redis://:${password}@localhost:${port}` }),
    ],
  ])('%s is refused', async (_, codes, make) => {
    const { caFile, ...rest } = { url: tlsUrl('localhost', port), ...make() }
    const options = { ...rest, ...(caFile ? { caFile } : {}), connectTimeoutMs: 1000 }
    const error = await openProvider(options)
      .wrapKey(newKey(), context)
      .catch((thrown: unknown) => thrown)
    expect(codes).toContain((error as { code: string }).code)
    expect(error).toMatchObject({ hint: expect.stringContaining('ENCRYPTION_REDIS_CERT_FILE') })
  })
})

const tlsUrl = (host: string, port: number): string => `rediss://:${password}@${host}:${port}`
