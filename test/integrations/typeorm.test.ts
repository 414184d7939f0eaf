import { DataSource, EntitySchema, In, IsNull } from 'typeorm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ciphertextOnly,
  encryptedTransformer,
  encryptionSubscriber,
  SearchToken,
  tokenTransformer,
} from '../../src/integrations/typeorm.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'
import { postgresDatabase, skip } from './databases.ts'

let world: World
let kw: Keywright
const source = () => kw

const email = encryptedTransformer(source, 'users.email')
const income = encryptedTransformer(source, 'users.income', { as: 'number' })
const token = tokenTransformer(source, 'users.email', { normaliser: 'email' })

interface User {
  id: number
  email: string | null
  emailToken: string | SearchToken | null
  income: number | null
}

const UserEntity = new EntitySchema<User>({
  name: 'User',
  tableName: 'users',
  columns: {
    id: { type: 'integer', primary: true },
    email: { type: 'text', nullable: true, transformer: email },
    emailToken: { type: 'text', nullable: true, transformer: token },
    income: { type: 'text', nullable: true, transformer: income },
  },
})

interface Patient {
  id: number
  name: string | null
  diagnosis: string | null
  visits: number | null
}

const PatientEntity = new EntitySchema<Patient>({
  name: 'Patient',
  tableName: 'patients',
  columns: {
    id: { type: 'integer', primary: true },
    name: { type: 'text', nullable: true },
    diagnosis: { type: 'text', nullable: true, transformer: ciphertextOnly('patients.diagnosis') },
    visits: { type: 'text', nullable: true, transformer: ciphertextOnly('patients.visits') },
  },
})

const subscriber = encryptionSubscriber(source, {
  target: 'Patient',
  table: 'patients',
  row: 'id',
  columns: { diagnosis: {}, visits: { keyType: 'pii', as: 'number' } },
})

beforeEach(async () => {
  world = new World()
  kw = world.open()
  for (const one of [email, income, token]) await one.ready()
})
afterEach(() => world.end())

