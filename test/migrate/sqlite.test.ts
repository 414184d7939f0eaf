/** A whole migration of a SQLite table: killed, with an application that goes on writing, and back. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import type { Keywright } from '../../src/index.ts'
import { endWorkers } from '../race/support/worker.ts'
import { FERNET, token } from '../unit/jobs/migrate-kit.ts'
import { killedUntilDone } from './kill.ts'
import { type Installation, newFolder, newInstallation, openInstallation, removeFolder } from './lab.ts'

const ROWS = 400
const fernetKeys = [FERNET]
const folders: string[] = []
afterAll(async () => {
  await endWorkers()
  await Promise.all(folders.map(removeFolder))
})

const textOf = (id: number): string => `person ${id} ü@example.com`

/** A table of Fernet, plain text, null and, in `note`, bytes. */
async function newTable(mode: 'plain' | 'mixed'): Promise<{ of: Installation; database: DatabaseSync }> {
  const folder = newFolder()
  folders.push(folder)
  const path = join(folder, 'app.db')
  const database = new DatabaseSync(path, { timeout: 10_000 })
  database.exec(`PRAGMA journal_mode = WAL;
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, note BLOB, token TEXT, seen INTEGER DEFAULT 0)`)
  const insert = database.prepare('INSERT INTO users (id, email, note) VALUES (?, ?, ?)')
  database.exec('BEGIN')
  for (let id = 1; id <= ROWS; id++) {
    const isFernet = mode === 'mixed' && id % 2 === 0
    const email = id % 10 === 7 ? null : isFernet ? token(textOf(id)) : textOf(id)
    insert.run(id, email, Buffer.from([id % 256, 255, 0, 2]))
  }
  database.exec('COMMIT')
  const columns = {
    email: { row: 'id', indexes: [{ column: 'token', normaliser: 'lower' as const }] },
    note: { keyType: 'pii', as: 'bytes' as const },
  }
  const source = { type: 'sqlite', name: 'users', path, table: 'users' }
  return { of: await newInstallation(folder, source, columns), database }
}

async function expectAllMigrated(kw: Keywright, database: DatabaseSync): Promise<void> {
  const email = kw.field('users.email')
  const note = kw.field('pii', { table: 'users', column: 'note', as: 'bytes' })
  for (const row of database.prepare('SELECT * FROM users ORDER BY id').all()) {
    const id = Number(row['id'])
    expect(Buffer.from(await note.decrypt(row['note'] as Uint8Array))).toEqual(
      Buffer.from([id % 256, 255, 0, 2]),
    )
    if (row['email'] === null) {
      expect([id % 10, row['token']]).toEqual([7, null])
      continue
    }
    expect(await email.decrypt(String(row['email']), { row: String(id) })).toBe(textOf(id))
    expect(row['token']).toBe(await kw.hash('users.email', textOf(id), { normaliser: 'lower' }))
  }
}

describe('SQLite', () => {
  it('is migrated to the end, killed with -9 and run again; the second run finds nothing to do', async () => {
    const { database, of } = await newTable('mixed')
    const ended = await killedUntilDone(of, 'migrate', 4)
    expect(ended.outcome).toBe('finished')
    expect(ended.hits).toBeGreaterThan(1)
    const kw = await openInstallation(of)
    await expectAllMigrated(kw, database)
    const again = await kw.jobs.migrate({ fernetKeys })
    expect(again.counts.written).toBe(0)
    expect(again.counts.columns['email']).toMatchObject({ current: ROWS * 0.9, empty: ROWS * 0.1 })
    expect((await kw.jobs.verifyMigration()).outcome).toBe('verified')
    await kw.close()
    database.close()
  }, 60_000)

  it('is byte for byte what it was after the way back, killed with -9 as well', async () => {
    const { database, of } = await newTable('plain')
    const values = () => database.prepare('SELECT id, email, hex(note) FROM users ORDER BY id').all()
    const before = values()
    const kw = await openInstallation(of)
    await kw.jobs.migrate({ from: 'plain', fernetKeys })
    expect(values()).not.toEqual(before)
    expect((await killedUntilDone(of, 'reverse', 2)).outcome).toBe('finished')
    expect(values()).toEqual(before)
    await kw.close()
    database.close()
  }, 60_000)

  it('loses no update of an application that writes meanwhile', async () => {
    const { database, of } = await newTable('mixed')
    const kw = await openInstallation(of)
    const field = await kw.field('users.email').ready()
    const update = database.prepare('UPDATE users SET email = ?, seen = seen + 1 WHERE id = ?')
    const written = new Map<number, string>()
    let over = false
    const application = (async () => {
      for (let turn = 0; !over; turn++) {
        const id = 1 + Math.floor(Math.random() * ROWS)
        const text = `changed ${turn}`
        // The old release writes Fernet, the new one ciphertexts.
        update.run(turn % 2 === 0 ? token(text) : field.encryptSync(text, { row: String(id) }), id)
        written.set(id, text)
        await sleep(1)
      }
    })()
    await kw.jobs.migrate({ fernetKeys, batch: 10, rate: 400 })
    over = true
    await application
    await kw.jobs.migrate({ fernetKeys })
    for (const row of database.prepare('SELECT id, email FROM users WHERE email IS NOT NULL').all()) {
      const id = Number(row['id'])
      const text = await field.decrypt(String(row['email']), { row: String(id) })
      expect(text).toBe(written.get(id) ?? textOf(id))
    }
    expect(written.size).toBeGreaterThan(10)
    await kw.close()
    database.close()
  }, 60_000)
})
