import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { type CookieOptions, clearCookie, openCookie, sealCookie } from '../../src/integrations/cookie.ts'
import { honoCookie } from '../../src/integrations/hono-cookie.ts'
import { nodeCookie } from '../../src/integrations/node-cookie.ts'
import type { Keywright } from '../../src/keywright.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith, World } from '../kit/world.ts'
import { duringOutage, Jar, revokeActive, SECRET } from './storage-kit.ts'

interface Cart {
  readonly user: string
  readonly items: number
}

let world: World
let kw: Keywright
let told: KeywrightError[]
let options: CookieOptions
const servers: { closeAllConnections?: unknown; close(): unknown }[] = []
const closing: Keywright[] = []

beforeEach(() => {
  world = new World({ policy: policyWith({ session: { compromised: 'refuse' } }) })
  kw = world.open()
  told = []
  options = { clock: world.clock, onError: (error) => told.push(error) }
})
afterEach(async () => {
  for (const server of servers.splice(0)) {
    ;(server as Server).closeAllConnections()
    server.close()
  }
  for (const one of closing.splice(0)) await one.close()
  await world.end()
})

const pairOf = (setCookie: string): string => setCookie.split(';')[0] ?? ''
const keyOf = (pair: string): number => Buffer.from(pair.replace(/^.*kw1\./, ''), 'base64url').readUInt32BE(1)
const rotate = (): Promise<unknown> => kw.keys.rotate('session', { force: true, now: true })

