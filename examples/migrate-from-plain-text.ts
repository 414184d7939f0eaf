/** A table in plain text: numbers get their type, search tokens are filled in, and there is a way back. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
const file = join(folder.path, 'app.db')
using db = new DatabaseSync(file)
db.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, email_token TEXT, salary TEXT); BEGIN')
const insert = db.prepare('INSERT INTO users (email, salary) VALUES (?, ?)')
for (let id = 1; id <= 1000; id++) insert.run(`user${id}@example.org`, `${id * 100}.50`)
db.exec('COMMIT')

// No key tells a right value from a wrong one in plain text: keep the window short.
const until = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10)
const migration = { until, reads: ['plain'] }
const byEmail = { column: 'email_token', normaliser: 'email' } as const
const columns = {
  email: { keyType: 'pii', row: 'id', indexes: [byEmail] },
  salary: { keyType: 'financial_data', row: 'id', as: 'number' },
}
const config = {
  keyTypes: { pii: { migration }, financial_data: { migration } },
  sources: { users: { type: 'sqlite', path: file, table: 'users', columns } },
}
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {}, config })

let pages = 0
const report = await kw.jobs.migrate({ batch: 100, onProgress: () => pages++ })
console.log(report.outcome, report.counts.written, 'rows,', pages, 'reports of progress')
assert.deepEqual([report.outcome, report.counts.written], ['finished', 1000])
assert.equal((await kw.jobs.verifyMigration()).outcome, 'verified')

const [token = ''] = await kw.index('users.email', byEmail).tokens('User7@Example.org')
const row = db.prepare('SELECT id, salary FROM users WHERE email_token = ?').get(token)
const salary = kw.field('users.salary', { as: 'number' })
const amount = await salary.decrypt(String(row?.['salary']), { row: String(row?.['id']) })
console.log('found by its token:', amount)
assert.equal(amount, 700.5)

// Run again it finds everything done.
assert.equal((await kw.jobs.migrate()).counts.written, 0)

// The way back, while the release that reads both still runs.
await kw.jobs.reverseMigration({ to: 'plain', undoEncryption: true, columns: ['email'] })
assert.equal(db.prepare('SELECT email FROM users WHERE id = 7').get()?.['email'], 'user7@example.org')
console.log('and back: user7@example.org')
