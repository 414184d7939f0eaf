/** The Redis provider on a real server: the contract, and what the server does to it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RedisProviderOptions } from '../../providers/redis.ts'
import { open } from '../../src/compose.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { freePort } from '../../src/testing/native/process.ts'
import { type RedisServer, redis } from '../../src/testing/native/redis.ts'
import { runProviderConformance, sameBytes } from '../conformance/provider.ts'
import { serverFor } from '../kit/servers.ts'
import {
  adminOf,
  context,
  keyOf,
  newKey,
  newName,
  openOn,
  passTo,
  rejects,
  rootKey,
  rootSecret,
  tcpServer,
  urlOf,
} from './redis/kit.ts'

const native = await serverFor(redis)

describe.skipIf(native.skip)('redis', () => {
  let server: RedisServer
  let admin: Redis
  let folder: string
  const opened: KeyProvider[] = []
  const stops: (() => Promise<void>)[] = []

  beforeAll(async () => {
    server = (await native.start?.()) as RedisServer
    admin = adminOf(server)
    folder = await mkdtemp(join(tmpdir(), 'keywright-redis-test-'))
  })
  afterAll(async () => {
    admin?.disconnect()
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    for (const provider of opened.splice(0)) await provider.close?.()
    for (const stop of stops.splice(0)) await stop()
  })

  const openNamed = (keyId: string, options: Partial<RedisProviderOptions> = {}): KeyProvider => {
    const provider = openOn(server, { keyId, ...options })
    opened.push(provider)
    return provider
  }
  const openNew = async (keyId = newName()): Promise<[KeyProvider, string]> => {
    const provider = openNamed(keyId, { create: true })
    await provider.describeMasterKey()
    return [provider, keyId]
  }
  const address = (port: number): Partial<RedisProviderOptions> => ({
    url: `redis://:${server.password}@127.0.0.1:${port}`,
  })

  let name = ''
  runProviderConformance(
    'redis',
    {
      async open() {
        name = newName()
        const pair = [
          openOn(server, { create: true, keyId: name }),
          openOn(server, { create: true, keyId: newName() }),
        ]
        for (const provider of pair) await provider.describeMasterKey()
        return pair as [KeyProvider, KeyProvider]
      },
      reopen: async () => openOn(server, { keyId: name }),
      async openBroken() {
        const keyId = newName()
        const repair = async (): Promise<void> => {
          const maker = openOn(server, { create: true, keyId })
          await maker.describeMasterKey()
          await maker.close?.()
        }
        return { provider: openOn(server, { keyId }), repair }
      },
      openPinned: async (keyVersion) => openOn(server, { keyId: name, keyVersion }),
      openUnknown: async () => openOn(server, { keyId: 'nobody-made-this' }),
      async openDenied() {
        await admin.call(
          'ACL',
          'SETUSER',
          'nobody',
          'on',
          '>sesame-street',
          'resetkeys',
          '~elsewhere:*',
          '+@all',
        )
        return openOn(server, {
          keyId: name,
          password: 'sesame-street',
          username: 'nobody',
          url: `redis://127.0.0.1:${server.port}`,
        })
      },
      openUnreachable: async () => openOn(server, address(await freePort())),
      async openHanging() {
        const silent = await tcpServer(() => undefined)
        stops.push(() => silent.stop())
        return openOn(server, address(silent.port))
      },
      async openThrottled() {
        const busy = await tcpServer((socket, connection) => {
          // What the server says before it closes a connection beyond maxclients.
          if (connection === 1) socket.end('-ERR max number of clients reached\r\n')
          else passTo(server.port, socket)
        })
        stops.push(() => busy.stop())
        return openOn(server, { ...address(busy.port), keyId: name })
      },
      async openExpiring() {
        const passwordFile = join(folder, 'password')
        const allow = async (password: string): Promise<void> => {
          await admin.call('ACL', 'SETUSER', 'mortal', 'reset', 'on', `>${password}`, '~*', '+@all')
          await writeFile(passwordFile, `${password}\n`)
        }
        await allow('the-first-password')
        const url = `redis://mortal@127.0.0.1:${server.port}`
        const expire = async (): Promise<void> => {
          await allow('the-second-password')
          await admin.call('CLIENT', 'KILL', 'USER', 'mortal')
        }
        return { expire, provider: openOn(server, { keyId: name, passwordFile, url }) }
      },
      secrets: () => [rootKey, server.password, 'sesame-street', 'the-first-password', 'the-second-password'],
    },
    [
      {
        reason: 'Redis has no disabled keys',
        tests: ['a disabled master key refuses, an enabled one serves again'],
      },
      {
        reason: 'as with a key file, a process that has read the master key goes on unwrapping with it',
        tests: ['a deleted master key has its code'],
      },
    ],
  )

  describe('master keys', () => {
    it('reads make none; a lost one is not replaced, and what was read goes on opening wraps', async () => {
      const [provider, keyId] = await openNew()
      const key = newKey()
      const wrapped = await provider.wrapKey(key, context)
      await admin.del(keyOf(keyId))
      await rejects(() => provider.wrapKey(key, context), 'ERR_MASTER_KEY_NOT_FOUND', ['ENCRYPTION_KEY_ID'])
      await rejects(() => provider.describeMasterKey(), 'ERR_MASTER_KEY_NOT_FOUND')
      await rejects(async () => provider.rotateMasterKey?.(), 'ERR_MASTER_KEY_NOT_FOUND')
      expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
      const late = openNamed(keyId)
      await rejects(() => late.unwrapKey(wrapped, context), 'ERR_MASTER_KEY_NOT_FOUND')
      expect(await admin.exists(keyOf(keyId))).toBe(0)
    })

    it('eight that make one together share it', async () => {
      const keyId = newName()
      const providers = Array.from({ length: 8 }, () => openNamed(keyId, { create: true }))
      const masters = await Promise.all(providers.map((provider) => provider.describeMasterKey()))
      expect(new Set(masters.map(({ id }) => id)).size).toBe(1)
    })

    it('eight that rotate together add a version each, and none is lost', async () => {
      const [first, keyId] = await openNew()
      const providers = Array.from({ length: 8 }, () => openNamed(keyId))
      const key = newKey()
      const wraps = await Promise.all(
        providers.map(async (provider) => {
          await provider.rotateMasterKey?.()
          return provider.wrapKey(key, context)
        }),
      )
      expect((await first.describeMasterKey()).version).toBe('9')
      for (const wrapped of wraps) expect(sameBytes(await first.unwrapKey(wrapped, context), key)).toBe(true)
    })

    it('a wrap within the interval asks nobody; a later one sees a rotation', async () => {
      const [first, keyId] = await openNew()
      const second = openNamed(keyId, { checkIntervalMs: 600_000 })
      const third = openNamed(keyId, { checkIntervalMs: 1 })
      for (const provider of [second, third]) await provider.wrapKey(newKey(), context)
      await first.rotateMasterKey?.()
      expect((await second.wrapKey(newKey(), context)).masterKeyVersion).toBe('1')
      await expect.poll(async () => (await third.wrapKey(newKey(), context)).masterKeyVersion).toBe('2')
    })

    it('a password seals too, and is derived once', async () => {
      const options = {
        kdf: { memoryKiB: 7168, passes: 5 },
        rootSecret: { kind: 'password', password: 'correct horse battery' },
      } as const
      const keyId = newName()
      const provider = openNamed(keyId, { ...options, create: true })
      const wrapped = await provider.wrapKey(newKey(), context)
      expect((await openNamed(keyId, options).unwrapKey(wrapped, context)).length).toBe(64)
      await rejects(() => openNamed(keyId).wrapKey(newKey(), context), 'ERR_ROOT_SECRET_WRONG', [
        'ENCRYPTION_MASTER_PASSWORD',
      ])
      const other = { kind: 'password', password: 'another horse' } as const
      await rejects(
        () => openNamed(keyId, { rootSecret: other }).describeMasterKey(),
        'ERR_ROOT_SECRET_WRONG',
      )
    })

    it('tells the server, its clock and the lack of TLS', async () => {
      const [provider] = await openNew()
      const { server: facts, warnings } = await provider.describeMasterKey()
      expect(facts).toMatchObject({ tls: false, version: expect.stringMatching(/^(Redis|Valkey) \d+\.\d+/) })
      expect(Math.abs((facts?.time ?? 0) - Date.now())).toBeLessThan(60_000)
      expect(warnings).toEqual([])
    })
  })

  describe('what is stored', () => {
    const broken: [what: string, code: string, change: (text: string, key: string) => Promise<unknown>][] = [
      ['nothing but a name', 'ERR_KEY_FILE_EMPTY', (_, key) => admin.set(key, '')],
      ['a beginning', 'ERR_KEY_FILE_TRUNCATED', (text, key) => admin.set(key, text.slice(0, -20))],
      [
        'a flipped digit',
        'ERR_KEY_FILE_CORRUPT',
        (text, key) => admin.set(key, text.replace('"generation": 1', '"generation": 2')),
      ],
      ['another text', 'ERR_KEY_FILE_CORRUPT', (_, key) => admin.set(key, '{"hello": "world"}')],
      [
        'a newer format',
        'ERR_KEY_FILE_UNREADABLE',
        (text, key) => admin.set(key, text.replace('"v": 1', '"v": 2')),
      ],
      [
        'a list of another program',
        'ERR_KEY_FILE_FOREIGN',
        (_, key) => admin.del(key).then(() => admin.rpush(key, 'x')),
      ],
    ]
    it.each(broken)('%s is %s for reading and writing, and stays as it is', async (_, code, change) => {
      const [maker, keyId] = await openNew()
      const key = keyOf(keyId)
      await change((await admin.get(key)) ?? '', key)
      const before = await admin.dump(key)
      const late = openNamed(keyId, { create: true })
      await rejects(() => late.describeMasterKey(), code)
      await rejects(() => late.wrapKey(newKey(), context), code)
      await rejects(async () => late.rotateMasterKey?.(), code)
      await rejects(() => maker.wrapKey(newKey(), context), code)
      expect(await admin.dump(key)).toEqual(before)
    })

    it('another master key, an older state and an unsealed one are told apart', async () => {
      const [first, keyId] = await openNew()
      const [, otherId] = await openNew()
      const key = keyOf(keyId)
      const old = (await admin.get(key)) ?? ''
      await first.rotateMasterKey?.()
      await admin.set(key, old)
      await rejects(() => first.wrapKey(newKey(), context), 'ERR_KEY_FILE_ROLLED_BACK')
      await admin.set(key, (await admin.get(keyOf(otherId))) ?? '')
      await rejects(() => first.wrapKey(newKey(), context), 'ERR_KEY_FILE_FOREIGN')
      const { createMasterKeyset, formatKeyFile } = await import('../../providers/local/master-keyset.ts')
      await admin.set(key, formatKeyFile(createMasterKeyset(Date.now())))
      await rejects(() => openNamed(keyId).wrapKey(newKey(), context), 'ERR_KEY_FILE_UNSEALED')
    })

    it('another root key does not open it', async () => {
      const [, keyId] = await openNew()
      const other = openNamed(keyId, { rootSecret: { bytes: newKey().subarray(32), kind: 'key' } })
      await rejects(() => other.describeMasterKey(), 'ERR_ROOT_SECRET_WRONG', ['ENCRYPTION_MASTER_KEY'])
    })

    it('opens as a key file, so a backup needs no Redis', async () => {
      const [provider, keyId] = await openNew()
      const key = newKey()
      const wrapped = await provider.wrapKey(key, context)
      const path = join(folder, 'backup.keys')
      await writeFile(path, (await admin.get(keyOf(keyId))) ?? '', { mode: 0o600 })
      const { default: fileProvider } = await import('../../providers/file.ts')
      expect(sameBytes(await fileProvider({ path, rootSecret }).unwrapKey(wrapped, context), key)).toBe(true)
    })
  })

  describe('the server', () => {
    it('is used again after it was killed and restarted, with the same keys', async () => {
      await admin.config('SET', 'appendfsync', 'always') // else the answer may come before the write
      const [provider] = await openNew()
      const key = newKey()
      const before = await provider.wrapKey(key, context)
      await provider.rotateMasterKey?.()
      await server.crash()
      await rejects(() => provider.wrapKey(key, context), 'ERR_PROVIDER_UNAVAILABLE', [
        'ENCRYPTION_REDIS_URL',
      ])
      expect(sameBytes(await provider.unwrapKey(before, context), key)).toBe(true)
      await server.restart()
      const after = await provider.wrapKey(key, context)
      expect(after.masterKeyVersion).toBe('2')
      for (const wrapped of [before, after]) {
        expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
      }
    })

    it('a rotation whose connection breaks fails and is not sent again; a read is', async () => {
      const [, keyId] = await openNew()
      let isCut = false
      const proxy = await tcpServer((socket) => {
        passTo(server.port, socket)
        socket.on('data', (bytes) => {
          if (isCut || !bytes.includes('evalsha')) return
          isCut = true
          socket.destroy()
        })
      })
      stops.push(() => proxy.stop())
      const provider = openNamed(keyId, address(proxy.port))
      await rejects(async () => provider.rotateMasterKey?.(), 'ERR_PROVIDER_UNAVAILABLE')
      expect(isCut).toBe(true)
      await provider.wrapKey(newKey(), context)
      proxy.cut()
      await provider.wrapKey(newKey(), context)
      expect(proxy.connections()).toBe(3)
    })

    it('a connection on which nobody answers is given up', async () => {
      const [, keyId] = await openNew()
      const provider = openNamed(keyId, { replyTimeoutMs: 100 })
      await provider.describeMasterKey()
      server.suspend()
      await rejects(() => provider.wrapKey(newKey(), context), 'ERR_PROVIDER_UNAVAILABLE')
      server.resume()
      expect((await provider.wrapKey(newKey(), context)).masterKeyVersion).toBe('1')
    })

    it('200 first calls at once make one connection', async () => {
      const [, keyId] = await openNew()
      const proxy = await tcpServer((socket) => passTo(server.port, socket))
      stops.push(() => proxy.stop())
      const provider = openNamed(keyId, address(proxy.port))
      await Promise.all(Array.from({ length: 200 }, () => provider.wrapKey(newKey(), context)))
      expect(proxy.connections()).toBe(1)
    })

    it('that may drop keys takes no wraps, unless allowed; what is there still opens', async () => {
      const [first, keyId] = await openNew()
      const wrapped = await first.wrapKey(newKey(), context)
      await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
      try {
        const provider = openNamed(keyId)
        const settings = ['noeviction', 'ENCRYPTION_REDIS_ALLOW_EVICTION']
        await rejects(() => provider.wrapKey(newKey(), context), 'ERR_MASTER_KEY_UNSUITABLE', settings)
        await rejects(async () => provider.rotateMasterKey?.(), 'ERR_MASTER_KEY_UNSUITABLE')
        const maker = openNamed(newName(), { create: true })
        await rejects(() => maker.wrapKey(newKey(), context), 'ERR_MASTER_KEY_UNSUITABLE')
        expect((await provider.unwrapKey(wrapped, context)).length).toBe(64)
        expect((await provider.describeMasterKey()).warnings?.join()).toContain('allkeys-lru')
        const careless = openNamed(keyId, { allowEviction: true })
        expect((await careless.wrapKey(newKey(), context)).masterKeyVersion).toBe('1')
      } finally {
        await admin.config('SET', 'maxmemory-policy', 'noeviction')
      }
    })

    it.each([
      ['no', '', 'keeps nothing on disk'],
      ['no', '3600 1', 'since the last snapshot'],
    ])('with appendonly %s and save "%s" is warned of', async (_, save, warning) => {
      const [provider, keyId] = await openNew()
      await admin.config('SET', 'appendonly', 'no')
      await admin.config('SET', 'save', save)
      try {
        expect((await provider.describeMasterKey()).warnings?.join()).toContain(warning)
        expect((await openNamed(keyId).wrapKey(newKey(), context)).masterKeyVersion).toBe('1')
        const strict = openNamed(keyId, { requirePersistence: true })
        const setting = ['ENCRYPTION_REDIS_REQUIRE_PERSISTENCE']
        await rejects(() => strict.wrapKey(newKey(), context), 'ERR_MASTER_KEY_UNSUITABLE', setting)
      } finally {
        await admin.config('SET', 'save', '')
        await admin.config('SET', 'appendonly', 'yes')
      }
    })

    it('that refuses CONFIG and INFO, as managed ones do, is warned of and used', async () => {
      const [, keyId] = await openNew()
      const asManaged = async (...rules: string[]): Promise<readonly string[]> => {
        await admin.call('ACL', 'SETUSER', 'managed', 'reset', 'on', '>a-password', '~*', '+@all', ...rules)
        const url = `redis://managed:a-password@127.0.0.1:${server.port}`
        const provider = openNamed(keyId, { url })
        await provider.wrapKey(newKey(), context)
        return (await provider.describeMasterKey()).warnings ?? []
      }
      expect(await asManaged('-config')).toEqual([])
      expect((await asManaged('-config', '-info', '-time')).join()).toContain('nobody could check')
    })

    it('that is a replica serves reads, and says what it is when it should be written', async () => {
      const [, keyId] = await openNew()
      await admin.call('REPLICAOF', '127.0.0.1', String(await freePort()))
      try {
        const provider = openNamed(keyId)
        expect((await provider.wrapKey(newKey(), context)).masterKeyVersion).toBe('1')
        expect((await provider.describeMasterKey()).warnings?.join()).toContain('is a replica')
        await rejects(async () => provider.rotateMasterKey?.(), 'ERR_PROVIDER_STANDBY', [
          'ENCRYPTION_REDIS_URL',
        ])
      } finally {
        await admin.call('REPLICAOF', 'NO', 'ONE')
      }
    })

    it('that is out of memory takes no new master key', async () => {
      const [, keyId] = await openNew()
      await admin.config('SET', 'maxmemory', '1')
      try {
        await rejects(async () => openNamed(keyId).rotateMasterKey?.(), 'ERR_PROVIDER_FAILED', ['maxmemory'])
      } finally {
        await admin.config('SET', 'maxmemory', '0')
      }
    })

    it.each([
      ['no password', '', ['ENCRYPTION_REDIS_PASSWORD']],
      ['a wrong password', ':not-the-password@', ['ENCRYPTION_REDIS_URL']],
      ['an unknown user', 'who:not-the-password@', []],
    ])('refuses %s', async (_, login, settings) => {
      const provider = openNamed('any', { url: `redis://${login}127.0.0.1:${server.port}` })
      const code = 'ERR_PROVIDER_UNAUTHENTICATED'
      await rejects(() => provider.wrapKey(newKey(), context), code, settings, ['not-the-password'])
      await rejects(() => provider.describeMasterKey(), code, settings, ['not-the-password'])
    })

    it.each<[what: string, make: () => Partial<RedisProviderOptions>]>([
      [
        'a password file that is not there',
        () => ({ passwordFile: '/nowhere/pw', url: 'redis://127.0.0.1' }),
      ],
      ['a CA file that is not there', () => ({ caFile: '/nowhere/ca.pem', url: 'rediss://127.0.0.1' })],
      ['a database that is not there', () => ({ url: urlOf(server).replace(/0$/, '999') })],
      ['a server that is no cluster', () => ({ cluster: true })],
    ])('says so for %s', async (_, make) => {
      const provider = openNamed('any', make())
      await rejects(() => provider.wrapKey(newKey(), context), 'ERR_PROVIDER_FAILED', ['ENCRYPTION_REDIS_'])
    })

    it('what leastPrivilege grants is enough, and no more than that', async () => {
      const { leastPrivilege } = await import('../../providers/redis.ts')
      const [, keyId] = await openNew()
      const settings = { create: false, name: 'redis', options: { keyId }, production: true }
      const { text } = leastPrivilege(settings)
      for (const line of text.split('\n')) {
        const words = line.replaceAll("'", '').replace('<password>', 'a-password').split(' ')
        await admin.call(words[0] ?? '', ...words.slice(1))
      }
      const as = (user: string, options: Partial<RedisProviderOptions> = {}): KeyProvider =>
        openNamed(keyId, { url: `redis://${user}:a-password@127.0.0.1:${server.port}`, ...options })
      const app = as('keywright')
      const key = newKey()
      const wrapped = await app.wrapKey(key, context)
      expect((await app.describeMasterKey()).warnings).toEqual([])
      expect(sameBytes(await app.unwrapKey(wrapped, context), key)).toBe(true)
      await rejects(async () => app.rotateMasterKey?.(), 'ERR_PROVIDER_DENIED', ['docs/providers/redis.md'])
      expect((await as('keywright-admin').rotateMasterKey?.())?.version).toBe('2')
      await rejects(
        () => as('keywright-admin', { keyId: 'first' }).describeMasterKey(),
        'ERR_PROVIDER_DENIED',
      )
      await admin.del(keyOf(keyId))
      expect((await as('keywright-admin', { create: true }).describeMasterKey()).version).toBe('1')
    })
  })

  it.each(['redis', 'sqlite'])(
    'the environment of the emulator is all that an application needs, with a %s store',
    async (kind) => {
      const own = { ...server.env, ENCRYPTION_AUDIT_PATH: join(folder, `${kind}.jsonl`) }
      const environment =
        kind === 'redis' ? own : { ...own, ENCRYPTION_KEY_STORE_URL: `sqlite:${join(folder, 'keys.db')}` }
      const keywright = await open({ create: true, environment })
      const ciphertext = await keywright.encrypt('pii', 'Ada')
      await keywright.close()
      const again = await open({ environment })
      expect(await again.decrypt(ciphertext)).toBe('Ada')
      await again.close()
    },
  )

  it('the emulator tells its version and makes more master keys', async () => {
    expect(server.server).toMatch(/^Redis \d+\.\d+\.\d+$/)
    const { env, keyId } = await server.createMasterKey('second')
    expect([keyId, env['ENCRYPTION_KEY_ID']]).toEqual(['second', 'second'])
    expect(await admin.exists(keyOf('second'))).toBe(1)
    await server.stop()
    await server.stop()
  })
})
