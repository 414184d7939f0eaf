/**
 * A real Vault hangs, then ends, under traffic: keys that are open serve for TTL and stale time, then nothing does;
 * calls fail at once when it is known to be down; everything goes on by itself when it is back.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Keywright, open } from '../../src/index.ts'
import { type OpenBao, openbao, startOpenBao } from '../../src/testing/native/openbao.ts'
import { FakeClock } from '../kit/clock.ts'
import { codeOf, expectCode } from '../kit/failures.ts'
import { serverFor } from '../kit/servers.ts'
import { atPort, Line, portOf } from './line.ts'

const SECOND = 1000
const TTL = 60 * SECOND
const STALE = 30 * SECOND
const TIMEOUT_MS = 800
const BREAK_AFTER = 3
const BREAK_MS = 1500
const PATIENT = { timeout: 30 * SECOND, interval: 50 }
const TOKEN = 'keywright-outage'

const { skip } = await serverFor(openbao)

/** What a provider that is down may look like. */
const DOWN = ['ERR_PROVIDER_TIMEOUT', 'ERR_PROVIDER_UNAVAILABLE', 'ERR_PROVIDER_CIRCUIT_OPEN'] as const

describe.skipIf(skip)(`Vault out of reach ${skip ?? ''}`, () => {
  let bao: OpenBao
  let line: Line
  let environment: Record<string, string>
  beforeAll(async () => {
    bao = await startOpenBao()
    line = await Line.to(portOf(bao.endpoint))
    await bao.call('POST', 'transit/keys/kept', { exportable: true, allow_plaintext_backup: true })
    await makeToken(bao)
    environment = {
      ...bao.env,
      ENCRYPTION_KEY_ID: 'kept',
      ENCRYPTION_VAULT_TOKEN: TOKEN,
      ENCRYPTION_VAULT_URL: atPort(bao.endpoint, line.port),
    }
  })
  afterAll(async () => {
    await line?.close()
    await bao?.stop()
  })

  /** The same token in every server, as one with a storage backend would keep it. */
  async function makeToken(server: OpenBao): Promise<void> {
    await server.call('POST', 'auth/token/create', { id: TOKEN, period: '1h', policies: ['keywright'] })
  }

  /** An application with a clock of its own, so that an hour is no hour here; timeouts are real ones. */
  async function start(clock: FakeClock): Promise<Keywright> {
    const cache = { ttl: `${TTL}ms`, refresh: `${TTL}ms` }
    return open({
      environment,
      clock,
      config: { defaults: { cache, serveStale: `${STALE}ms` } },
      storeUrl: 'memory:',
      audit: false,
      create: true,
      providerTimeoutMs: TIMEOUT_MS,
      resilience: { attempts: 2, retryDelayMs: 10, breakAfter: BREAK_AFTER, breakMs: BREAK_MS },
    })
  }

  /** Many callers at once, some of whom encrypt; each outcome once. */
  async function traffic(kw: Keywright, sealed: string): Promise<string[]> {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 24 }, (_, n) =>
        n % 2 === 0 ? kw.decrypt(sealed) : kw.encrypt('pii', 'y').then((value) => kw.decrypt(value)),
      ),
    )
    const seen = outcomes.map((one) => (one.status === 'fulfilled' ? 'served' : codeOf(one.reason)))
    return [...new Set(seen)]
  }

  const isDown = (codes: readonly string[]): boolean =>
    codes.every((code) => (DOWN as readonly string[]).includes(code))

  /** From the moment at which Vault gave the key to the end of what may be served, to the millisecond. */
  async function expectToFailClosed(kw: Keywright, clock: FakeClock, sealed: string): Promise<void> {
    let passed = 0
    for (const age of [TTL - 1, TTL, TTL + STALE / 2, TTL + STALE - 1]) {
      clock.advance(age - passed)
      passed = age
      expect(await traffic(kw, sealed), `${age} ms old`).toEqual(['served'])
      expect(kw.decryptSync(sealed)).toBe('x')
    }
    clock.advance(1)
    expect(await traffic(kw, sealed)).toSatisfy(isDown)
    await expectCode(() => kw.decryptSync(sealed), 'ERR_KEY_NOT_LOADED')
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_NOT_LOADED')
  }

  async function expectBreakerToOpen(kw: Keywright): Promise<void> {
    const down = (): boolean => (kw.counters()['vault']?.refused ?? 0) > 0
    for (let n = 0; n < 2 * BREAK_AFTER && !down(); n++)
      await kw.keys.create('session').catch(() => undefined)
    const codes = await Promise.all(
      Array.from({ length: 50 }, () => kw.keys.create('session').then(() => 'made', codeOf)),
    )
    // One of them may have tried whether it is back. The others did not wait for that.
    expect(codes).toSatisfy(isDown)
    expect(codes.filter((code) => code === 'ERR_PROVIDER_CIRCUIT_OPEN').length).toBeGreaterThanOrEqual(49)
    const { checks, state } = await kw.check()
    expect(state).toBe('failed')
    const check = checks.find(({ component }) => component === 'provider')
    expect(check).toMatchObject({ name: 'vault', state: 'failed', lastSuccessAgeMs: expect.any(Number) })
    expect(DOWN).toContain(check?.code)
    const [status] = await kw.keys.wrapStatus()
    expect(DOWN).toContain(status?.code)
  }

  async function expectRecovery(kw: Keywright, sealed: string): Promise<void> {
    await vi.waitUntil(() => kw.decrypt(sealed).catch(() => undefined), PATIENT)
    expect(await traffic(kw, sealed)).toEqual(['served'])
    const { checks } = await kw.check()
    expect(checks.filter(({ state }) => state === 'failed')).toEqual([])
  }

  const isSilent = (): Promise<boolean> =>
    fetch(`${bao.endpoint}/v1/sys/health`, { signal: AbortSignal.timeout(200) }).then(
      () => false,
      () => true,
    )

  it('suspended, it hangs: stale service ends in time, and all goes on when it answers again', async () => {
    const clock = new FakeClock(Date.now())
    await using kw = await start(clock)
    const sealed = await kw.encrypt('pii', 'x')
    expect(await traffic(kw, sealed)).toEqual(['served'])
    bao.suspend()
    await vi.waitUntil(isSilent, PATIENT) // what is sent right after the signal may still be answered
    try {
      await expectToFailClosed(kw, clock, sealed)
      await expectBreakerToOpen(kw)
    } finally {
      bao.resume()
    }
    await expectRecovery(kw, sealed)
  })

  it('killed, and another one in its place: the same', async () => {
    const clock = new FakeClock(Date.now())
    await using kw = await start(clock)
    const sealed = await kw.encrypt('pii', 'x')
    const { data } = await bao.call('GET', 'transit/backup/kept')
    await bao.stop()
    await expectToFailClosed(kw, clock, sealed)
    await expectBreakerToOpen(kw)
    bao = await startOpenBao()
    await bao.call('POST', 'transit/restore/kept', { backup: data?.['backup'] })
    await makeToken(bao)
    line.mend(portOf(bao.endpoint))
    await expectRecovery(kw, sealed)
  })

  it('sealed, it says so; unsealed, it serves', async () => {
    const clock = new FakeClock(Date.now())
    await using kw = await start(clock)
    const sealed = await kw.encrypt('pii', 'x')
    await bao.seal()
    try {
      clock.advance(TTL + STALE)
      await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_SEALED')
      const { checks } = await kw.check()
      expect(checks.find(({ component }) => component === 'provider')).toMatchObject({
        code: 'ERR_PROVIDER_SEALED',
        state: 'failed',
      })
    } finally {
      await bao.unseal()
    }
    await expectRecovery(kw, sealed)
  })
})
