import express from 'express'
import fastify, { type FastifyRequest } from 'fastify'
import { type Context, Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decryptRequest, encryptResponse } from '../../src/integrations/express.ts'
import * as forFastify from '../../src/integrations/fastify.ts'
import * as forHono from '../../src/integrations/hono.ts'
import { type HttpBodyOptions, httpBodies } from '../../src/integrations/http.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'
import { type Running, type Start, startExpress, startFastify, startHono } from './http-servers.ts'

const WHOLE = { name: 'users.create', keyType: 'pii', limit: 4096 }
const PATHS = {
  name: 'users.read',
  paths: { 'user.ssn': 'pii', 'items[*].card': 'financial_data' },
  limit: 4096,
}
const USER = {
  user: { name: 'Ada', ssn: '078-05-1120' },
  items: [
    { card: '4111', n: 1 },
    { card: null, n: 2 },
  ],
}
const JSON_TYPE = { 'content-type': 'application/json' }

let world: World
let kw: Keywright
const source = () => kw
const bodies = (options: HttpBodyOptions) => httpBodies(source, options)

beforeAll(() => {
  world = new World()
})
afterAll(() => world.end())
beforeEach(() => {
  world.provider.mode = 'up'
  kw = world.open()
})

describe.each<[string, Start]>([
  ['Express', startExpress],
  ['Fastify', startFastify],
  ['Hono', startHono],
])('%s', (_framework, start) => {
  let app: Running
  const errors: unknown[] = []
  beforeAll(async () => {
    app = await start(source, { whole: WHOLE, paths: PATHS, onError: (error) => errors.push(error) })
  })
  afterAll(() => app.stop())
  beforeEach(() => {
    errors.length = 0
  })

  const post = (path: string, body: unknown, headers: Record<string, string>) =>
    fetch(`${app.url}${path}`, { method: 'POST', body: body as never, headers })
  const problemOf = async (response: Response) => ({
    status: response.status,
    type: response.headers.get('content-type'),
    ...((await response.json()) as object),
  })
  const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer())
  const opened = async (response: Response, options: HttpBodyOptions = WHOLE) => {
    const { body, contentType } = await bodies(options).decrypt(
      await bytesOf(response),
      response.headers.get('content-type'),
    )
    return { body, contentType, text: body.toString() }
  }

  describe('whole bodies', () => {
    it('come in and go out encrypted', async () => {
      const { body, contentType } = await bodies(WHOLE).encrypt(USER)
      const response = await post('/whole', body, { 'content-type': contentType })
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toMatch(
        /^application\/vnd\.keywright; type="application\/json/,
      )
      expect(JSON.parse((await opened(response)).text)).toEqual({ got: USER })
    })

    it('may be any bytes', async () => {
      const bytes = Buffer.from([0, 255, 1, 13, 10])
      const { body, contentType } = await bodies(WHOLE).encrypt(bytes)
      expect((await opened(await post('/whole', body, { 'content-type': contentType }))).body).toEqual(bytes)
      const image = await opened(await fetch(`${app.url}/bytes`))
      expect([...image.body]).toEqual([1, 2, 3])
      expect(image.contentType).toBe('image/png')
    })

    it('may be sent as text', async () => {
      const text = await kw
        .field('pii', { as: 'bytes', table: WHOLE.name, column: 'body', context: { type: 'text/plain' } })
        .encrypt(Buffer.from('hello'))
      const response = await post('/whole', text, {
        'content-type': 'application/vnd.keywright; type="text/plain"',
      })
      expect(JSON.parse((await opened(response)).text)).toEqual({ got: 'hello' })
    })

    it('tell nothing of the plain body in headers', async () => {
      const response = await fetch(`${app.url}/whole`)
      const body = await bytesOf(response)
      expect(response.headers.get('etag')).toBeNull()
      expect([null, String(body.length)]).toContain(response.headers.get('content-length'))
      expect(body.toString('latin1')).not.toContain('078')
    })

    it('are left alone where there is none', async () => {
      const response = await fetch(`${app.url}/empty`)
      expect([response.status, await response.text()]).toEqual([204, ''])
      const head = await fetch(`${app.url}/whole`, { method: 'HEAD' })
      expect(head.headers.get('etag')).toBeNull()
    })

    it('belong to their tenant', async () => {
      const { body, contentType } = await bodies({ ...WHOLE, tenant: 'a' }).encrypt(USER)
      const send = (tenant: string) =>
        post('/whole', body, { 'content-type': contentType, 'x-tenant': tenant })
      expect(JSON.parse((await opened(await send('a'), { ...WHOLE, tenant: 'a' })).text)).toEqual({
        got: USER,
      })
      expect(await problemOf(await send('b'))).toMatchObject({ status: 400, code: 'ERR_DECRYPTION_FAILED' })
      expect(errors).toEqual([expect.objectContaining({ code: 'ERR_KEYRING_MISMATCH' })])
      expect(await problemOf(await send('../x'))).toMatchObject({ status: 400, code: 'ERR_TENANT_INVALID' })
    })

    it.each<[string, () => Promise<{ body: Uint8Array | string; type: string }>, number, string]>([
      [
        'a changed type',
        async () => ({
          body: (await bodies(WHOLE).encrypt(USER)).body,
          type: 'application/vnd.keywright; type="text/html"',
        }),
        400,
        'ERR_DECRYPTION_FAILED',
      ],
      [
        'another name',
        async () => {
          const { body, contentType } = await bodies({ ...WHOLE, name: 'other' }).encrypt(USER)
          return { body, type: contentType }
        },
        400,
        'ERR_DECRYPTION_FAILED',
      ],
      [
        'a flipped bit',
        async () => {
          const { body, contentType } = await bodies(WHOLE).encrypt(USER)
          body[20] = (body[20] ?? 0) ^ 1
          return { body, type: contentType }
        },
        400,
        'ERR_DECRYPTION_FAILED',
      ],
      [
        'an unknown key',
        async () => {
          const { body, contentType } = await bodies(WHOLE).encrypt(USER)
          body[1] = (body[1] ?? 0) ^ 1
          return { body, type: contentType }
        },
        400,
        'ERR_DECRYPTION_FAILED',
      ],
      [
        'a cut',
        async () => {
          const { body, contentType } = await bodies(WHOLE).encrypt(USER)
          return { body: body.subarray(0, 20), type: contentType }
        },
        400,
        'ERR_CIPHERTEXT_MALFORMED',
      ],
      [
        'plain JSON under the type of ciphertext',
        async () => ({ body: JSON.stringify(USER), type: 'application/vnd.keywright' }),
        400,
        'ERR_NOT_CIPHERTEXT',
      ],
      [
        'plain JSON',
        async () => ({ body: JSON.stringify(USER), type: 'application/json' }),
        415,
        'ERR_INPUT_INVALID',
      ],
      ['no type', async () => ({ body: new Uint8Array([1, 2]), type: '' }), 415, 'ERR_INPUT_INVALID'],
      [
        'too much',
        async () => ({ body: new Uint8Array(5000), type: 'application/vnd.keywright' }),
        413,
        'ERR_VALUE_TOO_LARGE',
      ],
    ])('are refused: %s', async (_, make, status, code) => {
      const { body, type } = await make()
      const response = await post('/whole', body, type === '' ? {} : { 'content-type': type })
      const problem = await problemOf(response)
      expect(problem).toEqual({
        status,
        type: expect.stringMatching(/^application\/problem\+json/),
        code,
        message: expect.any(String),
        hint: expect.any(String),
      })
      expect(JSON.stringify(problem)).not.toMatch(/078|Ada/)
      expect(errors).toHaveLength(1)
    })

    it('are refused when they grow too large on the way, and when they are compressed', async () => {
      const endless = new ReadableStream({
        start(controller) {
          for (let at = 0; at < 8; at++) controller.enqueue(new Uint8Array(1000))
          controller.close()
        },
      })
      const response = await fetch(`${app.url}/whole`, {
        method: 'POST',
        body: endless,
        duplex: 'half',
        headers: { 'content-type': 'application/vnd.keywright' },
      } as RequestInit)
      expect(await problemOf(response)).toMatchObject({ status: 413, code: 'ERR_VALUE_TOO_LARGE' })
      const { body, contentType } = await bodies(WHOLE).encrypt(USER)
      const encoded = await post('/whole', body, { 'content-type': contentType, 'content-encoding': 'gzip' })
      expect(await problemOf(encoded)).toMatchObject({ status: 415 })
    })

    it('go out up to the limit, and not beyond', async () => {
      const response = await fetch(`${app.url}/big`)
      expect(await problemOf(response)).toEqual({
        status: 500,
        type: expect.stringMatching(/^application\/problem\+json/),
        code: 'ERR_INTERNAL',
        message: 'internal error',
      })
      expect(errors).toHaveLength(1)
    })
  })

  describe('paths', () => {
    it.each(['/paths', '/parsed'])('are decrypted, the rest stays: %s', async (path) => {
      const sealed = await bodies(PATHS).encryptPaths(USER)
      expect(sealed.user).toEqual({ name: 'Ada', ssn: expect.stringMatching(/^kw1\./) })
      const response = await post(path, JSON.stringify(sealed), JSON_TYPE)
      expect(await response.json()).toEqual({ got: USER })
    })

    it('are encrypted, the rest stays', async () => {
      const response = await fetch(`${app.url}/paths`)
      expect(response.headers.get('content-type')).toMatch(/^application\/json/)
      expect(response.headers.get('set-cookie')).toBe('a=b')
      expect(response.headers.get('etag')).toBeNull()
      const body = (await response.json()) as typeof USER
      expect(body).toEqual({
        user: { name: 'Ada', ssn: expect.stringMatching(/^kw1\./) },
        items: [
          { card: expect.stringMatching(/^kw1\./), n: 1 },
          { card: null, n: 2 },
        ],
      })
      expect(await bodies(PATHS).decryptPaths(body)).toEqual(USER)
    })

    it('work in lists, and pass what has none', async () => {
      const list = await bodies(PATHS).encryptPaths([USER, { other: 1 }, 5, null])
      expect(await bodies(PATHS).decryptPaths(list)).toEqual([USER, { other: 1 }, 5, null])
      const response = await post('/parsed', '{"other":[1,"x"]}', JSON_TYPE)
      expect(await response.json()).toEqual({ got: { other: [1, 'x'] } })
    })

    it('do not let a member named __proto__ do harm', async () => {
      const response = await post(
        '/paths',
        '{"__proto__":{"ssn":"x"},"user":{"__proto__":{"a":1}}}',
        JSON_TYPE,
      )
      expect(response.status).toBeLessThan(500)
      expect(({} as Record<string, unknown>)['ssn']).toBeUndefined()
    })

    it('that do not open are named, without their value', async () => {
      const sealed = await bodies(PATHS).encryptPaths(USER)
      const swapped = { ...sealed, user: { name: 'x', ssn: sealed.items[0]?.card } }
      expect(await problemOf(await post('/paths', JSON.stringify(swapped), JSON_TYPE))).toMatchObject({
        status: 400,
        code: 'ERR_DECRYPTION_FAILED',
        message: 'field "user.ssn": decryption failed',
      })
      const plain = await problemOf(await post('/paths', JSON.stringify(USER), JSON_TYPE))
      expect(plain).toMatchObject({
        status: 400,
        code: 'ERR_NOT_CIPHERTEXT',
        message: expect.stringContaining('"user.ssn"'),
      })
      expect(JSON.stringify(plain)).not.toContain('078')
    })

    it.each<[string, string, Record<string, string>, number]>([
      ['no JSON', '{"user":', JSON_TYPE, 400],
      ['text', 'x', { 'content-type': 'text/plain' }, 415],
      ['too much', JSON.stringify('x'.repeat(5000)), JSON_TYPE, 413],
    ])('are refused in %s', async (_, body, headers, status) => {
      expect(await problemOf(await post('/paths', body, headers))).toMatchObject({
        status,
        code: expect.any(String),
      })
    })

    it('are not sent in clear where the answer is no JSON; errors of the application are', async () => {
      expect(await problemOf(await fetch(`${app.url}/text`))).toMatchObject({
        status: 500,
        code: 'ERR_INTERNAL',
      })
      expect(errors).toEqual([expect.objectContaining({ hint: expect.stringContaining('whole body') })])
      const boom = await fetch(`${app.url}/boom`)
      expect(boom.status).toBe(500)
      expect(await boom.text()).not.toContain('078')
    })
  })

  it('asks clients to come again when the keys are not available', async () => {
    const { body, contentType } = await bodies(WHOLE).encrypt(USER)
    kw = world.open()
    world.provider.mode = 'down'
    const incoming = await post('/whole', body, { 'content-type': contentType })
    expect(incoming.headers.get('retry-after')).toBe('5')
    expect(await problemOf(incoming)).toEqual({
      status: 503,
      type: expect.stringMatching(/^application\/problem\+json/),
      code: 'ERR_PROVIDER_UNAVAILABLE',
      message: 'the keys are not available at the moment',
      hint: expect.any(String),
    })
    const outgoing = await fetch(`${app.url}/paths`)
    expect([outgoing.status, outgoing.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await outgoing.text()).not.toContain('078')
  })

  it('says nothing about errors that are not ours', async () => {
    kw = undefined as never
    const response = await post('/paths', '{"user":{"ssn":"x"}}', JSON_TYPE)
    expect(await problemOf(response)).toEqual({
      status: 500,
      type: expect.stringMatching(/^application\/problem\+json/),
      code: 'ERR_INTERNAL',
      message: 'internal error',
    })
    expect(errors[0]).toBeInstanceOf(TypeError)
  })
})

