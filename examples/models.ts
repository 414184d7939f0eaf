/** The encrypted fields of all models in one place, with columns of search tokens, for any data layer. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open } from 'keywright'
import { models } from 'keywright/integrations/models'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

class User {
  id = 0
  email = ''
  emailToken = ''
  income = 0
}

const { User: users } = models(kw, {
  User: {
    table: 'users',
    row: 'id',
    fields: { email: 'pii', income: { keyType: 'financial_data', as: 'number' } },
    tokens: { emailToken: { of: 'email', normaliser: 'email' } },
  },
})

using db = new DatabaseSync(':memory:')
db.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, emailToken TEXT, income TEXT)')

// On the way in: encrypted, its token filled in, still a User.
const ada = Object.assign(new User(), { id: 7, email: 'ada@example.org', income: 4200 })
const stored = await users.encrypt(ada)
assert.ok(stored instanceof User)
db.prepare('INSERT INTO users VALUES (:id, :email, :emailToken, :income)').run({ ...stored })
console.log('stored:', JSON.stringify(stored).replace(/(kwi?1\.[\w-]{8})[\w-]+/g, '$1…'))

// On the way out: by every live token, then decrypted.
const tokens = JSON.stringify(await users.tokens('emailToken', ' Ada@Example.org'))
const sql = 'SELECT * FROM users WHERE emailToken IN (SELECT value FROM json_each(?))'
const found = await users.decryptAll(db.prepare(sql).all(tokens))
console.log('found:', found[0]?.['email'], found[0]?.['income'])
assert.deepEqual([found.length, found[0]?.['email'], found[0]?.['income']], [1, 'ada@example.org', 4200])
