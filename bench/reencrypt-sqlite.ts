/** The rows of a SQLite file for the re-encryption bench, and the same work without cryptography in bare node:sqlite. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import sqliteSource from '../sources/sqlite.ts'
import { BATCH, type Ground } from './reencrypt-ground.ts'

/** As the source sets them: what it stores is durable. */
const SETTINGS = 'PRAGMA synchronous = FULL; PRAGMA secure_delete = ON'

export async function sqliteGround(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
  const base = join(folder, 'base.db')
  const path = join(folder, 'people.db')
  return {
    name: 'SQLite',
    async fill(values) {
      rmSync(base, { force: true })
      const database = new DatabaseSync(base)
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
      database.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL)')
      const insert = database.prepare('INSERT INTO people (id, email) VALUES (?, ?)')
      database.exec('BEGIN')
      for (const [at, value] of values.entries()) insert.run(at + 1, value)
      database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
      database.close()
    },
    async reset() {
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
      copyFileSync(base, path)
    },
    source: (name) => sqliteSource({ name, path, table: 'people' }),
    async bare() {
      const database = new DatabaseSync(path)
      database.exec(SETTINGS)
      const page = database.prepare('SELECT id, email FROM people WHERE id > ? ORDER BY id LIMIT ?')
      const update = database.prepare('UPDATE people SET email = ? WHERE id = ? AND email = ?')
      for (let after = 0, rows = BATCH; rows === BATCH; ) {
        const found = page.all(after, BATCH) as { id: number; email: string }[]
        database.exec('BEGIN IMMEDIATE')
        for (const { id, email } of found) update.run(reversed(email), id, email)
        database.exec('COMMIT')
        rows = found.length
        after = found.at(-1)?.id ?? after
      }
      database.close()
    },
    async close() {
      rmSync(folder, { recursive: true })
    },
  }
}

/** Another value of the same length, for next to nothing. */
const reversed = (value: string): string => `kw2.${value.slice(4)}`
