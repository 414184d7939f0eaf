/** Wrong choices that concern no backend of its own: names, documents, stores, moves. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { type BadInput, closedPort, type Env, errorsIn, expectRefused, failing } from './bad-input-kit.ts'
import { Workplace } from './cli-kit.ts'

const PATIENCE_MS = 9_000

const FILE = { type: 'file', path: '.keywright/master.keys' }
const document = (members: object): string =>
  JSON.stringify({ version: 1, providers: { file: FILE }, ...members })

/** Policy documents, by the name of their file. */
const DOCUMENTS: Readonly<Record<string, string>> = {
  'twice.json': '{"version":1,"providers":{"ours":{"type":"file"},"ours":{"type":"vault"}}}',
  'unknown-default.json': document({ provider: 'aws-eu' }),
  'unknown-type.json': document({ provider: 'file', keyTypes: { pii: { provider: 'aws-eu' } } }),
  'known-backend.json': document({ provider: 'file', keyTypes: { pii: { provider: 'vault' } } }),
  'misspelt.json': document({ provider: 'file', providers: { file: { ...FILE, type: 'fiel' } } }),
  'profiles.json': document({ provider: 'file', profiles: { production: {}, test: {} } }),
}

let place: Workplace
beforeAll(async () => {
  place = new Workplace()
  await place.init()
  for (const [name, text] of Object.entries(DOCUMENTS)) writeFileSync(join(place.folder, name), text)
})
afterAll(() => place.leave())

const BACKEND = 'ENCRYPTION_KEY_STORAGE_BACKEND'
const CONFIG = 'ENCRYPTION_CONFIG'
const PROFILE = 'ENCRYPTION_PROFILE'
const invalid = failing('ERR_POLICY_INVALID')
const unknown = failing('ERR_BACKEND_UNKNOWN')

const CHOICES: readonly BadInput[] = [
  unknown('a backend with a typo', { [BACKEND]: 'vualt' }, [BACKEND], /did you mean "vault"/),
  unknown('a backend that is a secret', { [BACKEND]: 'hunter2:secret' }, [BACKEND], /known: file, .*gcp_kms/),
  unknown(
    'a backend with a typo in the document',
    { [CONFIG]: 'misspelt.json' },
    ['"type"'],
    /did you mean "file"/,
  ),
  invalid('an unknown profile', { [PROFILE]: 'staging' }, [PROFILE, 'profiles'], /correct the members/),
  invalid(
    'a profile with a typo',
    { [PROFILE]: 'prodction', [CONFIG]: 'profiles.json' },
    ['"production"'],
    /correct/,
  ),
  invalid(
    'two instances of one name',
    { [CONFIG]: 'twice.json' },
    ['"ours"', 'twice', 'line 1'],
    /at that place/,
  ),
  invalid(
    'an unknown default provider',
    { [CONFIG]: 'unknown-default.json' },
    ['provider'],
    /correct the members/,
  ),
  invalid(
    'an unknown provider of a key type',
    { [CONFIG]: 'unknown-type.json' },
    ['keyTypes.pii.provider'],
    /correct/,
  ),
  invalid(
    'a backend that nobody configured',
    { [CONFIG]: 'known-backend.json' },
    ['keyTypes.pii.provider'],
    /correct/,
  ),
]

describe('a wrong choice', () => {
  it.each(CHOICES)('$what: $code', (bad) => expectRefused({ place, env: {}, census: () => [] }, bad))
})

/** Refused by the command line in time, with code, words and hint; nothing in the folder changes. */
async function expectNo(
  argv: readonly string[],
  code: ErrorCode,
  words: RegExp,
  env: Env = {},
): Promise<void> {
  const before = place.fingerprint()
  const result = await place.keywright([...argv, '--json'], { env, signal: AbortSignal.timeout(PATIENCE_MS) })
  const [error] = errorsIn(result.err)
  expect(error).toMatchObject({ code, hint: expect.any(String) })
  expect(`${error?.message} – ${error?.hint}`).toMatch(words)
  expect(result.out + result.err).not.toContain('hunter2')
  expect(place.fingerprint()).toBe(before)
}

describe('a job that makes no sense', () => {
  it.each<[string, readonly string[], ErrorCode, RegExp]>([
    [
      'a move onto itself',
      ['move', '--from', 'file', '--to', 'file'],
      'ERR_ARGUMENT_INVALID',
      /onto itself.*rewrap/,
    ],
    [
      'a plan of one',
      ['move', '--from', 'file', '--to', 'file', '--dry-run'],
      'ERR_ARGUMENT_INVALID',
      /rewrap/,
    ],
    [
      'a move to nobody',
      ['move', '--from', 'file', '--to', 'aws'],
      'ERR_PROVIDER_UNKNOWN',
      /"aws".*configured: file/,
    ],
    [
      'a move from nobody',
      ['move', '--from', 'aws', '--to', 'file'],
      'ERR_PROVIDER_UNKNOWN',
      /"aws".*configured: file/,
    ],
    [
      'a drill without nobody',
      ['drill', '--without', 'aws'],
      'ERR_PROVIDER_UNKNOWN',
      /"aws".*configured: file/,
    ],
    [
      'a rewrap of nobody',
      ['rewrap', '--provider', 'aws'],
      'ERR_PROVIDER_UNKNOWN',
      /"aws".*configured: file/,
    ],
    ['a repeated rewrap, no time', ['rewrap', '--every', 'hourly'], 'ERR_ARGUMENT_INVALID', /--every.*"6h"/],
  ])('%s', (_, argv, code, words) => expectNo(argv, code, words))
})

