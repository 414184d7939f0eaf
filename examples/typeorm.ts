/** A subscriber of TypeORM: values bound to their row, and no plain text passes. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'keywright'
import { ciphertextOnly, encryptionSubscriber } from 'keywright/integrations/typeorm'
import { DataSource, EntitySchema } from 'typeorm'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

interface Patient {
  id: string
  diagnosis: string | null
}
// With decorators: @Column({ type: 'text', transformer: ciphertextOnly('patients.diagnosis') })
const Patients = new EntitySchema<Patient>({
  name: 'Patient',
  columns: {
    id: { type: 'text', primary: true }, // made by the application: values are bound to it
    diagnosis: { type: 'text', nullable: true, transformer: ciphertextOnly('patients.diagnosis') },
  },
})
const database = new DataSource({ type: 'sqljs', entities: [Patients], synchronize: true })
await database.initialize()
database.subscribers.push(
  encryptionSubscriber(kw, { target: 'Patient', table: 'patients', row: 'id', columns: { diagnosis: {} } }),
)

const repository = database.getRepository(Patients)
const { id } = await repository.save({ id: randomUUID(), diagnosis: 'influenza' })
const patient = await repository.findOneByOrFail({ id })
console.log('read:', patient.diagnosis)
assert.equal(patient.diagnosis, 'influenza')

patient.diagnosis = 'cured'
await repository.save(patient)
const [row] = await database.query('SELECT diagnosis FROM patient')
console.log('in the database:', `${row.diagnosis.slice(0, 12)}…`)
assert.match(row.diagnosis, /^kw1\./)
assert.equal((await repository.findOneByOrFail({ id })).diagnosis, 'cured')

// What does not go through the subscriber is refused instead of being stored in clear.
await assert.rejects(repository.update(id, { diagnosis: 'influenza' }), { code: 'ERR_ARGUMENT_INVALID' })
await database.destroy()
