/** Columns of Drizzle: encrypted and typed, with a search token beside them. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { inArray } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { customType, integer, sqliteTable } from 'drizzle-orm/sqlite-core' // or drizzle-orm/pg-core
import { type Keywright, open } from 'keywright'
import { encryptedColumns } from 'keywright/integrations/drizzle'

// The schema stands before anything is opened: a function gives the Keywright when it is needed.
let kw: Keywright
const encrypted = encryptedColumns(() => kw, customType)
const users = sqliteTable('users', {
  id: integer().primaryKey(),
  email: encrypted('users.email').notNull(),
  emailToken: encrypted.token('users.email', { normaliser: 'email', name: 'email_token' }),
  income: encrypted('users.income', { as: 'number' }),
})

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using opened = await open({ backend: 'file', path, create: true, environment: {} })
kw = opened
await encrypted.ready() // Drizzle's columns cannot wait

const client = createClient({ url: ':memory:' })
const db = drizzle(client)
await db.run('CREATE TABLE users (id integer primary key, email text, email_token text, income text)')

await db.insert(users).values([
  { id: 1, email: 'ada@example.org', emailToken: 'ada@example.org', income: 4200 },
  { id: 2, email: 'grace@example.com', emailToken: 'grace@example.com', income: null },
])
const tokens = await encrypted.tokens('users.email', 'Ada@Example.org')
const found = await db.select().from(users).where(inArray(users.emailToken, tokens))
console.log('found:', found[0]?.email, found[0]?.income)
assert.deepEqual([found.length, found[0]?.income], [1, 4200])

const { rows } = await client.execute('SELECT email, email_token, income FROM users WHERE id = 1')
console.log(
  'in the database:',
  Object.values(rows[0] ?? {})
    .map((value) => `${String(value).slice(0, 12)}…`)
    .join(' '),
)
assert.match(String(rows[0]?.['email']), /^kw1\./)
client.close()