const LIST = ['keys', 'list'] as const

describe('a key store that is not the one', () => {
  it('no store at all', () =>
    expectNo([...LIST, '--store', 'sqlite:no-such.db'], 'ERR_STORE_MISSING', /no-such\.db/))

  it.each([
    ['a typo', 'postgers://u:hunter2@127.0.0.1/keys'],
    ['a database that is none of ours', 'mysql://u:hunter2@127.0.0.1/keys'],
    ['no scheme', 'u:hunter2@127.0.0.1/keys'],
  ])('a URL with %s', (_, url) =>
    expectNo(LIST, 'ERR_BACKEND_UNKNOWN', /postgres/, { ENCRYPTION_KEY_STORE_URL: url }),
  )

  it.each(['postgres', 'redis'])('%s where nobody listens', async (scheme) => {
    const url = `${scheme}://u:hunter2@127.0.0.1:${await closedPort()}/0`
    await expectNo(LIST, 'ERR_STORE_UNAVAILABLE', /cannot be reached/, { ENCRYPTION_KEY_STORE_URL: url })
  })

  it.each(['postgres', 'redis'])('%s on a host that does not exist', (scheme) => {
    const url = `${scheme}://u:hunter2@no-such-host.invalid/0`
    return expectNo(LIST, 'ERR_STORE_UNAVAILABLE', /no-such-host/, { ENCRYPTION_KEY_STORE_URL: url })
  })

  it('the store of another installation: neither copied into nor used', async () => {
    const env = { ENCRYPTION_KEY_STORAGE_PATH: 'other/master.keys', ENCRYPTION_CONFIG: 'other.json' }
    const made = await place.keywright(['init'], { env })
    expect(made).toMatchObject({ code: 0 })
    await place.encrypt('ada@example.com', '--key-type', 'pii')
    const encrypted = await place.keywright(['encrypt', '--key-type', 'pii'], { stdin: 'ada', env })
    expect(encrypted).toMatchObject({ code: 0 })
    const copy = ['store', 'copy', '--to', 'sqlite:other/keys.db']
    await expectNo(copy, 'ERR_STORE_FOREIGN', /installation/)
    await expectNo([...copy, '--dry-run'], 'ERR_STORE_FOREIGN', /installation/)
    const use = ['encrypt', '--key-type', 'pii', '--store', 'sqlite:other/keys.db', '--audit', 'off']
    await expectNo(use, 'ERR_KEY_FILE_FOREIGN', /key file/)
  })
})

const databases = await Promise.all([serverFor(postgres), serverFor(redis)])
const missing = databases.find(({ skip }) => skip !== undefined)?.skip

describe.skipIf(missing)(`a key store that refuses ${missing ?? ''}`, () => {
  let tables: PostgresServer
  let cache: RedisServer
  beforeAll(async () => {
    ;[tables, cache] = await Promise.all([postgres.start(), startRedis()])
  })
  afterAll(() => Promise.all([tables.stop(), cache.stop()]))

  it.each([
    ['PostgreSQL, wrong password', () => tables.env['ENCRYPTION_KEY_STORE_URL'] ?? ''],
    ['Redis, wrong password', () => cache.env['ENCRYPTION_KEY_STORE_URL'] ?? ''],
  ])('%s', (_, url) => {
    const wrong = url().replace(/:[^:@/]+@/, ':hunter2-pw@')
    return expectNo(LIST, 'ERR_STORE_DENIED', /password/, { ENCRYPTION_KEY_STORE_URL: wrong })
  })

  it('Redis without its password', () => {
    const url = `redis://127.0.0.1:${cache.port}/0`
    return expectNo(LIST, 'ERR_STORE_DENIED', /password/, { ENCRYPTION_KEY_STORE_URL: url })
  })

  it.each([
    ['PostgreSQL', () => tables.env['ENCRYPTION_KEY_STORE_URL'] ?? ''],
    ['Redis', () => cache.env['ENCRYPTION_KEY_STORE_URL'] ?? ''],
  ])('%s without a store in it: nothing is made', async (_, url) => {
    for (let round = 0; round < 2; round++)
      await expectNo(LIST, 'ERR_STORE_MISSING', /init/, { ENCRYPTION_KEY_STORE_URL: url() })
  })
})
