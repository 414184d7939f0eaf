/** From a new key to the end of the old one: rotate, re-encrypt, count, wait, count again, destroy. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open, systemClock } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
const file = join(folder.path, 'app.db')
let days = 0 // the clock is passed in, so that nobody has to wait for a month
const clock = { ...systemClock, now: () => Date.now() + days * 86_400_000 }
const columns = { ssn: { keyType: 'pii', row: 'id' } }
const config = { sources: { users: { type: 'sqlite', path: file, table: 'users', columns } } }
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {}, config, clock })

using db = new DatabaseSync(file)
db.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, ssn TEXT); BEGIN')
const ssn = await kw.field('users.ssn').ready()
const insert = db.prepare('INSERT INTO users VALUES (?, ?)')
for (let id = 1; id <= 1000; id++) insert.run(id, ssn.encryptSync(`078-05-${1000 + id}`, { row: `${id}` }))
db.exec('COMMIT')

// Rotate: a new key encrypts. What is stored stays as it is, and goes on decrypting.
const old = await kw.keys.active('pii')
assert.ok(old)
await kw.keys.rotate('pii', { force: true, now: true })
async function underOldKey(): Promise<number | undefined> {
  const { keys } = await kw.jobs.census()
  return keys.find(({ keyId }) => keyId === old?.id)?.values
}
console.log('under the old key:', await underOldKey())

// Re-encrypt: page by page, beside the application, which wins. Killed, it goes on where it was.
const { outcome, places } = await kw.jobs.reencrypt({ keyTypes: ['pii'] })
console.log(outcome, places[0]?.counts.written, 'rows; under the old key:', await underOldKey())
assert.deepEqual([outcome, await underOldKey()], ['finished', 0])

// The verdict says what is missing before the old key may go.
const { allowed, why } = await kw.keys.destroyable(old.id)
console.log(allowed ? 'it may go:' : 'it may not go:', why)
await assert.rejects(kw.keys.destroy(old.id), { code: 'ERR_DESTROY_REFUSED' })

// A census when no process encrypts under it any more, and another one when its grace period is over.
for (days of [1, 32]) assert.equal(await underOldKey(), 0)
await kw.keys.destroy(old.id)
console.log('a month later:', (await kw.keys.describe(old.id)).state)
const last = db.prepare('SELECT ssn FROM users WHERE id = 7').get()
assert.equal(await ssn.decrypt(String(last?.['ssn']), { row: '7' }), '078-05-1007')
