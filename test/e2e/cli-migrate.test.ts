/** `migrate plan | run | verify | reverse` over a SQLite table of the policy document. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FERNET, OTHER_FERNET, token } from '../unit/jobs/migrate-kit.ts'
import { DAY_MS, Workplace } from './cli-kit.ts'

const env = { ENCRYPTION_KEY: FERNET }

let place: Workplace
let database: DatabaseSync

beforeEach(async () => {
  place = new Workplace()
  await place.init()
  database = new DatabaseSync('app.db', { timeout: 5_000 })
  database.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, note TEXT)')
  const insert = database.prepare('INSERT INTO users (email, note) VALUES (?, ?)')
  insert.run('ada@example.com', 'plain note')
  insert.run(token('bob@example.com'), null)
  insert.run(null, token('rotated out', OTHER_FERNET))
  state(['plain', 'fernet'])
})
afterEach(() => {
  database.close()
  place.leave()
})

/** The policy document; the window is open until tomorrow. */
function state(reads: readonly string[]): void {
  const until = new Date(Date.now() + DAY_MS).toISOString().replace(/\.\d+/, '')
  const migration = reads.length === 0 ? {} : { migration: { until, reads } }
  const sources = {
    users: {
      type: 'sqlite',
      path: 'app.db',
      table: 'users',
      columns: { email: { row: 'id' }, note: { keyType: 'pii' } },
    },
  }
  const providers = { file: { type: 'file', path: '.keywright/master.keys' } }
  const document = { version: 1, provider: 'file', providers, keyTypes: { pii: migration }, sources }
  writeFileSync('config/encryption.json', JSON.stringify(document))
}

const values = (): unknown[] => database.prepare('SELECT email, note FROM users ORDER BY id').all()

