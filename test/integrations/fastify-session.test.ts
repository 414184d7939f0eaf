import cookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { RedisStore } from 'connect-redis'
import Fastify, { type FastifyInstance, type Session as FastifySession } from 'fastify'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KeywrightError } from '../../src/errors.ts'
import { encryptedSessionStore } from '../../src/integrations/fastify-session.ts'
import type { Keywright } from '../../src/keywright.ts'
import type { RedisServer } from '../../src/testing/native/redis.ts'
import { World } from '../kit/world.ts'
import { duringOutage, redisFor, SECRET } from './storage-kit.ts'

declare module 'fastify' {
  interface Session {
    user?: string
  }
}

const available = await redisFor()
let redis: RedisServer
let client: ReturnType<typeof createClient>
let world: World
let kw: Keywright
const apps: FastifyInstance[] = []
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
  world = new World()
  kw = world.open()
})
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
  for (const one of closing.splice(0)) await one.close()
  await world.end()
})

async function serve(store: fastifySession.SessionStore): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(cookie)
  await app.register(fastifySession, {
    store,
    secret: 'a secret that has thirty-two letters or more',
    cookie: { secure: false, maxAge: 60_000 },
    saveUninitialized: false,
  })
  app.get('/login', async (request) => {
    await request.session.regenerate()
    request.session.user = SECRET
    return { id: request.session.sessionId }
  })
  app.get('/', async (request) => ({ user: request.session.user ?? null }))
  return app
}

const stores: [string, () => fastifySession.SessionStore, string | undefined][] = [
  ['its own store', () => new fastifySession.MemoryStore(), undefined],
  ['connect-redis', () => new RedisStore({ client }) as fastifySession.SessionStore, available.skip],
]

describe.each(stores)('@fastify/session with %s', (_, makeStore, skip) => {
  it.skipIf(skip)('keeps sessions over requests and processes', async () => {
    const store = makeStore()
    const app = await serve(encryptedSessionStore(kw, store))
    const login = await app.inject('/login')
    const headers = { cookie: String(login.headers['set-cookie']).split(';')[0] ?? '' }
    expect((await app.inject({ url: '/', headers })).json()).toEqual({ user: SECRET })
    const other = await serve(encryptedSessionStore(world.open(), store))
    expect((await other.inject({ url: '/', headers })).json()).toEqual({ user: SECRET })
    const stored = await new Promise((resolve) => store.get(login.json().id, (_, found) => resolve(found)))
    expect(Object.keys(stored as object)).toEqual(['cookie', 'encrypted'])
    expect(JSON.stringify(stored)).not.toContain(SECRET)
  })

  it.skipIf(skip)('a session copied to another id does not open there', async () => {
    const told: KeywrightError[] = []
    const store = makeStore()
    const app = await serve(encryptedSessionStore(kw, store, { onError: (error) => told.push(error) }))
    const victim = (await app.inject('/login')).json().id
    const login = await app.inject('/login')
    const headers = { cookie: String(login.headers['set-cookie']).split(';')[0] ?? '' }
    const stored = await new Promise((resolve) => store.get(victim, (_, found) => resolve(found)))
    await new Promise((resolve) => store.set(login.json().id, stored as FastifySession, resolve))
    expect((await app.inject({ url: '/', headers })).json()).toEqual({ user: null })
    expect(told.map(({ code }) => code)).toEqual(['ERR_DECRYPTION_FAILED'])
  })

  it.skipIf(skip)('while the provider is down requests fail', async () => {
    const store = makeStore()
    const app = await serve(encryptedSessionStore(kw, store))
    const login = await app.inject('/login')
    const headers = { cookie: String(login.headers['set-cookie']).split(';')[0] ?? '' }
    const started = duringOutage(world)
    closing.push(started)
    const broken = await serve(encryptedSessionStore(started, store))
    const response = await broken.inject({ url: '/', headers })
    expect([response.statusCode, response.json().code]).toEqual([503, 'ERR_PROVIDER_UNAVAILABLE'])
    expect((await app.inject({ url: '/', headers })).json()).toEqual({ user: SECRET })
  })
})