describe('a sealed cookie', () => {
  it.each([
    ['by default', {}, 'sid', 'Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=Lax'],
    [
      'with options',
      { maxAgeSeconds: 60, path: '/app', domain: 'example.org', httpOnly: false, sameSite: 'strict' },
      'sid',
      'Max-Age=60; Domain=example.org; Path=/app; Secure; SameSite=Strict',
    ],
    [
      'for a host',
      { hostPrefix: true },
      '__Host-sid',
      'Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    [
      'embedded',
      { sameSite: 'none', partitioned: true },
      'sid',
      'Max-Age=86400; Path=/; HttpOnly; Secure; Partitioned; SameSite=None',
    ],
    ['without TLS', { secure: false }, 'sid', 'Max-Age=86400; Path=/; HttpOnly; SameSite=Lax'],
  ] as const)('has attributes %s', async (_, attributes, name, expected) => {
    const setCookie = await sealCookie(kw, 'sid', { user: SECRET }, { ...options, ...attributes })
    const [pair = '', ...rest] = setCookie.split('; ')
    expect(pair).toMatch(new RegExp(`^${name}=kw1\\.[A-Za-z0-9_-]+$`))
    expect(rest.sort()).toEqual(expected.split('; ').sort())
    const opened = await openCookie(kw, 'sid', `a=b; ${pair}; c=d`, { ...options, ...attributes })
    expect(opened?.value).toEqual({ user: SECRET })
    const cleared = clearCookie('sid', attributes)
    expect(cleared).toMatch(new RegExp(`^${name}=; Max-Age=0`))
  })

  it.each([
    ['name', 'a b', {}],
    ['name', '', {}],
    ['name', 'a=b', {}],
    ['name', 'a;b', {}],
    ['__Host-', 'sid', { hostPrefix: true, secure: false }],
    ['__Host-', 'sid', { hostPrefix: true, path: '/a' }],
    ['__Host-', '__Host-sid', { domain: 'example.org' }],
    ['secure', '__Secure-sid', { secure: false }],
    ['secure', 'sid', { sameSite: 'none', secure: false }],
    ['maxAgeSeconds', 'sid', { maxAgeSeconds: 0 }],
    ['maxAgeSeconds', 'sid', { maxAgeSeconds: 1.5 }],
    ['path', 'sid', { path: '/a;b' }],
    ['domain', 'sid', { domain: 'a b' }],
  ] as const)('refuses a wrong %s (%s, %o)', async (word, name, attributes) => {
    const error = await expectCode(
      async () => sealCookie(kw, name, 1, attributes as CookieOptions),
      'ERR_ARGUMENT_INVALID',
    )
    expect(`${error.message} ${error.hint}`).toContain(word)
  })

  it('says how much fits when it is too large', async () => {
    const error = await expectCode(sealCookie(kw, 'sid', 'x'.repeat(5000)), 'ERR_VALUE_TOO_LARGE')
    expect(error.message).toContain('4096')
    expect(error.hint).toContain('5002')
    const { bytes, fits } = error.details as { bytes: number; fits: number }
    expect(bytes).toBeGreaterThan(4096)
    expect((await sealCookie(kw, 'sid', 'x'.repeat(fits - 2))).length).toBeLessThanOrEqual(4096)
    await expectCode(sealCookie(kw, 'sid', 'x'.repeat(fits + 2)), 'ERR_VALUE_TOO_LARGE')
    await expectCode(sealCookie(kw, 'sid', { at: new Date() } as never), 'ERR_VALUE_TYPE')
  })

  it('ends inside, whatever the browser keeps', async () => {
    const pair = pairOf(await sealCookie(kw, 'sid', 1, { ...options, maxAgeSeconds: 60 }))
    await world.clock.pass(59_999)
    expect((await openCookie(kw, 'sid', pair, options))?.value).toBe(1)
    await world.clock.pass(1)
    expect(await openCookie(kw, 'sid', pair, options)).toBeUndefined()
    expect(told).toEqual([])
  })

  const flip = (text: string, at: number): string => {
    const bytes = Buffer.from(text.slice(4), 'base64url')
    bytes[at < 0 ? bytes.length + at : at] = (bytes.at(at) ?? 0) ^ 1
    return `kw1.${bytes.toString('base64url')}`
  }
  it.each<[string, (text: string) => string, string]>([
    ['with a bit flipped in its text', (text) => flip(text, 20), 'ERR_DECRYPTION_FAILED'],
    ['with a bit flipped in its tag', (text) => flip(text, -1), 'ERR_DECRYPTION_FAILED'],
    ['with a bit flipped in its key id', (text) => flip(text, 4), 'ERR_KEY_UNKNOWN'],
    ['that was cut', (text) => text.slice(0, 30), 'ERR_CIPHERTEXT_MALFORMED'],
    ['that is garbage', () => 'kw1.%%%', 'ERR_CIPHERTEXT_MALFORMED'],
    ['in clear', () => '{"expires":9e15,"value":{"user":"root"}}', 'ERR_NOT_CIPHERTEXT'],
  ])('%s counts as none', async (_, change, code) => {
    const pair = pairOf(await sealCookie(kw, 'sid', SECRET, options))
    expect(await openCookie(kw, 'sid', `sid=${change(pair.slice(4))}`, options)).toBeUndefined()
    expect(told.map((error) => error.code)).toEqual([code])
    expect(JSON.stringify([told, told[0]?.message])).not.toContain(SECRET)
  })

  it('of another name, key type, tenant or context counts as none', async () => {
    const text = pairOf(await sealCookie(kw, 'sid', 1, options)).slice(4)
    await kw.ready(['pii'])
    expect(await openCookie(kw, 'admin', `admin=${text}`, options)).toBeUndefined()
    expect(await openCookie(kw, 'sid', `sid=${text}`, { ...options, keyType: 'pii' })).toBeUndefined()
    expect(await openCookie(kw, 'sid', `sid=${text}`, { ...options, tenant: 'acme' })).toBeUndefined()
    expect(await openCookie(kw, 'sid', `sid=${text}`, { ...options, context: { app: 'b' } })).toBeUndefined()
    expect(told.map(({ code }) => code)).toEqual([
      'ERR_DECRYPTION_FAILED',
      'ERR_KEYRING_MISMATCH',
      'ERR_KEYRING_MISMATCH',
      'ERR_DECRYPTION_FAILED',
    ])
    const value = await kw.encrypt('session', { expires: 9e15, value: 'root' })
    expect(await openCookie(kw, 'sid', `sid=${value}`, options)).toBeUndefined()
  })

  it('is found behind planted ones of the same name', async () => {
    const pair = pairOf(await sealCookie(kw, 'sid', 1, options))
    expect((await openCookie(kw, 'sid', `sid=planted; sid=; ${pair}`, options))?.value).toBe(1)
    const many = Array.from({ length: 10 }, () => 'sid=x').join('; ')
    expect(await openCookie(kw, 'sid', `${many}; ${pair}`, options)).toBeUndefined()
    expect(await openCookie(kw, 'sid', undefined, options)).toBeUndefined()
    expect(await openCookie(kw, 'sid', '', options)).toBeUndefined()
  })

  it('under a revoked key counts as none; while the provider is down it is an error', async () => {
    const pair = pairOf(await sealCookie(kw, 'sid', 1, options))
    const started = duringOutage(world)
    closing.push(started)
    await expectCode(openCookie(started, 'sid', pair, options), 'ERR_PROVIDER_UNAVAILABLE')
    expect(told).toEqual([])
    await revokeActive(kw)
    expect(await openCookie(kw, 'sid', pair, options)).toBeUndefined()
    expect(told.map(({ code }) => code)).toEqual(['ERR_KEY_COMPROMISED'])
  })

  it('is old a minute after a rotation at the latest', async () => {
    const pair = pairOf(await sealCookie(kw, 'sid', 1, options))
    expect((await openCookie(kw, 'sid', pair, options))?.isOld).toBe(false)
    await rotate()
    await world.clock.pass(60_000)
    expect((await openCookie(kw, 'sid', pair, options))?.isOld).toBe(true)
    const renewed = pairOf(await sealCookie(kw, 'sid', 1, options))
    expect((await openCookie(kw, 'sid', renewed, options))?.isOld).toBe(false)
  })
})

