/** Functions that work on plain values, for callers that hold ciphertexts. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'keywright'
import { encrypted, encryptedSync } from 'keywright/integrations/functions'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// Parameters are decrypted on the way in, the result is encrypted on the way out.
const mask = encrypted(kw, (ssn: string) => `…${ssn.slice(-4)}`, { params: ['users.ssn'], returns: 'pii' })
const ssn = await kw.field('users.ssn').encrypt('078-05-1120')
const masked = await mask(ssn)
console.log('called with', `${ssn.slice(0, 12)}…`, 'gave', `${masked.slice(0, 12)}…`)
assert.equal(await kw.decrypt(masked, { keyType: 'pii' }), '…1120')

// The sensitive members of an object, bound to its row.
const load = encrypted(kw, async (id: number) => ({ id, plan: 'free', email: 'ada@example.org' }), {
  returns: { record: { table: 'users', row: 'id', fields: { email: 'pii' } } },
})
const user = await load(7)
assert.equal(await kw.field('users.email').decrypt(user.email, { row: '7' }), 'ada@example.org')
console.log('a record:', user.id, user.plan, `${user.email.slice(0, 12)}…`)

// Typed, and without waiting: its keys are loaded first.
const raise = encryptedSync(kw, (salary: number, percent: number) => salary * (1 + percent / 100), {
  params: [{ field: 'users.salary', as: 'number' }],
  returns: { field: 'users.salary', as: 'number' },
})
const salary = await kw.field('users.salary', { as: 'number' }).ready({ all: true })
const raised = raise(salary.encryptSync(1000), 50)
console.log('raised:', salary.decryptSync(raised))
assert.equal(salary.decryptSync(raised), 1500)

// What does not open is refused, with the parameter's name, before the function is called.
await assert.rejects(mask('078-05-1120'), /parameter 1/)
