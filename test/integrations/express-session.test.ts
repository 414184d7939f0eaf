import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express, { type NextFunction, type Response as Reply, type Request } from 'express'
import session, { MemoryStore, type SessionData, type Store } from 'express-session'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KeywrightError } from '../../src/errors.ts'
import { encryptedSessionStore } from '../../src/integrations/express-session.ts'
import { sessionCodec } from '../../src/integrations/session.ts'
import type { Keywright } from '../../src/keywright.ts'
import type { RedisServer } from '../../src/testing/native/redis.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith, World } from '../kit/world.ts'
import { duringOutage, Jar, redisFor, revokeActive, SECRET } from './storage-kit.ts'

declare module 'express-session' {
  interface SessionData {
    user?: string
    visits?: number
  }
}

const available = await redisFor()
let redis: RedisServer
let client: ReturnType<typeof createClient>
let world: World
let kw: Keywright
const servers: Server[] = []
const closing: Keywright[] = []

beforeAll(async () => {
  if (available.start === undefined) return
  redis = await available.start()
  client = createClient({ url: `redis://:${redis.password}@127.0.0.1:${redis.port}` })
  client.on('error', () => undefined)
  await client.connect()
})
afterAll(async () => {
  client?.destroy()
  await redis?.stop()
})

beforeEach(() => {
  world = new World({ policy: policyWith({ session: { compromised: 'refuse' } }) })
  kw = world.open()
})
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
  for (const one of closing.splice(0)) await one.close()
  await world.end()
})

const redisStore = (options: { ttl?: number } = {}): RedisStore =>
  new RedisStore({ client, prefix: 'sess:', ...options })

/** An application with sessions: its base URL. */
async function serve(store: Store, maxAge?: number): Promise<string> {
  const app = express()
  app.use(
    session({
      store,
      secret: 'keyboard cat',
      resave: false,
      saveUninitialized: false,
      cookie: maxAge === undefined ? {} : { maxAge },
    }),
  )
  app.get('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      req.session.user = SECRET
      res.json({ id: req.sessionID })
    })
  })
  app.get('/', (req, res) => {
    res.json({ id: req.sessionID, user: req.session.user ?? null, visits: req.session.visits ?? 0 })
  })
  app.get('/visit', (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1
    res.json({ visits: req.session.visits })
  })
  app.get('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.json({})))
  })
  app.use((error: KeywrightError, _req: Request, res: Reply, _next: NextFunction) => {
    res.status(error.status ?? 500).json({ code: error.code })
  })
  const server = app.listen(0, '127.0.0.1')
  servers.push(server)
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const bodyOf = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>

describe('the session codec', () => {
  it('binds data to the session and to the key type', async () => {
    const codec = sessionCodec(kw)
    const text = await codec.encrypt('s1', { user: SECRET, at: new Date(0) })
    expect(text).toMatch(/^kw1\./)
    expect(await codec.decrypt('s1', text)).toEqual({ user: SECRET, at: '1970-01-01T00:00:00.000Z' })
    await expectCode(codec.decrypt('s2', text), 'ERR_DECRYPTION_FAILED')
    const pii = sessionCodec(kw, { keyType: 'pii' })
    await kw.ready(['pii'])
    await expectCode(pii.decrypt('s1', text), 'ERR_KEYRING_MISMATCH')
    await expectCode(
      sessionCodec(kw, { context: { app: 'other' } }).decrypt('s1', text),
      'ERR_DECRYPTION_FAILED',
    )
    const tenant = sessionCodec(kw, { tenant: 'acme' })
    expect(await tenant.decrypt('s1', await tenant.encrypt('s1', { a: 1 }))).toEqual({ a: 1 })
  })

  it('refuses what has no JSON, without repeating it', async () => {
    const loop: Record<string, unknown> = { secret: SECRET }
    loop['self'] = loop
    const error = await expectCode(sessionCodec(kw).encrypt('s1', loop), 'ERR_VALUE_TYPE')
    expect(JSON.stringify([error, error.message])).not.toContain(SECRET)
    const list = await kw
      .field('session', { table: 'sessions', column: 'data' })
      .encrypt('[1]', { row: 's1' })
    await expectCode(sessionCodec(kw).decrypt('s1', list), 'ERR_VALUE_TYPE')
  })

  it('refuses what is no store, and an unknown key type', async () => {
    await expectCode(() => encryptedSessionStore(kw, {} as MemoryStore), 'ERR_ARGUMENT_INVALID')
    await expectCode(
      () => encryptedSessionStore(kw, new MemoryStore(), { keyType: 'sesion' }),
      'ERR_KEY_TYPE_UNKNOWN',
    )
  })
})

