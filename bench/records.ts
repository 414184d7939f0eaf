/** What do whole records cost? 10^5 objects with four encrypted fields, against four bare encryptions each. */
import memoryProvider from '../providers/memory.ts'
import { createKeywright, type PlainRecord } from '../src/index.ts'
import { openStore } from '../stores/index.ts'
import { bareLoop } from './bare.ts'
import { interleave, printTable } from './kit.ts'

const COUNT = 100_000
const PER_TURN = 5_000

export async function run(): Promise<void> {
  const kw = await createKeywright({ provider: memoryProvider(), store: await openStore('memory:') })
  const codec = kw.records({ table: 'customers' })
  const people = Array.from({ length: COUNT }, (_, id) => ({
    id,
    country: 'NL',
    email: `someone.with.a.name.${id}@example.org`,
    phone: `+31 20 555 ${String(id).padStart(6, '0')}`,
    iban: `NL00TEST${String(id).padStart(10, '0')}`,
    api_key: `key_test_${String(id).padStart(24, '0')}`,
    notes: 'stays as it is',
  }))
  await codec.encrypt(people[0] as (typeof people)[0])
  await codec.ready()
  const bare = bareLoop(Buffer.from('{"column":"email","keyring":"pii","table":"customers"}'))
  const encrypted = people.map((person) => codec.encryptSync(person))
  const theirs = people.map((person) =>
    [person.email, person.phone, person.iban, person.api_key].map(bare.encrypt),
  )
  let at = 0
  const each = (use: (index: number) => unknown) => () => {
    for (let count = 0; count < PER_TURN; count++) use(at++ % COUNT)
  }
  const values = people.map((person) => [person.email, person.phone, person.iban, person.api_key])
  const encryption = await interleave(
    [
      {
        name: 'node:crypto, 4 values',
        batch: 1,
        run: each((i) => values[i]?.map((value) => bare.encrypt(value))),
      },
      {
        name: 'encryptSync, a record',
        batch: 1,
        run: each((i) => codec.encryptSync(people[i] as PlainRecord)),
      },
    ],
    COUNT / PER_TURN,
  )
  printTable(`encrypt ${PER_TURN} records with 4 fields (of ${COUNT})`, encryption, {
    'encryptSync, a record': '≥ 0.80',
  })
  const decryption = await interleave(
    [
      {
        name: 'node:crypto, 4 values',
        batch: 1,
        run: each((i) => theirs[i]?.map((value) => bare.decrypt(value))),
      },
      {
        name: 'decryptSync, a record',
        batch: 1,
        run: each((i) => codec.decryptSync(encrypted[i] as PlainRecord)),
      },
    ],
    COUNT / PER_TURN,
  )
  printTable(`decrypt ${PER_TURN} records with 4 fields`, decryption, { 'decryptSync, a record': '≥ 0.80' })
  await kw.close()
}
