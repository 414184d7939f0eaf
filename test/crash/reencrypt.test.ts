/** Re-encryption of a SQLite table by processes that are killed with -9 in the middle: nothing lost, counts exact. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { keyIdIn } from '../../src/jobs/values/prefix.ts'
import { databasePath, openPeople } from './reencrypt-people.ts'

const ROWS = 4_000
const BATCH = 20
const KILLS = 4

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-reencrypt-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const emailOf = (id: number): string => `person-${id}@example.com`

/** Starts a process and kills it once it has done so many rows; gives how many it told of. */
async function killedAfter(rows: number): Promise<number> {
  const script = join(import.meta.dirname, 'reencrypt-worker.ts')
  const child = spawn(process.execPath, [script, folder, String(BATCH)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let done = 0
  for await (const line of createInterface({ input: child.stdout })) {
    done = Number(line)
    if (done >= rows) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  expect(child.signalCode).toBe('SIGKILL')
  return done
}

it('goes on after kill -9 where it was', { timeout: 60_000 }, async () => {
  const keywright = await openPeople(folder, true)
  const database = new DatabaseSync(databasePath(folder))
  try {
    database.exec(
      'PRAGMA journal_mode = WAL; CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT); BEGIN',
    )
    const field = await keywright.field('people.email').ready()
    const insert = database.prepare('INSERT INTO people (id, email) VALUES (?, ?)')
    for (let id = 1; id <= ROWS; id++) insert.run(id, field.encryptSync(emailOf(id), { row: String(id) }))
    database.exec('COMMIT')
    const { key } = await keywright.keys.rotate('pii', { force: true, now: true })

    let before = 0
    for (let kill = 1; kill <= KILLS; kill++) {
      const done = await killedAfter(before + ROWS / (2 * KILLS))
      expect(done).toBeGreaterThan(before) // it did not begin anew
      before = done
    }
    const update = database.prepare('UPDATE people SET email = ? WHERE id = ?')
    update.run(await field.encrypt('new@example.com', { row: '1' }), 1)

    const report = await keywright.jobs.reencrypt({ batch: BATCH, takeOver: true })
    expect(report).toMatchObject({ outcome: 'finished', places: [{ resumed: true }] })
    expect(report.places[0]?.counts).toMatchObject({ rows: ROWS, written: ROWS, gone: 0, changed: 0 })
    expect(report.places[0]?.counts.columns['email']).toMatchObject({ done: ROWS, current: 0, failed: 0 })

    const found = database.prepare('SELECT id, email FROM people ORDER BY id').all() as {
      id: number
      email: string
    }[]
    expect(found).toHaveLength(ROWS)
    for (const { id, email } of found) {
      expect(keyIdIn(email)).toBe(key.id)
      expect(field.decryptSync(email, { row: String(id) })).toBe(id === 1 ? 'new@example.com' : emailOf(id))
    }
  } finally {
    database.close()
    await keywright.close()
  }
})
