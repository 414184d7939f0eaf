/** `index rebuild`, `index report` and `hash`, over a SQLite table of the policy document. */
import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Workplace } from './cli-kit.ts'

let place: Workplace
let database: DatabaseSync

beforeEach(async () => {
  place = new Workplace()
  await place.init()
  const indexes = [
    { column: 'email_token', normaliser: 'email' },
    { column: 'domain_token', normaliser: 'email_domain', bits: 8 },
  ]
  const columns = { email: { row: 'id', indexes } }
  const users = { type: 'sqlite', path: 'app.db', table: 'users', columns }
  const providers = { file: { type: 'file', path: '.keywright/master.keys' } }
  const document = { version: 1, provider: 'file', providers, sources: { users } }
  writeFileSync('config/encryption.json', JSON.stringify(document))
  database = new DatabaseSync('app.db', { timeout: 5_000 })
  database.exec(
    'CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, email_token TEXT, domain_token TEXT)',
  )
  const insert = database.prepare('INSERT INTO users (email) VALUES (?)')
  for (const row of ['1', '2', '3'])
    insert.run(await place.encrypt(`${row}@Example.com`, '--field', 'users.email', '--row', row))
  insert.run(null)
})
afterEach(() => {
  database.close()
  place.leave()
})

const rebuild = (...more: string[]) => place.keywright(['index', 'rebuild', ...more])
const tokensOf = (column: string): unknown[] =>
  database
    .prepare(`SELECT ${column} AS token FROM users ORDER BY id`)
    .all()
    .map((row) => row['token'])

describe('index', () => {
  it('fills the tokens, finds nothing to do, and follows a new index key', async () => {
    const first = await rebuild('--report', 'report.json')
    expect(first.code, first.err).toBe(0)
    expect(first.out).toMatch(/users +email_token +4 +3 +0 +1 +0/)
    expect(JSON.parse(readFileSync('report.json', 'utf8'))).toMatchObject({
      outcome: 'finished',
      counts: { rows: 4, written: 3 },
    })
    const hashed = await place.keywright([
      ...['hash', 'users.email', '2@EXAMPLE.com', '--normaliser', 'email', '--no-argv-warning'],
    ])
    expect(tokensOf('email_token')[1]).toBe(hashed.out.trim())
    expect((await rebuild()).out).toMatch(/users +domain_token +4 +0 +3 +1 +0/)
    await place.keywright(['keys', 'rotate', 'blind_index', '--force', '--now'])
    const before = tokensOf('email_token')
    expect((await rebuild()).out).toMatch(/users +email_token +4 +3 +0 +1 +0/)
    expect(tokensOf('email_token')[0]).not.toBe(before[0])
    expect(tokensOf('email_token')[3]).toBeNull()
  })

  it('reports what the tokens tell, and has no key for it', async () => {
    await rebuild()
    const { code, out } = await place.keywright(['index', 'report'])
    expect(code).toBe(0)
    expect(out).toMatch(/users +domain_token +email +\d+ +3 +1 +3 +3 +0 +0\.0 bits/)
    expect(out).toContain('users.domain_token: one token for all rows')
    const json = JSON.parse((await place.keywright(['index', 'report', '--json'])).out) as object[]
    expect(json).toHaveLength(2)
  })

  it('says which values have no token, with exit code 1', async () => {
    database.exec("UPDATE users SET email = 'in clear' WHERE id = 1")
    const { code, err, out } = await rebuild()
    expect(code).toBe(1)
    expect(out).toMatch(/users +email_token +4 +2 +0 +1 +1 +1 in clear/)
    expect(err).toContain('ERR_JOB_INCOMPLETE')
  })

  it.each<[string, string[], string]>([
    ['a source that is none', ['--source', 'usres'], 'did you mean "users"'],
    ['a batch that is no number', ['--batch', 'many'], '--batch'],
    ['a column without tokens', ['--column', 'phone'], 'indexes'],
  ])('refuses %s, with exit code 2', async (_, args, hint) => {
    const { code, err } = await rebuild(...args)
    expect(code).toBe(2)
    expect(err).toContain(hint)
  })
})