describe('express-session with its MemoryStore', () => {
  it('stores only ciphertext and times', async () => {
    const inner = new MemoryStore()
    const store = encryptedSessionStore(kw, inner)
    const url = await serve(store, 60_000)
    const jar = new Jar()
    const { id } = await bodyOf(await jar.fetch(`${url}/login`))
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ id, user: SECRET })
    const raw = (inner as unknown as { sessions: Record<string, string> }).sessions[String(id)] ?? ''
    expect(raw).not.toContain(SECRET)
    const { cookie, encrypted } = JSON.parse(raw)
    expect(encrypted).toMatch(/^kw1\./)
    expect(Object.keys(cookie).sort()).toEqual(['expires', 'maxAge', 'originalMaxAge'])
  })

  it('takes from the store when the cookie ends, and nothing else', async () => {
    const inner = new MemoryStore()
    const store = encryptedSessionStore(kw, inner)
    const url = await serve(store, 60_000)
    const jar = new Jar()
    const { id } = await bodyOf(await jar.fetch(`${url}/login`))
    const { sessions } = inner as unknown as { sessions: Record<string, string> }
    const stored = JSON.parse(sessions[String(id)] ?? '')
    const expires = new Date(Date.now() + 30_000).toISOString()
    stored.cookie = {
      ...stored.cookie,
      expires,
      httpOnly: false,
      secure: true,
      domain: 'evil.example',
      path: '/x',
    }
    sessions[String(id)] = JSON.stringify(stored)
    const got = await new Promise<SessionData | null | undefined>((resolve, reject) =>
      store.get(String(id), (error, found) => (error ? reject(error) : resolve(found))),
    )
    expect(got?.cookie).toMatchObject({ expires, httpOnly: true, path: '/' })
    expect(got?.cookie).not.toHaveProperty('domain')
    stored.cookie = { expires: 'never' }
    sessions[String(id)] = JSON.stringify(stored)
    await jar.fetch(`${url}/visit`)
    expect(jar.last[0]).toMatch(/Path=\/; Expires=.*; HttpOnly/)
  })

  it('gives all sessions, without those that do not open', async () => {
    const inner = new MemoryStore()
    const told: KeywrightError[] = []
    const store = encryptedSessionStore(kw, inner, { onError: (error) => told.push(error) })
    const url = await serve(store)
    const { id } = await bodyOf(await new Jar().fetch(`${url}/login`))
    inner.set('forged', { cookie: {}, user: 'root' } as unknown as SessionData)
    const all = await new Promise((resolve) => store.all?.((_, sessions) => resolve(sessions)))
    expect(Object.keys(all as object)).toEqual([id])
    expect(told.map(({ code }) => code)).toEqual(['ERR_NOT_CIPHERTEXT'])
    const length = await new Promise((resolve) => store.length?.((_, count) => resolve(count)))
    expect(length).toBe(2)
    await new Promise<void>((resolve) => store.clear?.(() => resolve()))
    expect(await new Promise((resolve) => store.length?.((_, count) => resolve(count)))).toBe(0)
  })

  it('has the optional methods that the store has, and its events', () => {
    const bare = Object.assign(new MemoryStore(), {
      touch: undefined,
      all: undefined,
    }) as unknown as MemoryStore
    const wrapped = encryptedSessionStore(kw, bare)
    expect('touch' in wrapped).toBe(false)
    expect('all' in wrapped).toBe(false)
    let events = 0
    wrapped.on('disconnect', () => events++)
    bare.emit('disconnect')
    expect(events).toBe(1)
  })
})