interface Running {
  /** Base URL; paths /set, /late and / answer with the cart as JSON. */
  readonly url: string
}

/** The same application in three frameworks. */
const FRAMEWORKS: [string, (kw: Keywright, options: CookieOptions) => Promise<Running>][] = [
  [
    'Hono on its Node server',
    async (kw, options) => {
      const cart = honoCookie<Cart>(kw, 'cart', options)
      const app = new Hono()
      app.use(cart)
      app.get('/set', async (c) => {
        c.header('set-cookie', 'other=1', { append: true })
        await cart.of(c).set({ user: SECRET, items: (cart.of(c).value?.items ?? 0) + 1 })
        return c.json(cart.of(c).value)
      })
      app.get('/large', async (c) => {
        await cart.of(c).set({ user: 'x'.repeat(5000), items: 0 })
        return c.text('too much')
      })
      app.get('/clear', (c) => {
        cart.of(c).clear()
        return c.json(cart.of(c).value ?? null)
      })
      app.get('/', (c) => c.json(cart.of(c).value ?? null))
      app.onError((error, c) => c.json({ code: (error as KeywrightError).code }, 500))
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
      await new Promise((resolve) => server.once('listening', resolve))
      servers.push(server)
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    },
  ],
  [
    'node:http',
    async (kw, options) => {
      const cart = nodeCookie<Cart>(kw, 'cart', options)
      const server = createServer((request, response) => {
        const handle = async (): Promise<void> => {
          const cookie = await cart(request, response)
          if (request.url === '/set') {
            response.setHeader('set-cookie', 'other=1')
            await cookie.set({ user: SECRET, items: (cookie.value?.items ?? 0) + 1 })
          }
          if (request.url === '/large') await cookie.set({ user: 'x'.repeat(5000), items: 0 })
          if (request.url === '/clear') cookie.clear()
          response.end(JSON.stringify(cookie.value ?? null))
        }
        handle().catch((error: KeywrightError) => {
          response.statusCode = 500
          response.end(JSON.stringify({ code: error.code }))
        })
      }).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      servers.push(server)
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    },
  ],
  [
    'Express',
    async (kw, options) => {
      const cart = nodeCookie<Cart>(kw, 'cart', options)
      const app = express()
      app.get('/set', async (req, res) => {
        const cookie = await cart(req, res)
        res.cookie('other', '1')
        await cookie.set({ user: SECRET, items: (cookie.value?.items ?? 0) + 1 })
        res.json(cookie.value)
      })
      app.get('/large', async (req, res) => {
        const cookie = await cart(req, res)
        await cookie.set({ user: 'x'.repeat(5000), items: 0 })
        res.end()
      })
      app.get('/clear', async (req, res) => {
        const cookie = await cart(req, res)
        cookie.clear()
        res.json(cookie.value ?? null)
      })
      app.get('/', async (req, res) => {
        res.json((await cart(req, res)).value ?? null)
      })
      app.use(
        (
          error: KeywrightError,
          _req: express.Request,
          res: express.Response,
          _next: express.NextFunction,
        ) => {
          res.status(500).json({ code: error.code })
        },
      )
      const server = app.listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      servers.push(server)
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    },
  ],
]

