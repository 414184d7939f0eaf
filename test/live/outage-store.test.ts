/**
 * A real store breaks off or is killed under traffic: what was read serves for refresh period and stale time, then
 * nothing does; when it is back everything goes on by itself, and nothing that was stored is lost.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { type Keywright, open } from '../../src/index.ts'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { FakeClock } from '../kit/clock.ts'
import { codeOf, failureOf } from '../kit/failures.ts'
import { serverFor } from '../kit/servers.ts'
import { atPort, Line, portOf } from './line.ts'

const SECOND = 1000
const REFRESH = 60 * SECOND
const STALE = 30 * SECOND
const PATIENT = { timeout: 30 * SECOND, interval: 50 }

/** An application whose provider is never the matter. */
async function start(storeUrl: string, clock?: FakeClock, refreshMs = REFRESH): Promise<Keywright> {
  const cache = { ttl: '10h', refresh: `${refreshMs}ms` }
  return open({
    backend: 'memory',
    environment: {},
    config: { defaults: { cache, serveStale: `${STALE}ms` } },
    storeUrl,
    audit: false,
    create: true,
    ...(clock === undefined ? {} : { clock }),
  })
}

/** Many callers at once, some of whom encrypt; each outcome once. */
async function traffic(kw: Keywright, sealed: string): Promise<string[]> {
  const calls = Array.from({ length: 24 }, (_, n) =>
    n % 2 === 0 ? kw.decrypt(sealed) : kw.encrypt('pii', 'y').then((value) => kw.decrypt(value)),
  )
  const outcomes = await Promise.allSettled(calls)
  return [...new Set(outcomes.map((one) => (one.status === 'fulfilled' ? 'served' : codeOf(one.reason))))]
}

/** A store may say ECONNREFUSED, which helps whoever reads it; a URL with a password never. */
async function expectRefused(work: Promise<unknown> | (() => unknown), code: string): Promise<void> {
  const error = await failureOf(work)
  if (!(error instanceof KeywrightError)) throw error
  expect(error.code).toBe(code)
  expect(error.hint ?? '').not.toBe('')
  expect(JSON.stringify([error, error.message])).not.toMatch(/:\/\/[^/]*@/)
}

/** From the last reading to the end of what may be served, to the millisecond. */
async function expectToFailClosed(kw: Keywright, clock: FakeClock, sealed: string): Promise<void> {
  let passed = 0
  for (const age of [REFRESH - 1, REFRESH, REFRESH + STALE - 1]) {
    clock.advance(age - passed)
    passed = age
    expect(await traffic(kw, sealed), `${age} ms old`).toEqual(['served'])
    expect(kw.decryptSync(kw.encryptSync('pii', 'z'))).toBe('z')
  }
  clock.advance(1)
  expect(await traffic(kw, sealed)).toEqual(['ERR_STORE_UNAVAILABLE'])
  await expectRefused(() => kw.encryptSync('pii', 'z'), 'ERR_KEYRING_STALE')
  await expectRefused(() => kw.decryptSync(sealed), 'ERR_KEYRING_STALE')
  await expectRefused(kw.encrypt('session', 'of a keyring that is not there'), 'ERR_STORE_UNAVAILABLE')
  const { checks, state } = await kw.check()
  expect(state).toBe('failed')
  expect(checks.find(({ component }) => component === 'store')).toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
    state: 'failed',
  })
}

async function expectRecovery(kw: Keywright, sealed: string): Promise<void> {
  await vi.waitUntil(() => kw.decrypt(sealed).catch(() => undefined), PATIENT)
  expect(await traffic(kw, sealed)).toEqual(['served'])
  expect(kw.decryptSync(kw.encryptSync('pii', 'z'))).toBe('z')
  expect(await kw.encrypt('session', 'y')).toMatch(/^kw1\./)
  const { checks } = await kw.check()
  expect(checks.filter(({ state }) => state === 'failed')).toEqual([])
}

const postgresServer = await serverFor(postgres)