describe.skipIf(available.skip)('express-session with connect-redis', () => {
  it('keeps sessions over requests and processes, as ciphertext', async () => {
    const url = await serve(encryptedSessionStore(kw, redisStore()))
    const other = await serve(encryptedSessionStore(world.open(), redisStore()))
    const jar = new Jar()
    const { id } = await bodyOf(await jar.fetch(`${url}/login`))
    expect(await bodyOf(await jar.fetch(other))).toMatchObject({ id, user: SECRET })
    expect(await bodyOf(await jar.fetch(`${other}/visit`))).toEqual({ visits: 1 })
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ user: SECRET, visits: 1 })
    const raw = (await client.get(`sess:${id}`)) ?? ''
    expect(raw).toMatch(/"encrypted":"kw1\./)
    expect(raw).not.toContain(SECRET)
    await jar.fetch(`${url}/logout`)
    expect(await client.exists(`sess:${id}`)).toBe(0)
  })

  it.each([
    ['the cookie', 60_000, {}, 60],
    ['the option ttl', undefined, { ttl: 90 }, 90],
  ])('lives as long as %s says, and is prolonged by a touch', async (_, maxAge, options, seconds) => {
    const url = await serve(encryptedSessionStore(kw, redisStore(options)), maxAge)
    const jar = new Jar()
    const { id } = await bodyOf(await jar.fetch(`${url}/login`))
    const ttl = await client.ttl(`sess:${id}`)
    expect(ttl).toBeGreaterThan(seconds - 5)
    expect(ttl).toBeLessThanOrEqual(seconds)
    await client.expire(`sess:${id}`, 20)
    await jar.fetch(url)
    expect(await client.ttl(`sess:${id}`)).toBeGreaterThan(seconds - 5)
    await client.expire(`sess:${id}`, 0)
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ user: null })
  })

  it('removes one that has ended already', async () => {
    const store = encryptedSessionStore(kw, redisStore())
    const ended = { cookie: { expires: new Date(Date.now() - 1000), originalMaxAge: 1 } }
    await store.set('ended', ended as SessionData)
    expect(await client.exists('sess:ended')).toBe(0)
  })

  it('gives all sessions with their ids', async () => {
    await client.flushDb()
    const store = encryptedSessionStore(kw, redisStore())
    await store.set('a', { cookie: { originalMaxAge: null }, user: 'a' } as SessionData)
    await store.set('b', { cookie: { originalMaxAge: null }, user: 'b' } as SessionData)
    await client.copy('sess:a', 'sess:c')
    const all = (await store.all()) as { id: string; user: string }[]
    expect(all.map(({ id, user }) => [id, user]).sort()).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ])
    expect((await store.ids()).sort()).toEqual(['a', 'b', 'c'])
    expect(await store.length()).toBe(3)
  })

  it('a session copied to another id does not open there', async () => {
    const told: KeywrightError[] = []
    const url = await serve(encryptedSessionStore(kw, redisStore(), { onError: (error) => told.push(error) }))
    const victim = await bodyOf(await new Jar().fetch(`${url}/login`))
    const attacker = new Jar()
    const own = await bodyOf(await attacker.fetch(`${url}/login`))
    await client.copy(`sess:${victim['id']}`, `sess:${own['id']}`, { REPLACE: true })
    const after = await bodyOf(await attacker.fetch(url))
    expect(after['user']).toBeNull()
    expect(after['id']).not.toBe(own['id'])
    expect(told.map(({ code }) => code)).toEqual(['ERR_DECRYPTION_FAILED'])
    const [error] = told
    const printed = JSON.stringify([error, error?.message, error?.stack])
    for (const hidden of [SECRET, String(own['id']), String(victim['id'])])
      expect(printed).not.toContain(hidden)
    expect(error?.details['session']).toMatch(/^[0-9a-f]{16}$/)
  })

  it.each([
    ['changed', (text: string) => text.replace(/kw1\.(.{20})./, (_, kept) => `kw1.${kept}!`)],
    ['cut', (text: string) => text.replace(/(kw1\..{20})[^"]*/, '$1')],
    ['in clear', () => JSON.stringify({ cookie: { originalMaxAge: null }, user: 'root' })],
    ['of no form', () => '{"cookie":null}'],
  ])('a session that was %s counts as none', async (_, change) => {
    const told: KeywrightError[] = []
    const store = encryptedSessionStore(kw, redisStore(), {
      onError(error) {
        told.push(error)
        throw new Error('a logger that fails')
      },
    })
    const url = await serve(store)
    const jar = new Jar()
    const { id } = await bodyOf(await jar.fetch(`${url}/login`))
    await client.set(`sess:${id}`, change((await client.get(`sess:${id}`)) ?? ''))
    const response = await jar.fetch(url)
    expect([response.status, (await bodyOf(response))['user']]).toEqual([200, null])
    expect(told).toHaveLength(1)
  })

  it('sessions under a revoked key end; new ones begin', async () => {
    const url = await serve(encryptedSessionStore(kw, redisStore()))
    const jar = new Jar()
    await jar.fetch(`${url}/login`)
    await revokeActive(kw)
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ user: null })
    await jar.fetch(`${url}/login`)
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ user: SECRET })
  })

  it('sessions under a key that was rotated go on', async () => {
    const url = await serve(encryptedSessionStore(kw, redisStore()))
    const jar = new Jar()
    await jar.fetch(`${url}/login`)
    await kw.keys.rotate('session', { force: true, now: true })
    expect(await bodyOf(await jar.fetch(`${url}/visit`))).toEqual({ visits: 1 })
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ user: SECRET })
  })

  it('while the provider is down requests fail, and nobody is logged out', async () => {
    const url = await serve(encryptedSessionStore(kw, redisStore()))
    const jar = new Jar()
    await jar.fetch(`${url}/login`)
    const before = jar.header
    const started = duringOutage(world)
    closing.push(started)
    const broken = await serve(encryptedSessionStore(started, redisStore()))
    for (const path of ['/', '/visit']) {
      const response = await jar.fetch(broken + path)
      expect([response.status, await bodyOf(response)]).toEqual([503, { code: 'ERR_PROVIDER_UNAVAILABLE' }])
    }
    expect(jar.header).toBe(before)
    expect(await bodyOf(await jar.fetch(url))).toMatchObject({ user: SECRET })
  })

  it('while Redis is gone requests fail as well', async () => {
    const told: KeywrightError[] = []
    const gone = new RedisStore({ client: createClient({ url: 'redis://127.0.0.1:1' }) })
    const store = encryptedSessionStore(kw, gone, { onError: (error) => told.push(error) })
    await expect(store.get('s1')).rejects.toThrow('closed')
    await expect(store.set('s1', { cookie: {} } as SessionData)).rejects.toThrow('closed')
    await expect(store.destroy('s1')).rejects.toThrow('closed')
    expect(told).toEqual([])
  })

  it('many at once keep their own', async () => {
    const url = await serve(encryptedSessionStore(kw, redisStore()))
    const jars = Array.from({ length: 20 }, () => new Jar())
    await Promise.all(jars.map((jar) => jar.fetch(`${url}/login`)))
    const visits = await Promise.all(
      jars.map(async (jar, at) => {
        for (let n = 0; n < at % 4; n++) await jar.fetch(`${url}/visit`)
        return (await bodyOf(await jar.fetch(url)))['visits']
      }),
    )
    expect(visits).toEqual(jars.map((_, at) => at % 4))
  })
})
