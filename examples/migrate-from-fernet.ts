/** A table of Fernet tokens (Python's cryptography): planned, migrated while it is in use, verified. */
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
db.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
INSERT INTO users (email) VALUES (NULL),
('gAAAAABlkgCAUYn4FHxhOVFq5XtumNUQUCQL4-Z4g1iHmWbweHhHSwD1IMppAHjzowrAZqSdC7W_GgrhCDXFwEi3jrjRhnLQ6Q=='),
('gAAAAABlkgCAjTMft2baT5z7UjODz1mew_9s1OzFeIy3dC6FWUSVeCuDB-fpQTjlvirYsRYTAl2-IsjRbBqTeK8bAvqZPIDMiw==')`)

// The old key; in an application the variable ENCRYPTION_KEY. This one is of the Fernet specification.
const fernetKeys = ['cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=']
// The window: only until then are old values read, and only in these formats. They are never written.
const until = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10)
const columns = { email: { keyType: 'pii', row: 'id' } }
const config = {
  keyTypes: { pii: { migration: { until, reads: ['fernet'] } } },
  sources: { users: { type: 'sqlite', path: file, table: 'users', columns } },
}
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {}, config, fernetKeys })

// The release that reads both. field() never reads anything but ciphertexts; this is the one place that does.
const email = kw.migratingField('users.email')
const select = db.prepare('SELECT email FROM users WHERE id = ?')
const read = (row: string) => email.decrypt(String(select.get(row)?.['email']), { row })
console.log('before:', await read('2'))
assert.deepEqual(await read('2'), { value: 'ada@example.org', format: 'fernet' })

// The plan opens every old value and writes nothing.
const plan = await kw.jobs.planMigration()
console.log('plan:', plan.places[0]?.columns[0]?.formats, 'problems:', plan.problems)
assert.deepEqual([plan.problems, plan.places[0]?.columns[0]?.formats], [0, { fernet: 2 }])

// The application goes on writing meanwhile, and wins. Killed, the job goes on where it was.
const report = await kw.jobs.migrate()
assert.deepEqual([report.outcome, report.counts.written], ['finished', 2])

const verified = await kw.jobs.verifyMigration()
console.log(
  'verify:',
  verified.outcome,
  verified.places[0]?.columns[0]?.opened,
  'values opened where they stand',
)
assert.equal(verified.outcome, 'verified')
console.log('after:', await read('3'))
assert.deepEqual(await read('3'), { value: 'bob@example.org', format: 'current' })
