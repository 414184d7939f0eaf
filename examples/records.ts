/** Whole records: the policy says which members are encrypted, and the rest stays as it is. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({
  backend: 'file',
  path: join(folder.path, 'master.keys'),
  create: true,
  environment: {},
  // What the default selectors do not know is told once, here or in config/encryption.json.
  config: { keyTypes: { pii: { selectors: ['users.nickname'] } } },
})

// Keep the codec: it remembers which fields are encrypted how. `row` binds values to their record.
const users = kw.records({ table: 'users', row: 'id' })
const user = {
  id: 42,
  plan: 'free',
  nickname: 'Enchantress of Number',
  salary: 90_000,
  contact: { email: 'ada@example.org', city: 'London' },
  phones: [{ phone: '+44 20 7946 0000', kind: 'home' }],
  fax: null,
}
const stored = await users.encrypt(user)
console.log(JSON.stringify(stored, null, 2).replace(/(kw1\.\w{8})[\w-]+/g, '$1…'))

assert.deepEqual([stored.id, stored.plan, stored.contact.city, stored.fax], [42, 'free', 'London', null])
assert.match(stored.nickname, /^kw1\./)
assert.deepEqual(await users.decrypt(stored), user)

// Why is this field encrypted, under which key, and when does it rotate?
const { decision, lines } = await kw.explain({ operation: 'encrypt', field: 'users.contact.email' })
console.log(lines.slice(1, 3).join('\n'))
assert.equal(decision.keyring, 'pii')

// Where the policy shall not decide, name the fields.
const notes = kw.records({ table: 'notes', fields: { body: 'pii' } })
const note = await notes.encrypt({ title: 'Plan', body: 'buy more punched cards' })
assert.deepEqual([note.title, note.body.slice(0, 4)], ['Plan', 'kw1.'])
