/** `reencrypt`, `census` and what follows from them, over a SQLite table of the policy document. */
import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY_MS, Workplace } from './cli-kit.ts'

let place: Workplace
let database: DatabaseSync

beforeEach(async () => {
  place = new Workplace()
  await place.init()
  const users = { type: 'sqlite', path: 'app.db', table: 'users', columns: { email: { row: 'id' } } }
  const providers = { file: { type: 'file', path: '.keywright/master.keys' } }
  const document = { version: 1, provider: 'file', providers, sources: { users } }
  writeFileSync('config/encryption.json', JSON.stringify(document))
  database = new DatabaseSync('app.db', { timeout: 5_000 })
  database.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)')
  const insert = database.prepare('INSERT INTO users (email) VALUES (?)')
  for (const row of ['1', '2', '3'])
    insert.run(await place.encrypt(`${row}@example.com`, '--field', 'users.email', '--row', row))
  insert.run(null)
})
afterEach(() => {
  database.close()
  place.leave()
})

interface Keys {
  readonly keys: readonly { readonly keyId: number; readonly values: number; readonly state: string }[]
}

const rotate = () => place.keywright(['keys', 'rotate', 'pii', '--force', '--now'])

async function decrypted(): Promise<string[]> {
  const rows = database.prepare('SELECT id, email FROM users WHERE email IS NOT NULL ORDER BY id').all()
  const texts: string[] = []
  for (const { id, email } of rows as { id: number; email: string }[]) {
    const result = await place.keywright(['decrypt', '--field', 'users.email', '--row', String(id), email])
    texts.push(result.out.trim())
  }
  return texts
}

describe('from rotation to destruction', () => {
  it('goes the way that docs/rotation.md tells', async () => {
    await rotate()
    const plan = await place.keywright(['reencrypt', '--dry-run'])
    expect(plan.code, plan.err).toBe(0)
    expect(plan.out).toMatch(/users +email +pii +4 +4 +3 +0 +1/)
    expect(plan.err).toContain('nothing was written')

    const done = await place.keywright(['reencrypt', '--workers', '1', '--report', 'report.json'])
    expect(done.code, done.err).toBe(0)
    expect(done.out).toContain('finished')
    expect(JSON.parse(readFileSync('report.json', 'utf8'))).toMatchObject({
      job: 'reencrypt',
      outcome: 'finished',
    })
    expect(await decrypted()).toEqual(['1@example.com', '2@example.com', '3@example.com'])

    const { keys } = (await place.json(['census'])) as Keys
    expect(keys.map(({ state, values }) => [state, values])).toEqual([
      ['deactivated', 0],
      ['active', 3],
    ])
    const old = String(keys[0]?.keyId)
    const soon = await place.keywright(['keys', 'destroy', old, '--yes'])
    expect(soon).toMatchObject({ code: 1, err: expect.stringContaining('grace period lasts until') })

    const later = { later: 31 * DAY_MS }
    const early = await place.keywright(['keys', 'destroy', old, '--yes'], later)
    expect(early.err).toContain('began before') // the first census was taken while others might still encrypt
    await place.keywright(['census'], later)
    expect((await place.keywright(['keys', 'destroy', old, '--yes'], later)).err).toContain('wait until')

    const gone = await place.keywright(['keys', 'destroy', old, '--yes'], { later: 62 * DAY_MS })
    expect(gone.code, gone.err).toBe(0)
    expect(gone.err).toContain('found nothing under it')
    expect(await decrypted()).toEqual(['1@example.com', '2@example.com', '3@example.com'])
  })

  it('cleanup says what is missing for each key that stays, and destroys the empty ones', async () => {
    await rotate()
    const later = { later: 800 * DAY_MS }
    await place.keywright(['census'], later)
    const kept = await place.keywright(['keys', 'cleanup', '--yes'], later)
    expect(kept.code).toBe(0)
    expect(kept.err).toContain('3 values under it')
    expect(kept.err).toContain('hint: run keywright reencrypt, then keywright census')
    await place.keywright(['reencrypt'], later)
    await place.keywright(['census'], later)
    const cleaned = await place.keywright(['keys', 'cleanup', '--yes'], { later: 831 * DAY_MS })
    expect(cleaned.err).toContain('1 key destroyed')
  })
})

describe('what goes wrong', () => {
  it('values that do not decrypt: exit code 1, and the others are done', async () => {
    database.exec('UPDATE users SET email = (SELECT email FROM users WHERE id = 2) WHERE id = 1')
    await rotate()
    const done = await place.keywright(['reencrypt'])
    expect(done).toMatchObject({ code: 1, err: expect.stringContaining('ERR_JOB_INCOMPLETE') })
    expect(done.err).toContain('as they did not decrypt (ERR_DECRYPTION_FAILED): 1')
    expect(done.out).toMatch(/users +email +4 +2 +0 +1 +0 +0 +1/)
  })

  it('ciphertexts of another key store: census and doctor fail, and name no value', async () => {
    const stranger = `kw1.${Buffer.from([1, 0, 0, 0, 9, ...new Array<number>(40).fill(3)]).toString('base64url')}`
    database.prepare('UPDATE users SET email = ? WHERE id = 3').run(stranger)
    const counted = await place.keywright(['census'])
    expect(counted).toMatchObject({ code: 1, err: expect.stringContaining('ERR_KEY_UNKNOWN') })
    expect(counted.err + counted.out).not.toContain(stranger)
    const doctor = await place.keywright(['doctor'])
    expect(doctor.code).toBe(1)
    expect(doctor.out).toContain('1 ciphertext under 1 key that no record knows')
  })

  it('a source that is not there', async () => {
    const unknown = await place.keywright(['reencrypt', '--source', 'user'])
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining('users') })
    database.exec('ALTER TABLE users RENAME TO people')
    const missing = await place.keywright(['census'])
    expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('ERR_SOURCE_INVALID') })
  })

  it.each([
    [['--batch', 'many'], '--batch'],
    [['--max-latency', '200'], '--max-latency'],
    [['--workers', '65'], 'workers'],
    [['--key-type', 'pie'], 'pii'],
  ])('wrong use: %j', async (options, named) => {
    expect(await place.keywright(['reencrypt', ...options])).toMatchObject({
      code: 2,
      err: expect.stringContaining(named),
    })
  })
})
