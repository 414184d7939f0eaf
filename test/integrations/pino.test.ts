import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeywrightError } from '../../src/errors.ts'
import { decryptFields, encryptedFields, encryptingTransport } from '../../src/integrations/pino.ts'
import type { Keywright } from '../../src/keywright.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith, World } from '../kit/world.ts'
import { newPlace, openPlace, removePlace } from '../race/support/place.ts'
import { duringOutage, SECRET } from './storage-kit.ts'

let world: World
let kw: Keywright
let told: KeywrightError[]

beforeEach(() => {
  world = new World()
  kw = world.open()
  told = []
})
afterEach(() => world.end())

const PATHS = [
  'user.email',
  '*.ssn',
  'items[*].card',
  'req.headers["x-api-key"]',
  'token',
  'err.message',
  'err.stack',
]
const onError = (error: KeywrightError) => told.push(error)

/** A logger and what it wrote. */
async function logger(options: Partial<Parameters<typeof encryptedFields>[1]> = {}, more: object = {}) {
  const lines: string[] = []
  const fields = await encryptedFields(kw, { log: 'api', paths: PATHS, onError, ...options })
  const log = pino({ base: null, ...fields, ...more }, { write: (line: string) => lines.push(line) })
  return { log, lines }
}

const read = (line = ''): Promise<Record<string, unknown>> =>
  decryptFields(kw, line, { log: 'api', paths: PATHS })

describe('encrypted fields of pino', () => {
  const payload = {
    user: { email: SECRET, name: 'Ada', ssn: SECRET },
    items: [{ card: SECRET, n: 1 }, { card: { number: SECRET } }],
    req: { headers: { 'x-api-key': SECRET, accept: '*/*' } },
    token: SECRET,
    count: 3,
  }

  it('are encrypted where they are named, and stay clear for the caller', async () => {
    const { log, lines } = await logger()
    const given = structuredClone(payload)
    log.info(given, 'hello')
    expect(given).toEqual(payload)
    expect(lines.join('')).not.toContain(SECRET)
    const line = JSON.parse(lines[0] ?? '')
    expect(line).toMatchObject({ msg: 'hello', count: 3, user: { name: 'Ada' }, items: [{ n: 1 }, {}] })
    for (const value of [line.user.email, line.user.ssn, line.items[1].card, line.token])
      expect(value).toMatch(/^kw1\./)
    expect(await read(lines[0])).toMatchObject(payload)
    expect(told).toEqual([])
  })

  it('of child loggers, interpolated objects, serializers and errors too', async () => {
    const { log, lines } = await logger(
      {},
      { serializers: { user: (id: number) => ({ id, email: SECRET }) } },
    )
    const child = log.child({ token: SECRET, user: 5 })
    child.info('hello')
    child.child({ customer: { ssn: SECRET } }).warn({ err: new Error(SECRET) }, 'failed')
    log.info('%j', { user: { email: SECRET } })
    const text = lines.join('')
    expect(text).not.toContain(SECRET)
    expect(await read(lines[0])).toMatchObject({ token: SECRET, user: { id: 5, email: SECRET } })
    expect(await read(lines[1])).toMatchObject({ customer: { ssn: SECRET }, err: { message: SECRET } })
  })

  it('keep their type; null stays, and nothing is made up', async () => {
    const { log, lines } = await logger()
    const values = [0, '', false, { a: [1] }, null, new Date(0)]
    for (const token of values) log.info({ token })
    log.info({ user: null, items: 'none', token: undefined })
    const back = await Promise.all(lines.map(read))
    expect(back.slice(0, 6).map(({ token }) => token)).toEqual([
      0,
      '',
      false,
      { a: [1] },
      null,
      '1970-01-01T00:00:00.000Z',
    ])
    expect(JSON.parse(lines[4] ?? '').token).toBeNull()
    expect(back[6]).toMatchObject({ user: null, items: 'none' })
    expect(told).toEqual([])
  })

  it('do not open in another field or log', async () => {
    const { log, lines } = await logger()
    log.info({ token: SECRET, user: { email: 'a' } })
    const line = JSON.parse(lines[0] ?? '')
    const swapped = JSON.stringify({ ...line, user: { email: line.token } })
    const error = await expectCode(read(swapped), 'ERR_DECRYPTION_FAILED')
    expect(error.message).toContain('"email"')
    await expectCode(decryptFields(kw, lines[0] ?? '', { log: 'web', paths: PATHS }), 'ERR_DECRYPTION_FAILED')
    await expectCode(decryptFields(kw, 'no json', { log: 'api', paths: PATHS }), 'ERR_INPUT_INVALID')
    await expectCode(decryptFields(kw, '3', { log: 'api', paths: PATHS }), 'ERR_INPUT_INVALID')
    const planted = JSON.stringify({ agent: `kw1.${Buffer.alloc(40, 1).toString('base64url')}`, token: 'x' })
    expect(await read(planted)).toEqual(JSON.parse(planted))
  })

  it('can be censored instead, also where both name them', async () => {
    const { log, lines } = await logger({ censored: ['password', '*.secret', 'user.ssn'] })
    log.info({ password: SECRET, a: { secret: SECRET }, user: { ssn: SECRET }, token: SECRET })
    const line = JSON.parse(lines[0] ?? '')
    expect(line).toMatchObject({
      password: '[Redacted]',
      a: { secret: '[Redacted]' },
      user: { ssn: '[Redacted]' },
    })
    expect((await read(lines[0]))['token']).toBe(SECRET)
  })

  it('are withheld, never clear, when they cannot be encrypted; and come back by themselves', async () => {
    const { log, lines } = await logger()
    const loop: Record<string, unknown> = {}
    loop['self'] = loop
    log.info({ token: 10n })
    world.store.down = true
    await world.clock.pass(2 * 60 * 60 * 1000)
    log.info({ token: SECRET, user: { email: SECRET } })
    world.store.down = false
    expect(lines.join('')).not.toContain(SECRET)
    expect(JSON.parse(lines[0] ?? '').token).toBe('[not encrypted: ERR_VALUE_TYPE]')
    expect(JSON.parse(lines[1] ?? '').token).toBe('[not encrypted: ERR_KEYRING_STALE]')
    expect((await read(lines[1]))['token']).toBe('[not encrypted: ERR_KEYRING_STALE]')
    expect(told.map(({ code }) => code)).toEqual(['ERR_VALUE_TYPE', 'ERR_KEYRING_STALE', 'ERR_KEYRING_STALE'])
    expect(JSON.stringify([told, told.map(String)])).not.toContain(SECRET)
    await expect
      .poll(() => {
        log.info({ token: SECRET })
        return JSON.parse(lines.at(-1) ?? '').token
      })
      .toMatch(/^kw1\./)
    expect(lines.join('')).not.toContain(SECRET)
  })

  it('a hook that fails does not stop the program', async () => {
    const { log, lines } = await logger({
      onError() {
        throw new Error('no')
      },
    })
    log.info({ token: 10n })
    expect(lines).toHaveLength(1)
  })

  it.each([
    ['a path that is everything', { paths: ['*'] }, 'ERR_ARGUMENT_INVALID'],
    ['an empty path', { paths: [''] }, 'ERR_ARGUMENT_INVALID'],
    ['half a bracket', { paths: ['a[b'] }, 'ERR_ARGUMENT_INVALID'],
    ['two dots', { paths: ['a..b'] }, 'ERR_ARGUMENT_INVALID'],
    ['a dot at the end', { paths: ['a.'] }, 'ERR_ARGUMENT_INVALID'],
    ['no name', { log: '' }, 'ERR_ARGUMENT_INVALID'],
    ['an unknown key type', { keyType: 'x' }, 'ERR_KEY_TYPE_UNKNOWN'],
    ['a tenant that is none', { tenant: '../x' }, 'ERR_TENANT_INVALID'],
  ] as const)('refuse %s', async (_, options, code) => {
    await expectCode(encryptedFields(kw, { log: 'api', paths: PATHS, ...options }), code)
    await expectCode(encryptingTransport(kw, { log: 'api', paths: PATHS, ...options }), code)
  })

  it('refuse a key type that audits every access, which cannot be done without waiting', async () => {
    world = new World({ policy: policyWith({ audit_logs: { auditAccess: true } }) })
    const audited = world.open()
    await expectCode(encryptedFields(audited, { log: 'api', paths: PATHS }), 'ERR_ARGUMENT_INVALID')
  })

  it('fail at the start while the provider is down', async () => {
    await kw.ready(['audit_logs'])
    const started = duringOutage(world)
    await expectCode(encryptedFields(started, { log: 'api', paths: PATHS }), 'ERR_PROVIDER_UNAVAILABLE')
    await started.close()
  })
})

