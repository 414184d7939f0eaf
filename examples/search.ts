/** Finding rows by an encrypted value: two indexes, few bits, a new index key without missing a row. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
const file = join(folder.path, 'app.db')
const address = { column: 'email_token', normaliser: 'email' } as const
// Few bits: many rows share a token, so it tells less. What is found is decrypted and compared.
const domain = { column: 'domain_token', normaliser: 'email_domain', bits: 8 } as const
const columns = { email: { keyType: 'pii', row: 'id', indexes: [address, domain] } }
const config = { sources: { users: { type: 'sqlite', path: file, table: 'users', columns } } }
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {}, config })
const email = kw.field('users.email')
const byAddress = kw.index('users.email', { column: 'email_token' })
const byDomain = kw.index('users.email', { column: 'domain_token' })

using db = new DatabaseSync(file)
db.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, email_token TEXT, domain_token TEXT)')
async function insert(id: number, value: string): Promise<void> {
  const tokens = [await byAddress.token(value), await byDomain.token(value)]
  const stored = await email.encrypt(value, { row: String(id) })
  db.prepare('INSERT INTO users VALUES (?, ?, ?, ?)').run(id, stored, ...tokens)
}
/** Always by every live token: while the index key rotates, some rows still have one of the key before. */
async function find(value: string): Promise<unknown[]> {
  const sql = 'SELECT id FROM users WHERE email_token IN (SELECT value FROM json_each(?)) ORDER BY id'
  const tokens = JSON.stringify(await byAddress.tokens(value)) // in PostgreSQL: = ANY($1)
  return db
    .prepare(sql)
    .all(tokens)
    .map((row) => row['id'])
}
await insert(1, 'Ada@Example.org')
await insert(2, 'grace@example.com')
assert.deepEqual(await find(' ada@example.ORG'), [1])
console.log('by domain, of 10,000 rows a look-up reads in vain:', byDomain.falsePositives(10_000))

await kw.keys.rotate('blind_index', { force: true, now: true })
await insert(3, 'ada@example.org')
console.log('during the rotation:', await find('ada@example.org'))
assert.deepEqual(await find('ada@example.org'), [1, 3])

// Decrypts each value and stores its tokens under the new key; what changes meanwhile is the application's.
const { outcome, places } = await kw.jobs.reindex()
console.log('rebuilt:', outcome, places[0]?.counts.written, 'rows')
assert.deepEqual([outcome, places[0]?.counts.written], ['finished', 2])
assert.deepEqual(await find('ada@example.org'), [1, 3])
