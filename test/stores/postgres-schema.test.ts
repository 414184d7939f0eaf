/** Schemas of the PostgreSQL store: other programs', older, newer, damaged; and what roles may do. */
import { describe, expect, it } from 'vitest'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import { Database } from '../../stores/postgres/database.ts'
import { connectionsOf } from '../../stores/postgres/pool.ts'
import { openSchema, SCHEMA_VERSION } from '../../stores/postgres/schema.ts'
import { postgresLab, skip } from './postgres-kit.ts'

const lab = postgresLab()
const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })

describe.skipIf(skip)('postgres store', () => {
  describe('schemas', () => {
    it('refuses the schema of another program and leaves it as it is', async () => {
      const tables = [
        'users (id int)',
        'meta (name text, value text)',
        'meta (id int)',
        "meta AS SELECT 'application' AS name, 'other' AS value",
      ]
      for (const table of tables) {
        const schema = lab.newSchema()
        await lab.sql(`CREATE SCHEMA ${schema} AUTHORIZATION keywright; CREATE TABLE ${schema}.${table};
          GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO keywright`)
        for (const create of [false, true]) {
          await expect(lab.open({ schema, create })).rejects.toEqual(failure('ERR_STORE_FOREIGN'))
        }
        expect(await lab.sql(`SELECT 1 FROM pg_tables WHERE schemaname = '${schema}'`)).toHaveLength(1)
      }
    })

    it.each([
      ['of a newer version', "UPDATE meta SET value = '99' WHERE name = 'schema_version'", 'ERR_STORE_NEWER'],
      ['without a version', "DELETE FROM meta WHERE name = 'schema_version'", 'ERR_STORE_CORRUPT'],
      ['without its installation', "DELETE FROM meta WHERE name = 'installation'", 'ERR_STORE_CORRUPT'],
      ['without its records', 'DROP TABLE key_records', 'ERR_STORE_CORRUPT'],
      ['without a column', 'ALTER TABLE key_records DROP COLUMN mac', 'ERR_STORE_CORRUPT'],
      [
        'that pretends to be older',
        "UPDATE meta SET value = '0' WHERE name = 'schema_version'",
        'ERR_STORE_CORRUPT',
      ],
    ])('refuses a store %s', async (_, sql, code) => {
      const schema = lab.newSchema()
      await (await lab.open({ schema, create: true })).close?.()
      await lab.sql(`BEGIN; SET LOCAL search_path = ${schema}; ${sql}; COMMIT`)
      await expect(lab.open({ schema, create: true })).rejects.toEqual(failure(code))
    })

    it('brings a store of version 0 forward, and keeps its installation', async () => {
      const schema = lab.newSchema()
      const { installation } = await (await lab.open({ schema, create: true })).describe()
      await lab.sql(`DROP TABLE ${schema}.key_records, ${schema}.documents, ${schema}.audit_lines, ${schema}.audit_head;
        UPDATE ${schema}.meta SET value = '0' WHERE name = 'schema_version'`)
      await expect(lab.open({ schema, readOnly: true })).rejects.toEqual(failure('ERR_STORE_READ_ONLY'))
      const store = await lab.open({ schema })
      expect(await store.describe()).toMatchObject({ installation, schemaVersion: SCHEMA_VERSION })
      expect(await store.insert(recordOf())).toBe('inserted')
    })

    it('takes each step once, in order, and nothing of a run that fails', async () => {
      const schema = lab.newSchema()
      const database = new Database({
        ...(await connectionsOf({ connectionString: lab.url }, schema)),
        readOnly: false,
      })
      lab.keep({ close: () => database.leave() })
      const installation = '6f1d7c0e-3f6a-4f0e-9a53-0a2d1c9be001'
      await openSchema(database, { schema, create: true, installation })
      const step = (name: string) => (where: string) => `CREATE TABLE ${where}.${name} (x int); SELECT 1`
      const skipped = (): string => ''
      const take = (...more: ((where: string) => string)[]) =>
        openSchema(database, {
          schema,
          create: false,
          installation,
          migrations: [...Array.from({ length: SCHEMA_VERSION }, () => skipped), ...more],
        })
      await expect(take(step('a'), () => 'SELECT no_such_function()')).rejects.toEqual(
        failure('ERR_STORE_FAILED'),
      )
      const names = async (): Promise<unknown[]> =>
        (
          await lab.sql(
            `SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' AND length(tablename) = 1`,
          )
        ).map((row) => row['tablename'])
      expect(await names()).toEqual([])
      await take(step('a'))
      expect(
        (await Promise.all([take(step('a'), step('b')), take(step('a'), step('b'))])).map((f) => f.version),
      ).toEqual([SCHEMA_VERSION + 2, SCHEMA_VERSION + 2])
      expect(await names()).toEqual(['a', 'b'])
    })

    it('refuses a database that is not in UTF-8', async () => {
      await lab.sql(
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0 OWNER keywright",
      )
      const connectionString = lab.url.replace(/\/keywright$/, '/latin')
      await expect(lab.open({ connectionString, schema: 'keys', create: true })).rejects.toEqual(
        failure('ERR_STORE_FAILED'),
      )
    })
  })

  describe('rights', () => {
    it('denies a wrong password, an unknown user, a missing password', async () => {
      for (const user of ['keywright:wrong', 'nobody:wrong', 'nobody']) {
        const connectionString = lab.url.replace(/\/\/[^@]*@/, `//${user}@`)
        const error = await lab.open({ connectionString }).catch((thrown: unknown) => thrown)
        expect(error).toEqual(failure('ERR_STORE_DENIED'))
        expect((error as { hint: string }).hint).toContain('ENCRYPTION_KEY_STORE_URL')
      }
    })

    it('says that a database is not there', async () => {
      const connectionString = lab.url.replace(/\/keywright$/, '/nothing')
      await expect(lab.open({ connectionString })).rejects.toEqual(failure('ERR_STORE_MISSING'))
    })

    it('denies a role what it was not granted, and gives it what it was', async () => {
      const schema = lab.newSchema()
      await (await lab.open({ schema, create: true })).insert(recordOf())
      await lab.sql(
        `DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN PASSWORD 'app'; GRANT CONNECT ON DATABASE keywright TO app`,
      )
      const connectionString = lab.url.replace(/\/\/[^@]*@/, '//app:app@')
      const denied = failure('ERR_STORE_DENIED')
      await expect(lab.open({ connectionString, schema })).rejects.toEqual(denied)
      await expect(lab.open({ connectionString, schema: lab.newSchema(), create: true })).rejects.toEqual(
        denied,
      )
      await lab.sql(
        `GRANT USAGE ON SCHEMA ${schema} TO app; GRANT SELECT ON ${schema}.meta, ${schema}.key_records TO app`,
      )
      const store = await lab.open({ connectionString, schema })
      expect(await store.get(1)).toEqual(recordOf())
      await expect(store.insert(recordOf({ id: 2 }))).rejects.toEqual(denied)
      await expect(store.documents?.read('job')).rejects.toEqual(denied)
      await lab.sql(`GRANT INSERT, UPDATE ON ${schema}.key_records TO app`)
      expect(await store.insert(recordOf({ id: 2, version: 2 }))).toBe('inserted')
      expect((await store.addUsage(2, { messages: 1, bytes: 1 }, 9))?.granted).toBe(1)
      await lab.sql(`DROP OWNED BY app; DROP ROLE app`)
    })
  })
})