function suite(open: () => DataSource): void {
  const queries: string[] = []
  const raw = async (text: string): Promise<Record<string, unknown>[]> => {
    const runner = open().createQueryRunner()
    try {
      return await runner.query(text)
    } finally {
      await runner.release()
    }
  }

  beforeAll(() => {
    open().subscribers.push(subscriber, {
      beforeQuery: ({ query, parameters }) =>
        void queries.push(
          JSON.stringify([query, parameters?.filter((one: unknown) => typeof one !== 'object')]),
        ),
    })
  })
  beforeEach(async () => {
    await raw('DELETE FROM users')
    await raw('DELETE FROM patients')
    queries.length = 0
  })

  describe('the transformers', () => {
    const ADA = { id: 1, email: 'ada@example.com', emailToken: 'Ada@Example.com', income: 0.5 }

    it('store ciphertext, read values back, and show ciphertext to the log', async () => {
      const users = open().getRepository(UserEntity)
      await users.save(users.create(ADA))
      expect(queries.join()).not.toMatch(/example/i)
      const [stored] = await raw('SELECT * FROM users')
      expect(stored).toMatchObject({
        email: expect.stringMatching(/^kw1\./),
        emailToken: expect.stringMatching(/^kwi1\./),
      })
      expect(await users.findOneByOrFail({ id: 1 })).toMatchObject({ email: ADA.email, income: 0.5 })
    })

    it('keep null and the empty string apart, update and alias', async () => {
      const users = open().getRepository(UserEntity)
      await users.insert([
        { id: 1, email: '', income: null },
        { id: 2, email: 'x' },
      ])
      await users.update(2, { email: 'y' })
      expect((await users.find({ order: { id: 'ASC' } })).map((one) => one.email)).toEqual(['', 'y'])
      expect(await users.countBy({ income: IsNull() })).toBe(2)
      const aliased = await users
        .createQueryBuilder('u')
        .select(['u.id', 'u.email'])
        .where('u.id = 2')
        .getOneOrFail()
      expect(aliased.email).toBe('y')
    })

    it('find rows by token, and miss none while the index key rotates', async () => {
      const users = open().getRepository(UserEntity)
      await users.insert(ADA)
      await kw.keys.rotate('blind_index', { force: true, now: true })
      await token.ready()
      await users.insert({ ...ADA, id: 2 })
      const found = await users.findBy({ emailToken: In(await token.tokens('ADA@example.com')) })
      expect(found.map(({ id }) => id).sort()).toEqual([1, 2])
      expect((await users.findBy({ emailToken: 'ada@example.com' })).map(({ id }) => id)).toEqual([2])
    })

    it('leave the token as it is when a loaded entity is saved', async () => {
      const users = open().getRepository(UserEntity)
      await users.insert(ADA)
      const [before] = await raw('SELECT * FROM users')
      const user = await users.findOneByOrFail({ id: 1 })
      expect(user.emailToken).toBeInstanceOf(SearchToken)
      await users.save({ ...user, income: 2 })
      const [after] = await raw('SELECT * FROM users')
      expect(after?.['emailToken']).toBe(before?.['emailToken'])
      expect(after?.['income']).not.toBe(before?.['income'])
    })

    it('read rotated keys, and name the column that does not open', async () => {
      const users = open().getRepository(UserEntity)
      await users.insert(ADA)
      await kw.keys.rotate('pii', { force: true, now: true })
      await email.ready()
      expect((await users.findOneByOrFail({ id: 1 })).email).toBe(ADA.email)
      await raw('UPDATE users SET email = income')
      await expect(users.find()).rejects.toMatchObject({
        code: 'ERR_KEYRING_MISMATCH',
        message: expect.stringMatching(/^column "users.email": /),
      })
    })

    it('tell what to load when the keys are not', async () => {
      kw = world.open()
      await expect(open().getRepository(UserEntity).insert(ADA)).rejects.toMatchObject({
        code: 'ERR_KEY_NOT_LOADED',
        hint: expect.stringContaining("kw.ready(['pii']"),
      })
    })
  })

  describe('the subscriber', () => {
    const patient = (id: number): Patient => ({ id, name: 'Ada', diagnosis: 'influenza', visits: 3 })
    const stored = () => raw('SELECT * FROM patients ORDER BY id')

    it('encrypts what is saved and leaves the entity as it was', async () => {
      const patients = open().getRepository(PatientEntity)
      const one = patients.create(patient(1))
      await patients.save(one)
      expect(one).toEqual(patient(1))
      expect(queries.join()).not.toContain('influenza')
      const [row] = await stored()
      expect(row).toMatchObject({
        diagnosis: expect.stringMatching(/^kw1\./),
        visits: expect.stringMatching(/^kw1\./),
      })
      expect(await patients.findOneByOrFail({ id: 1 })).toEqual(patient(1))
    })

    it('writes only what changed', async () => {
      const patients = open().getRepository(PatientEntity)
      await patients.insert(patient(1))
      const [before] = await stored()
      const one = await patients.findOneByOrFail({ id: 1 })
      queries.length = 0
      await patients.save(one)
      expect(queries.filter((query) => /UPDATE/.test(query))).toEqual([])
      one.visits = 4
      await patients.save(one)
      expect(one).toEqual({ ...patient(1), visits: 4 })
      const [after] = await stored()
      expect(after?.['diagnosis']).toBe(before?.['diagnosis'])
      expect(await patients.findOneByOrFail({ id: 1 })).toEqual({ ...patient(1), visits: 4 })
    })

    it('takes null, and many at once', async () => {
      const patients = open().getRepository(PatientEntity)
      await patients.save([patient(1), { ...patient(2), diagnosis: null, visits: null }])
      expect(await patients.findOneByOrFail({ id: 2 })).toEqual({
        ...patient(2),
        diagnosis: null,
        visits: null,
      })
      await patients.save({ id: 1, diagnosis: null })
      expect((await patients.findOneByOrFail({ id: 1 })).diagnosis).toBeNull()
    })

    it('binds values to their row', async () => {
      const patients = open().getRepository(PatientEntity)
      await patients.save([patient(1), patient(2)])
      const [first] = await stored()
      await raw(`UPDATE patients SET diagnosis = '${first?.['diagnosis']}' WHERE id = 2`)
      await expect(patients.findOneBy({ id: 2 })).rejects.toMatchObject({
        code: 'ERR_DECRYPTION_FAILED',
        message: 'column "patients.diagnosis": decryption failed',
      })
      await expect(patients.find({ select: { diagnosis: true } })).rejects.toMatchObject({
        code: 'ERR_CONTEXT_INVALID',
        hint: 'load "id" as well',
      })
      await expect(patients.insert({ diagnosis: 'x' })).rejects.toMatchObject({
        code: 'ERR_CONTEXT_INVALID',
        hint: expect.stringContaining('"id"'),
      })
    })

    it('encrypts anew after a write that failed', async () => {
      const patients = open().getRepository(PatientEntity)
      await patients.insert(patient(1))
      const twin = patient(1)
      await expect(patients.insert(twin)).rejects.toThrow()
      twin.id = 2
      await patients.insert(twin)
      expect(twin).toEqual(patient(2))
      expect(await patients.findOneByOrFail({ id: 2 })).toEqual(patient(2))
    })

    it.each<[string, (at: DataSource) => Promise<unknown>]>([
      ['update()', (at) => at.getRepository(PatientEntity).update(1, { diagnosis: 'measles' })],
      [
        'a query builder',
        (at) =>
          at
            .createQueryBuilder()
            .update(PatientEntity)
            .set({ diagnosis: 'measles' })
            .where('id = 1')
            .execute(),
      ],
      ['a condition', (at) => at.getRepository(PatientEntity).findBy({ diagnosis: 'measles' })],
      [
        'a list in a condition',
        (at) => at.getRepository(PatientEntity).findBy({ diagnosis: In(['measles']) }),
      ],
    ])('lets no plaintext pass beside it: %s', async (_, work) => {
      await open().getRepository(PatientEntity).insert(patient(1))
      const before = await stored()
      queries.length = 0
      const failure: unknown = await work(open()).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(Error)
      expect(String(failure)).not.toContain('measles')
      expect(queries.join()).not.toContain('measles')
      expect(await stored()).toEqual(before)
    })
  })
}

describe('SQLite', () => {
  const dataSource = new DataSource({
    type: 'sqljs',
    entities: [UserEntity, PatientEntity],
    synchronize: true,
  })
  beforeAll(async () => {
    await dataSource.initialize()
  })
  afterAll(() => dataSource.destroy())
  suite(() => dataSource)
})

describe.skipIf(skip)('PostgreSQL', () => {
  const database = postgresDatabase()
  let dataSource: DataSource
  beforeAll(async () => {
    dataSource = new DataSource({
      type: 'postgres',
      url: database.url,
      entities: [UserEntity, PatientEntity],
      synchronize: true,
    })
    await dataSource.initialize()
  })
  afterAll(() => dataSource.destroy())
  suite(() => dataSource)
})