describe('the transport', () => {
  const through = async (keywright: Keywright, written: readonly string[]): Promise<string[]> => {
    const stream = await encryptingTransport(keywright, { log: 'api', paths: PATHS, onError })
    const out = stream.pipe(new PassThrough())
    for (const line of written) stream.write(`${line}\n`)
    stream.end()
    const text = (await out.toArray()).join('')
    return text === '' ? [] : text.trimEnd().split('\n')
  }

  it('encrypts lines in their order, whatever their size', async () => {
    const written = Array.from({ length: 500 }, (_, n) =>
      JSON.stringify({ n, token: SECRET, items: [{ card: n }] }),
    )
    const lines = await through(kw, written)
    expect(lines.join('')).not.toContain(SECRET)
    const back = await Promise.all(lines.map(read))
    expect(back).toEqual(written.map((line) => JSON.parse(line)))
  })

  it('withholds during an outage, drops what is no JSON, and tells both', async () => {
    await kw.ready(['audit_logs'])
    const started = duringOutage(world)
    const lines = await through(started, [JSON.stringify({ token: SECRET, n: 1 }), SECRET, '{"n":2}'])
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { token: '[not encrypted: ERR_PROVIDER_UNAVAILABLE]', n: 1 },
      { n: 2 },
    ])
    expect(told.map(({ code }) => code).sort()).toEqual(['ERR_NOT_CIPHERTEXT', 'ERR_PROVIDER_UNAVAILABLE'])
    await started.close()
  })

  it('runs in the worker of pino', async () => {
    const place = newPlace()
    const own = await openPlace(place, { create: true })
    await own.keys.create('audit_logs')
    const folder = mkdtempSync(join(tmpdir(), 'keywright-pino-'))
    const destination = join(folder, 'app.log')
    const target = pathToFileURL(join(import.meta.dirname, 'log-transport.mjs')).href
    const transport = pino.transport({
      pipeline: [
        { target, options: { place, log: 'api', paths: PATHS } },
        { target: 'pino/file', options: { destination } },
      ],
    })
    const log = pino({ base: null }, transport)
    for (let n = 0; n < 20; n++) log.info({ token: SECRET, n })
    await new Promise<void>((resolve) => {
      transport.once('close', resolve)
      transport.end()
    })
    const lines = readFileSync(destination, 'utf8').trimEnd().split('\n')
    expect(lines.join('')).not.toContain(SECRET)
    const back = await Promise.all(
      lines.map((line) => decryptFields(own, line, { log: 'api', paths: PATHS })),
    )
    expect(back.map(({ token, n }) => [token, n])).toEqual(Array.from({ length: 20 }, (_, n) => [SECRET, n]))
    await own.close()
    removePlace(place)
    rmSync(folder, { recursive: true })
  })
})
