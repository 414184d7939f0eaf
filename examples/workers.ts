/** A re-encryption by several workers over BullMQ. In production each is a process: `keywright worker`. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import { open } from 'keywright'

const url = process.env['REDIS_URL']
if (url === undefined) {
  console.error('needs Redis: docker run --rm -p 6379:6379 redis:7, and REDIS_URL=redis://localhost:6379')
  process.exit(2)
}

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
const file = join(folder.path, 'app.db')
const columns = { ssn: { keyType: 'pii', row: 'id' } }
const config = { sources: { users: { type: 'sqlite', path: file, table: 'users', columns } } }
const options = { backend: 'file', path, create: true, environment: {}, config }
await using kw = await open(options)

using db = new DatabaseSync(file)
db.exec('PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY, ssn TEXT); BEGIN')
const ssn = await kw.field('users.ssn').ready()
const insert = db.prepare('INSERT INTO users VALUES (?, ?)')
for (let id = 1; id <= 2000; id++) insert.run(id, ssn.encryptSync('078-05-1120', { row: `${id}` }))
db.exec('COMMIT')
await kw.keys.rotate('pii', { force: true, now: true })

// Each worker opens its own Keywright on the same key store, with the same sources.
await using other = await open(options)
const redis = new Redis(url)
const prefix = `keywright-example-${process.pid}`
const workers = [
  await kw.jobs.work({ redis, prefix, name: 'one' }),
  await other.jobs.work({ redis, prefix, name: 'two', concurrency: 4 }),
]

const queue = await kw.jobs.queue({ redis, prefix })
const id = await queue.reencrypt({ keyType: 'pii', rangeRows: 250 })
const { counts, left, outcome, places } = await queue.wait(id)
console.log(outcome, counts.written, 'rows in', places[0]?.ranges, 'ranges; under older keys:', left)
assert.deepEqual([outcome, counts.written, left], ['finished', 2000, 0])

// In order: pages that are under way are finished, what is left of their ranges goes back to the queue.
for (const one of [...workers, queue]) await one.close()
await redis.del(await redis.keys(`${prefix}*`))
await redis.quit()
