/** Everything that is due in the life of keys, in one call: for a cron job, or every night by itself. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open, systemClock } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
const file = join(folder.path, 'app.db')
let days = 0 // the clock is passed in, so that nobody has to wait for half a year
const clock = { ...systemClock, now: () => Date.now() + days * 86_400_000 }
const columns = { ssn: { keyType: 'pii', row: 'id' } }
const config = {
  keyTypes: { pii: { rotation: { age: '90d' }, maxAge: '180d', grace: '30d' } },
  sources: { users: { type: 'sqlite', path: file, table: 'users', columns } },
}
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {}, config, clock })

using db = new DatabaseSync(file)
db.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, ssn TEXT); BEGIN')
const ssn = await kw.field('users.ssn').ready()
const insert = db.prepare('INSERT INTO users VALUES (?, ?)')
for (let id = 1; id <= 100; id++) insert.run(id, ssn.encryptSync('078-05-1120', { row: `${id}` }))
db.exec('COMMIT')
const first = await kw.keys.active('pii')
assert.ok(first)

for (days of [0, 91, 92, 181]) {
  const { outcome, steps } = await kw.jobs.runLifecycle({ reason: 'nightly' })
  const done = steps.filter((step) => step.outcome !== 'nothing due' && step.task !== 'report')
  console.log(`day ${days}:`, done.map(({ summary, task }) => `${task}: ${summary}`).join(' | '))
  assert.equal(outcome, 'finished')
}

// Its values are under a newer key, its time is over, and each census since has found nothing under it.
assert.equal((await kw.keys.describe(first.id)).state, 'destroyed')
const row = db.prepare('SELECT ssn FROM users WHERE id = 1').get()
assert.equal(await ssn.decrypt(String(row?.['ssn']), { row: '1' }), '078-05-1120')

// In a service: every night at three until the signal comes. Of several processes one is elected.
const stop = new AbortController()
await kw.jobs.watchLifecycle({
  schedules: { run: '0 3 * * *' },
  signal: stop.signal,
  onEvent({ event }) {
    console.log('watching:', event)
    if (event === 'leading') stop.abort() // here at once, in a service with SIGTERM
  },
})