it('takes what express.raw has read, and does not wait for what is gone', async () => {
  const app = await startExpress(source, { whole: WHOLE, paths: PATHS, onError: () => undefined })
  const { body, contentType } = await bodies(WHOLE).encrypt(USER)
  const send = (path: string) =>
    fetch(app.url + path, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { 'content-type': contentType },
    })
  expect(await (await send('/raw')).json()).toEqual({ got: USER })
  const dropped = await send('/dropped')
  expect([dropped.status, await dropped.json()]).toMatchObject([500, { code: 'ERR_INTERNAL' }])
  await app.stop()
})

it.each<[string, object, string]>([
  ['no key type', { name: 'x' }, 'keyType'],
  ['no name', { keyType: 'pii' }, 'name'],
  ['no limit', { name: 'x', keyType: 'pii', limit: 0 }, 'limit'],
  ['no paths', { name: 'x', paths: [] }, 'paths'],
  ['JSONPath', { name: 'x', paths: ['$.user.ssn'] }, 'user.ssn'],
  ['an index', { name: 'x', paths: ['items[0].card'] }, 'items[*].card'],
])('refuses options with %s', (_, options, hint) => {
  expect(() => encryptResponse(source, options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID', hint: expect.stringContaining(hint) }),
  )
})

it('leaves the types of handlers as the frameworks infer them', () => {
  const options = { name: 'x', keyType: 'pii' }
  const app = express()
  const tenant = (request: express.Request) => request.get('x-tenant')
  app.use(encryptResponse(source, { ...options, tenant }))
  app.post(
    '/:id',
    decryptRequest(source, options),
    ({ params, body }, response) => void response.json([params.id, body.x]),
  )
  const server = fastify()
  server.addHook('onSend', forFastify.encryptResponse(source, options).onSend)
  const ofIp = (request: FastifyRequest) => request.ip
  server.get('/', forFastify.encryptResponse(source, { ...options, row: ofIp }), async () => 1)
  const hono = new Hono<{ Variables: { tenant: string } }>()
  const ofContext = (c: Context<{ Variables: { tenant: string } }>) => c.get('tenant')
  hono.use(forHono.encryptResponse(source, { ...options, tenant: ofContext }))
  hono.post('/:id', forHono.decryptRequest(source, options), (c) => c.text(c.req.param('id')))
  expect(hono.routes).toHaveLength(3)
  expect(server.hasRoute({ method: 'GET', url: '/' })).toBe(true)
})

it('binds to a row where told so', async () => {
  const mine = bodies({ ...PATHS, row: 'session-1' })
  const sealed = await mine.encryptPaths(USER)
  expect(await mine.decryptPaths(sealed)).toEqual(USER)
  await expect(bodies({ ...PATHS, row: 'session-2' }).decryptPaths(sealed)).rejects.toMatchObject({
    code: 'ERR_DECRYPTION_FAILED',
  })
})