describe.skipIf(postgresServer.skip)(`PostgreSQL ${postgresServer.skip ?? ''}`, () => {
  let server: PostgresServer
  let line: Line
  let url: string
  beforeAll(async () => {
    server = await postgres.start()
    const direct = server.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
    line = await Line.to(portOf(direct))
    url = atPort(direct, line.port)
  })
  afterAll(async () => {
    await line?.close()
    await server?.stop()
  })

  it('out of reach: stale service ends in time, and all goes on when it is back', async () => {
    const clock = new FakeClock(Date.now())
    await using kw = await start(`${url}?schema=cut`, clock)
    const sealed = await kw.encrypt('pii', 'x')
    line.cut()
    await expectToFailClosed(kw, clock, sealed)
    line.mend()
    await expectRecovery(kw, sealed)
  })

  it('crashed and started again under traffic: no operation fails', { timeout: 60_000 }, async () => {
    // Read all the time, so that the server is really asked while it is away.
    await using kw = await start(`${url}?schema=crashed`, undefined, 20)
    const sealed = await kw.encrypt('pii', 'x')
    const seen = new Set<string>()
    const state = { isBack: false }
    const restarted = server.restart('SIGQUIT').finally(() => {
      state.isBack = true
    })
    while (!state.isBack) {
      for (const outcome of await traffic(kw, sealed)) seen.add(outcome)
      await delay(5)
    }
    await restarted
    expect([...seen]).toEqual(['served'])
    await vi.waitUntil(
      () => kw.keys.rotate('pii', { force: true, now: true }).catch(() => undefined),
      PATIENT,
    )
    await expectRecovery(kw, sealed)
    const keys = await kw.keys.list({ keyring: 'pii' })
    expect(keys).toMatchObject([{ version: 1 }, { version: 2, state: 'active' }])
  })
})

const redisServer = await serverFor(redis)

describe.skipIf(redisServer.skip)(`Redis ${redisServer.skip ?? ''}`, () => {
  let server: RedisServer
  let isAway = false
  beforeAll(async () => {
    // Every write is on the disk before it is answered.
    server = await startRedis({ settings: ['appendfsync always'] })
  })
  afterAll(() => server?.stop())
  afterEach(async () => {
    if (isAway) await server.restart()
    isAway = false
  })
  const url = (namespace: string): string =>
    `${server.env['ENCRYPTION_KEY_STORE_URL'] ?? ''}?namespace=${namespace}`

  it('killed: stale service ends in time, and all goes on when it is started again', async () => {
    const clock = new FakeClock(Date.now())
    await using kw = await start(url('killed'), clock)
    const sealed = await kw.encrypt('pii', 'x')
    const before = await kw.keys.list()
    await server.crash()
    isAway = true
    await expectToFailClosed(kw, clock, sealed)
    await server.restart()
    isAway = false
    await expectRecovery(kw, sealed)
    const ids = (await kw.keys.list({ keyring: 'pii' })).map(({ id, version }) => [id, version])
    expect(ids).toEqual(before.map(({ id, version }) => [id, version]))
  })

  it('killed and started again under traffic: no operation fails', { timeout: 60_000 }, async () => {
    await using kw = await start(url('restarted'), undefined, 20)
    const sealed = await kw.encrypt('pii', 'x')
    const seen = new Set<string>()
    const state = { isBack: false }
    const restarted = server
      .crash()
      .then(() => server.restart())
      .finally(() => {
        state.isBack = true
      })
    while (!state.isBack) {
      for (const outcome of await traffic(kw, sealed)) seen.add(outcome)
      await delay(5)
    }
    await restarted
    expect([...seen]).toEqual(['served'])
    await expectRecovery(kw, sealed)
  })

  it('hanging: it is not waited for beyond its own time', { timeout: 60_000 }, async () => {
    const clock = new FakeClock(Date.now())
    await using kw = await start(`${url('hanging')}&replyTimeoutMs=800&connectTimeoutMs=800`, clock)
    const sealed = await kw.encrypt('pii', 'x')
    server.suspend()
    try {
      await expectToFailClosed(kw, clock, sealed)
    } finally {
      server.resume()
    }
    await expectRecovery(kw, sealed)
  })
})
