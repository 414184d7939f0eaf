/** Columns: bound to their place, with types, without waiting, with keys of a tenant's own. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KeywrightError, open } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// The default policy knows that e-mail addresses are `pii`, and under which key they go.
const email = kw.field('users.email')
const stored = await email.encrypt('ada@example.org', { row: '42' })
console.log('stored:', `${stored.slice(0, 12)}…`)
assert.equal(await email.decrypt(stored, { row: '42' }), 'ada@example.org')

// Copied to another row it does not open. Every failed decryption has this one face.
await assert.rejects(
  email.decrypt(stored, { row: '43' }),
  (error) => error instanceof KeywrightError && error.code === 'ERR_DECRYPTION_FAILED',
)
console.log('in another row: refused')

// A typed column: what comes out is what went in, not its text.
const born = kw.field('users.birth_date', { as: 'date' })
const date = await born.decrypt(await born.encrypt(new Date('1815-12-10')))
assert.equal(date.getUTCFullYear(), 1815)
console.log('born in', date.getUTCFullYear())

// After ready() nothing waits: no network, no key store. For getters, ORMs, loops over many rows.
const salary = await kw.field('users.salary', { as: 'number' }).ready()
assert.equal(salary.decryptSync(salary.encryptSync(90_000)), 90_000)

// A tenant has keys of its own: destroying them ends that tenant's data and nobody else's.
const ofAcme = kw.field('users.email', { tenant: 'acme' })
const inAcme = await ofAcme.encrypt('ada@example.org')
await assert.rejects(email.decrypt(inAcme), { code: 'ERR_KEYRING_MISMATCH' })
console.log('keyrings:', (await kw.keys.keyrings()).join(', '))
