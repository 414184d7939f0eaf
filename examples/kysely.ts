/** A plugin of Kysely on PostgreSQL: queries as ever; what they may not do is refused before it is sent. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'keywright'
import { encryptionPlugin } from 'keywright/integrations/kysely'
import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'

const connectionString = process.env['DATABASE_URL']
if (connectionString === undefined) {
  console.error('needs PostgreSQL: set DATABASE_URL=postgres://user:password@localhost:5432/postgres')
  process.exit(2)
}

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

interface Database {
  users: { id: number; email: string | null; email_token?: string }
}
const byEmail = { of: 'email', normaliser: 'email' } as const
// With `row` values are bound to their row. The plugin fills in the token.
const users = { row: 'id', columns: { email: 'pii' }, tokens: { email_token: byEmail } }
const plugin = encryptionPlugin(kw, { tables: { users } })
await plugin.ready()
const pool = new pg.Pool({ connectionString, max: 1 }) // one connection, because the table is temporary
const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }), plugins: [plugin] })
await sql`CREATE TEMPORARY TABLE users (id integer primary key, email text, email_token text)`.execute(db)

await db.insertInto('users').values({ id: 1, email: 'ada@example.org' }).execute()
const tokens = await kw.index('users.email', byEmail).tokens('Ada@Example.org')
const found = await db
  .selectFrom('users')
  .select(['id', 'email'])
  .where('email_token', 'in', tokens)
  .execute()
console.log('found:', found)
assert.deepEqual(found, [{ id: 1, email: 'ada@example.org' }])

await db.updateTable('users').set({ email: 'countess@example.org' }).where('id', '=', 1).execute()
const [raw] = await db.withoutPlugins().selectFrom('users').select('email').execute()
console.log('in the database:', `${raw?.email?.slice(0, 12)}…`)
assert.match(raw?.email ?? '', /^kw1\./)

// A comparison that would find nothing, and would send the plain value, is refused.
const wrong = db.selectFrom('users').select('id').where('email', '=', 'ada@example.org')
await assert.rejects(async () => wrong.execute(), { code: 'ERR_ARGUMENT_INVALID' })
await db.destroy()
