/** The same application in three frameworks. */
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { etag } from 'hono/etag'
import type { BodyOptions } from '../../src/integrations/express.ts'
import * as forExpress from '../../src/integrations/express.ts'
import * as forFastify from '../../src/integrations/fastify.ts'
import type { KeywrightSource } from '../../src/integrations/functions.ts'
import * as forHono from '../../src/integrations/hono.ts'

type Options = Omit<BodyOptions<never>, 'tenant' | 'row' | 'onError'>

/** What the application does on its routes. */
export interface Rules {
  readonly whole: Options
  readonly paths: Options
  readonly onError: (error: unknown) => void
}

export interface Running {
  readonly url: string
  stop(): Promise<void>
}

const USER = {
  user: { name: 'Ada', ssn: '078-05-1120' },
  items: [
    { card: '4111', n: 1 },
    { card: null, n: 2 },
  ],
}
const tenantOf = (header: string | string[] | undefined): string | undefined => header?.toString()

/** Routes: POST /whole and /paths echo what they got in clear; GET /whole, /paths, /bytes, /text, /boom, /big answer. */
export type Start = (kw: KeywrightSource, rules: Rules) => Promise<Running>

export const startExpress: Start = async (kw, { whole, paths, onError }) => {
  const app = express()
  const tenant = (request: IncomingMessage) => tenantOf(request.headers['x-tenant'])
  const more = { tenant, onError }
  const sealed = forExpress.encryptResponse(kw, { ...whole, ...more })
  const masked = forExpress.encryptResponse(kw, { ...paths, ...more })
  app.post('/whole', sealed, forExpress.decryptRequest(kw, { ...whole, ...more }), (request, response) => {
    if (Buffer.isBuffer(request.body)) response.type('application/octet-stream').send(request.body)
    else response.json({ got: request.body })
  })
  const masking = forExpress.decryptRequest(kw, { ...paths, ...more })
  app.post('/paths', masking, (request, response) => void response.json({ got: request.body }))
  app.post(
    '/parsed',
    express.json(),
    masking,
    (request, response) => void response.json({ got: request.body }),
  )
  const unsealing = forExpress.decryptRequest(kw, { ...whole, ...more })
  app.post('/raw', express.raw({ type: () => true }), unsealing, (request, response) => {
    response.json({ got: request.body })
  })
  const dropping: express.RequestHandler = (request, _, next) => request.resume().on('end', () => next())
  app.post('/dropped', dropping, unsealing, (_, response) => void response.end())
  app.get('/whole', sealed, (_, response) => void response.json(USER))
  app.get('/paths', masked, (_, response) => void response.set('set-cookie', 'a=b').json(USER))
  app.get('/bytes', sealed, (_, response) => {
    response.writeHead(200, { 'content-type': 'image/png' })
    response.write(Buffer.from([1, 2]))
    response.end(Buffer.from([3]))
  })
  app.get('/text', masked, (_, response) => void response.type('text').send('078-05-1120'))
  app.get(
    '/big',
    sealed,
    (_, response) => void Readable.from(['x'.repeat(5000), 'y'.repeat(5000)]).pipe(response),
  )
  app.get('/empty', sealed, (_, response) => void response.status(204).end())
  app.get('/boom', masked, () => {
    throw new Error('078-05-1120')
  })
  app.use(
    ((_error, _request, response, _next) =>
      void response.status(500).send('failed')) as express.ErrorRequestHandler,
  )
  const server: Server = app.listen(0)
  await new Promise((resolve) => server.once('listening', resolve))
  return running(server)
}

export const startFastify: Start = async (kw, { whole, paths, onError }) => {
  const app = fastify()
  const tenant = (request: forFastify.FastifyRequestLike) =>
    tenantOf(request.headers['x-tenant'] as string | undefined)
  const more = { tenant, onError }
  const sealed = forFastify.encryptResponse(kw, { ...whole, ...more })
  const masked = forFastify.encryptResponse(kw, { ...paths, ...more })
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) =>
    done(null, body),
  )
  app.post(
    '/whole',
    { ...sealed, ...forFastify.decryptRequest(kw, { ...whole, ...more }) },
    async (request, reply) => {
      if (Buffer.isBuffer(request.body)) return reply.type('application/octet-stream').send(request.body)
      return { got: request.body }
    },
  )
  const masking = forFastify.decryptRequest(kw, { ...paths, ...more })
  const schema = { body: { type: 'object', properties: { user: { type: 'object' } } } }
  app.post('/paths', { ...masking, schema }, async (request) => ({ got: request.body }))
  app.post('/parsed', masking, async (request) => ({ got: request.body }))
  app.get('/whole', sealed, async () => USER)
  app.get('/paths', masked, async (_, reply) => reply.header('set-cookie', 'a=b').send(USER))
  app.get('/bytes', sealed, async (_, reply) => reply.type('image/png').send(Buffer.from([1, 2, 3])))
  app.get('/text', masked, async (_, reply) => reply.type('text/plain').send('078-05-1120'))
  app.get('/big', sealed, async (_, reply) => reply.send(Readable.from(['x'.repeat(5000), 'y'.repeat(5000)])))
  app.get('/empty', sealed, async (_, reply) => reply.code(204).send())
  app.get('/boom', masked, async () => {
    throw new Error('boom')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { ...running(app.server), stop: () => app.close() }
}

export const startHono: Start = async (kw, { whole, paths, onError }) => {
  const app = new Hono()
  const tenant = (context: forHono.HonoContextLike) => context.req.header('x-tenant')
  const more = { tenant, onError }
  const sealed = forHono.encryptResponse(kw, { ...whole, ...more })
  const masked = forHono.encryptResponse(kw, { ...paths, ...more })
  app.post('/whole', sealed, forHono.decryptRequest(kw, { ...whole, ...more }), async (c) => {
    const type = c.req.header('content-type') ?? ''
    if (type === 'application/octet-stream')
      return c.body(await c.req.arrayBuffer(), 200, { 'content-type': type })
    return c.json({ got: /json/.test(type) ? await c.req.json() : await c.req.text() })
  })
  const masking = forHono.decryptRequest(kw, { ...paths, ...more })
  app.post('/paths', masking, async (c) => c.json({ got: await c.req.json() }))
  app.post(
    '/parsed',
    async (c, next) => {
      await c.req.json()
      await next()
    },
    masking,
    async (c) => c.json({ got: await c.req.json() }),
  )
  app.get('/whole', sealed, etag(), (c) => c.json(USER))
  app.get('/paths', masked, etag(), (c) => c.json(USER, 200, { 'set-cookie': 'a=b' }))
  app.get('/bytes', sealed, (c) => c.body(new Uint8Array([1, 2, 3]), 200, { 'content-type': 'image/png' }))
  app.get('/text', masked, (c) => c.text('078-05-1120'))
  app.get('/big', sealed, (c) => c.text('x'.repeat(10_000)))
  app.get('/empty', sealed, (c) => c.body(null, 204))
  app.get('/boom', masked, () => {
    throw new Error('078-05-1120')
  })
  app.onError((_, c) => c.text('failed', 500))
  const server = serve({ fetch: app.fetch, port: 0 }) as Server
  await new Promise((resolve) => server.once('listening', resolve))
  return running(server)
}

function running(server: Server): Running {
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