describe('migrate', () => {
  it('goes through with plan, run, verify and the way back', async () => {
    const both = { ENCRYPTION_KEY: FERNET, OLD_ENCRYPTION_KEY: OTHER_FERNET }
    const before = values()
    const plan = await place.keywright(['migrate', 'plan'], { env: both })
    expect(plan.code, plan.err).toBe(0)
    expect(plan.out).toContain('users.email: 1 plain, 1 fernet, window until')
    expect(values()).toEqual(before)

    const run = await place.keywright(['migrate', 'run', '--reason', 'ticket 12'], { env: both })
    expect(run.code, run.err).toBe(0)
    expect(run.out).toContain('finished')
    const audit = await place.keywright(['audit', 'list', '--json'])
    expect(audit.out).toContain('ticket 12')
    expect(JSON.stringify(values()).match(/kw1\./g)).toHaveLength(4)

    const verified = await place.keywright(['migrate', 'verify', '--sample', '100%'])
    expect(verified.code, verified.err).toBe(0)
    expect(verified.out).toContain('verified')
    const opened = await place.keywright(
      ['decrypt', '--field', 'users.email', '--row', '2', String((values()[1] as { email: string }).email)],
      {},
    )
    expect(opened.out).toBe('bob@example.com\n')

    const again = (await place.json(['migrate', 'run'], { env: both })) as { counts: { written: number } }
    expect(again.counts.written).toBe(0)

    const back = await place.keywright(['migrate', 'reverse', '--to', 'plain', '--undo-encryption'])
    expect(back.code, back.err).toBe(0)
    expect(values()[0]).toEqual(before[0])
    expect(values()[2]).toEqual({ email: null, note: 'rotated out' })
  })

  it('only plans at a terminal, unless it is told to write', async () => {
    const before = values()
    const dry = await place.keywright(['migrate', 'run', '--column', 'email'], { env, tty: true })
    expect(dry.code, dry.err).toBe(0)
    expect(dry.err).toContain('nothing was written: run it again with --yes')
    expect(values()).toEqual(before)
    const wet = await place.keywright(['migrate', 'run', '--column', 'email', '--yes'], { env, tty: true })
    expect(wet.code, wet.err).toBe(0)
    expect((values()[0] as { email: string }).email).toMatch(/^kw1\./)
    expect((values()[0] as { note: string }).note).toBe('plain note')
  })

  it('tells what stays and why, with exit code 1, and never a value', async () => {
    const run = await place.keywright(['migrate', 'run', '--report', 'report.json'], { env })
    expect(run.code).toBe(1)
    expect(run.out).toMatch(/note +3 +1 .* 1 +ERR_DECRYPTION_FAILED 1/)
    expect(run.err).toContain('ERR_JOB_INCOMPLETE')
    const report = readFileSync('report.json', 'utf8')
    expect(JSON.parse(report)).toMatchObject({ job: 'migrate', outcome: 'incomplete' })
    for (const text of [run.out, run.err, report, place.read('.keywright/audit.jsonl')]) {
      for (const secret of ['ada@', 'plain note', 'gAAAA', FERNET]) expect(text).not.toContain(secret)
    }
    const verified = await place.keywright(['migrate', 'verify'])
    expect(verified.code).toBe(1)
    expect(verified.err).toContain('ERR_JOB_INCOMPLETE')
  })

  it('takes keys of a file instead of the environment', async () => {
    writeFileSync('old.keys', `# rotated 2024\n${FERNET}\n${OTHER_FERNET}\n`)
    const run = await place.keywright(['migrate', 'run', '--old-key-file', 'old.keys'], {
      env: { ENCRYPTION_KEY: 'not looked at' },
    })
    expect(run.code, run.err).toBe(0)
  })

  it.each([
    ['no old key', ['run'], {}, 'ERR_FOREIGN_KEY_MISSING', 'OLD_ENCRYPTION_KEY'],
    [
      'a key that is none',
      ['run'],
      { ENCRYPTION_KEY: 'hunter2hunter2' },
      'ERR_ARGUMENT_INVALID',
      'Fernet key 1 of 1',
    ],
    ['a key file that is not there', ['run', '--old-key-file', 'none'], env, 'ERR_INPUT_INVALID', 'none'],
    ['a source that is none', ['plan', '--source', 'user'], env, 'ERR_SOURCE_UNKNOWN', '"users"'],
    ['a column that is none', ['plan', '--column', 'mail'], env, 'ERR_ARGUMENT_INVALID', 'email'],
    ['a format that is none', ['plan', '--from', 'X'], env, 'ERR_ARGUMENT_INVALID', 'auto, plain, fernet'],
    ['a batch of nothing', ['run', '--batch', '0'], env, 'ERR_ARGUMENT_INVALID', '--batch'],
    ['a sample of nothing', ['verify', '--sample', '0'], env, 'ERR_ARGUMENT_INVALID', '--sample'],
    [
      'reverse without the flag',
      ['reverse', '--to', 'plain'],
      env,
      'ERR_ARGUMENT_INVALID',
      '--undo-encryption',
    ],
    ['reverse to nothing', ['reverse', '--undo-encryption'], env, 'ERR_ARGUMENT_INVALID', '--to'],
  ] as const)('%s', async (_, argv, environment, code, words) => {
    const before = values()
    const { err, code: exit } = await place.keywright(['migrate', ...argv], { env: environment })
    expect(exit, err).toBeGreaterThan(0)
    expect(err).toContain(code)
    expect(err).toContain(words)
    expect(err).not.toContain('hunter2')
    expect(values()).toEqual(before)
  })

  it('refuses when the window is closed, with the date', async () => {
    const { err } = await place.keywright(['migrate', 'run'], { env, later: 2 * DAY_MS })
    expect(err).toContain('ERR_MIGRATION_CLOSED')
    expect(err).toMatch(/closed at \d{4}-/)
    state([])
    const none = await place.keywright(['migrate', 'run'], { env })
    expect(none.err).toContain('the policy has no migration window for key type "pii"')
    const plan = await place.keywright(['migrate', 'plan'], { env })
    expect(plan.code).toBe(1)
    expect(plan.err).toContain('no migration window')
  })

  it('stops between two pages when interrupted, and goes on', async () => {
    const insert = database.prepare('INSERT INTO users (email) VALUES (?)')
    for (let n = 0; n < 300; n++) insert.run(`user${n}@example.com`)
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 700).unref()
    const argv = ['migrate', 'run', '--column', 'email', '--batch', '10', '--rate', '100']
    const first = await place.keywright(argv, { env, signal: stop.signal })
    expect(first.code).toBeGreaterThan(0)
    const done = database.prepare("SELECT count(*) AS n FROM users WHERE email LIKE 'kw1.%'").get()?.['n']
    expect(done).toBeLessThan(302)
    const second = await place.keywright(['migrate', 'run', '--column', 'email'], { env })
    expect(second.code, second.err).toBe(0)
    expect(existsSync('app.db')).toBe(true)
    const left = database.prepare("SELECT count(*) AS n FROM users WHERE email NOT LIKE 'kw1.%'").get()?.['n']
    expect(left).toBe(0)
  }, 30_000)
})
