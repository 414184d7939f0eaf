/** Declared places of ciphertexts: `doctor` looks at each and changes nothing, `open` hands them to jobs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../src/compose.ts'
import { KeywrightError } from '../../src/errors.ts'
import { Workplace } from './cli-kit.ts'
import { type Check, doctor } from './doctor-kit.ts'

let place: Workplace
beforeAll(async () => {
  place = new Workplace()
  await place.init()
  mkdirSync('uploads')
  const database = new DatabaseSync('app.db')
  database.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, token TEXT, age INTEGER);
    INSERT INTO users (email) VALUES ('kw1.a'), ('kw1.b')`)
  database.close()
})
afterAll(() => place.leave())

const FILE = { ENCRYPTION_KEY_STORAGE_BACKEND: 'file' }
const SQLITE = { type: 'sqlite', path: 'app.db', table: 'users' }

function write(sources: object): Record<string, string> {
  writeFileSync('places.json', JSON.stringify({ version: 1, sources }))
  return { ENCRYPTION_CONFIG: 'places.json', ...FILE }
}

describe('doctor and declared sources', () => {
  it('finds places that are as declared', async () => {
    const env = write({
      users: { ...SQLITE, columns: { email: { row: 'id', indexes: [{ column: 'token' }] } } },
      uploads: { type: 'folder', path: 'uploads' },
    })
    const before = place.fingerprint()
    const { checks } = await doctor(place, env)
    expect(place.fingerprint()).toBe(before)
    const found = checks.filter(({ name }) => name.startsWith('source '))
    expect(found).toMatchObject([
      {
        state: 'ok',
        name: 'source users',
        found: expect.stringMatching(/table users: 1 encrypted column, about 2 rows$/),
      },
      { state: 'ok', name: 'source uploads', found: 'uploads' },
    ])
  })

  it.each<[what: string, source: object, check: Partial<Check>]>([
    [
      'a column that is not there',
      { ...SQLITE, columns: { e_mail: { keyType: 'pii' } } },
      { code: 'ERR_SOURCE_INVALID' },
    ],
    [
      'a row id that is not there',
      { ...SQLITE, columns: { email: { row: 'uuid' } } },
      { code: 'ERR_SOURCE_INVALID' },
    ],
    [
      'an index that is not there',
      { ...SQLITE, columns: { email: { indexes: [{ column: 'x' }] } } },
      { code: 'ERR_SOURCE_INVALID' },
    ],
    ['a number', { ...SQLITE, columns: { age: { keyType: 'pii' } } }, { code: 'ERR_COLUMN_UNSUITABLE' }],
    ['no file', { ...SQLITE, path: 'none.db', columns: { email: {} } }, { code: 'ERR_SOURCE_INVALID' }],
    ['no folder', { type: 'folder', path: 'none' }, { found: 'cannot look at none (ENOENT)' }],
    ['a file for a folder', { type: 'folder', path: 'app.db' }, { found: 'app.db is no folder' }],
    [
      'a variable that is not set',
      { type: 'postgres', urlVariable: 'APP_DATABASE_URL', table: 'users', columns: { email: {} } },
      {
        code: 'ERR_ENVIRONMENT_INVALID',
        found: expect.stringContaining('APP_DATABASE_URL') as unknown as string,
      },
    ],
    [
      'a server that is not there',
      { type: 'redis', url: 'redis://127.0.0.1:1', pattern: 'x:*', columns: { value: { keyType: 'pii' } } },
      { code: 'ERR_SOURCE_UNAVAILABLE' },
    ],
  ])('finds %s', async (_, source, check) => {
    const { checks, exit } = await doctor(place, write({ place: source }))
    expect(exit).toBe(1)
    expect(checks.filter(({ name }) => name === 'source place')).toEqual([
      expect.objectContaining({ state: 'failed', hint: expect.any(String), ...check }),
    ])
  })

  it('does not let one that fails keep the others from being looked at, nor shows a URL', async () => {
    const env = {
      ...write({
        gone: { type: 'postgres', urlVariable: 'APP_DATABASE_URL', table: 'users', columns: { email: {} } },
        users: { ...SQLITE, columns: { email: {} } },
      }),
      APP_DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/db',
    }
    const report = await doctor(place, env)
    const states = report.checks.filter(({ name }) => name.startsWith('source ')).map(({ state }) => state)
    expect(states).toEqual(['failed', 'ok'])
    expect(JSON.stringify(report)).not.toContain('hunter2')
  })
})

describe('open', () => {
  it('hands the places of the document, and those of the program, to jobs', async () => {
    const own = { kind: 'folder', name: 'own', path: 'uploads' } as const
    const config = {
      sources: {
        users: { ...SQLITE, columns: { email: { row: 'id' } } },
        uploads: { type: 'folder', path: 'uploads' },
      },
    }
    await using kw = await open({ config, places: [own], environment: { ...place.env, ...FILE } })
    const [users, uploads, last] = kw.jobs.places
    expect(users).toMatchObject({
      kind: 'rows',
      name: 'users',
      table: 'users',
      columns: { email: { row: 'id' } },
    })
    expect([uploads, last]).toEqual([{ kind: 'folder', name: 'uploads', path: 'uploads' }, own])
    const source = users?.kind === 'rows' ? await users.open() : undefined
    const page = await source?.read({ columns: ['id', 'email'], limit: 1 })
    expect(page?.rows).toEqual([{ key: '1', values: ['1', 'kw1.a'] }])
    await source?.close?.()
  })

  it('runs without the variable of a source until somebody opens that', async () => {
    const config = {
      sources: {
        users: { type: 'postgres', urlVariable: 'APP_DATABASE_URL', table: 'users', columns: { email: {} } },
      },
    }
    await using kw = await open({ config, environment: { ...place.env, ...FILE } })
    expect(await kw.encrypt('pii', 'ada')).toMatch(/^kw1\./)
    const [users] = kw.jobs.places
    const opening = users?.kind === 'rows' ? users.open() : undefined
    await expect(opening).rejects.toBeInstanceOf(KeywrightError)
    await expect(opening).rejects.toMatchObject({ code: 'ERR_ENVIRONMENT_INVALID' })
  })
})