describe.each(FRAMEWORKS)('with %s', (_, start) => {
  it('is set beside other cookies, read, and cleared', async () => {
    const { url } = await start(kw, options)
    const jar = new Jar()
    expect(await (await jar.fetch(url)).json()).toBeNull()
    expect(jar.last).toEqual([])
    expect(await (await jar.fetch(`${url}/set`)).json()).toEqual({ user: SECRET, items: 1 })
    expect(jar.last.map((one) => one.split('=')[0]).sort()).toEqual(['cart', 'other'])
    expect(jar.header).not.toContain(SECRET)
    expect(await (await jar.fetch(url)).json()).toEqual({ user: SECRET, items: 1 })
    expect(jar.last).toEqual([])
    await jar.fetch(`${url}/set`)
    expect(await (await jar.fetch(url)).json()).toEqual({ user: SECRET, items: 2 })
    await jar.fetch(`${url}/clear`)
    expect(jar.cookies.has('cart')).toBe(false)
  })

  it('is renewed after a rotation, and ends when it did', async () => {
    const { url } = await start(kw, { ...options, maxAgeSeconds: 1000 })
    const jar = new Jar()
    await jar.fetch(`${url}/set`)
    const before = jar.cookies.get('cart') ?? ''
    await rotate()
    await world.clock.pass(100_000)
    expect(await (await jar.fetch(url)).json()).toEqual({ user: SECRET, items: 1 })
    const after = jar.cookies.get('cart') ?? ''
    expect(keyOf(after)).not.toBe(keyOf(before))
    expect(jar.last[0]).toContain('Max-Age=900;')
    await jar.fetch(url)
    expect(jar.last).toEqual([])
    await world.clock.pass(900_000)
    expect(await (await jar.fetch(url)).json()).toBeNull()
  })

  it('fails with a code when it is too large, and while the provider is down', async () => {
    const { url } = await start(kw, options)
    const jar = new Jar()
    const response = await jar.fetch(`${url}/large`)
    expect([response.status, await response.json()]).toEqual([500, { code: 'ERR_VALUE_TOO_LARGE' }])
    await jar.fetch(`${url}/set`)
    const started = duringOutage(world)
    closing.push(started)
    const broken = await start(started, options)
    const failed = await jar.fetch(broken.url)
    expect([failed.status, await failed.json()]).toEqual([500, { code: 'ERR_PROVIDER_UNAVAILABLE' }])
    expect(jar.cookies.has('cart')).toBe(true)
  })
})

describe('the middlewares', () => {
  it('Hono: asking for a cookie that no middleware read is an error', async () => {
    const cart = honoCookie(kw, 'cart')
    const app = new Hono().get('/', (c) => c.json(cart.of(c).value ?? null))
    app.onError((error, c) => c.json({ hint: (error as KeywrightError).hint }))
    expect(await (await app.request('/')).json()).toEqual({ hint: expect.stringContaining('app.use') })
  })

  it('node:http: too late is an error', async () => {
    const cart = nodeCookie(kw, 'cart')
    const sent = { headersSent: true, getHeader: () => undefined, setHeader: () => expect.fail('set') }
    const cookie = await cart({ headers: {} }, sent)
    await expectCode(cookie.set(1), 'ERR_ARGUMENT_INVALID')
    expect(cookie.value).toBeUndefined()
    expect(() => cookie.clear()).toThrow(KeywrightError)
  })

  it('Hono: reaches a Response that the handler made itself', async () => {
    const cart = honoCookie<number>(kw, 'cart', options)
    const app = new Hono()
    app.use(cart).get('/', async (c) => {
      await cart.of(c).set(1)
      return new Response('own', { headers: { 'set-cookie': 'other=1' } })
    })
    const cookies = (await app.request('/')).headers.getSetCookie()
    expect(cookies.map((one) => one.split('=')[0])).toEqual(['other', 'cart'])
  })

  it('what was not renewed for an outage still opens', async () => {
    const app = new Hono()
    const cart = honoCookie<number>(kw, 'cart', options)
    app.use(cart).get('/', (c) => c.json(cart.of(c).value ?? null))
    const pair = pairOf(await sealCookie(kw, 'cart', 7, options))
    await rotate()
    world.store.down = true
    await world.clock.pass(100_000)
    const response = await app.request('/', { headers: { cookie: pair } })
    expect([await response.json(), response.headers.getSetCookie()]).toEqual([7, []])
    world.store.down = false
  })
})
