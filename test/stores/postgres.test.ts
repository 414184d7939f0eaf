/** The PostgreSQL store on a real server: the contract, opening, schemas, listing. */
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { checkDocuments } from '../../src/testing/conformance/store-documents.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import { openStore } from '../../stores/index.ts'
import { SCHEMA_VERSION } from '../../stores/postgres/schema.ts'
import postgresStore, { type PostgresStoreOptions } from '../../stores/postgres.ts'
import { runStoreConformance } from '../conformance/store.ts'
import { postgresLab, skip } from './postgres-kit.ts'

const lab = postgresLab()
/** A pool of an application, ended after the test. */
function newPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ connectionString: lab.url, ...config })
  lab.keep({ close: () => pool.end() })
  return pool
}
const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })

describe.skipIf(skip)('postgres', () => {
  let last = ''
  runStoreConformance('postgres', {
    open: () => {
      last = lab.newSchema()
      return postgresStore({ connectionString: lab.url, schema: last, create: true })
    },
    reopen: () => postgresStore({ connectionString: lab.url, schema: last }),
  })

  describe('documents', () => {
    checkDocuments((title, run) => {
      const open = (): Promise<KeyStore> => lab.open()
      it(title, async ({ skip: pass }) => run(await open(), open, (reason) => pass(reason)))
    })
  })

  describe('opening', () => {
    it('makes a store only when it is told to', async () => {
      const schema = lab.newSchema()
      await expect(lab.open({ schema })).rejects.toEqual(failure('ERR_STORE_MISSING'))
      expect(await lab.sql(`SELECT 1 FROM pg_namespace WHERE nspname = '${schema}'`)).toEqual([])
      const store = await lab.open({ schema, create: true })
      await store.insert(recordOf())
      const again = await lab.open({ schema, create: true })
      expect(await again.get(1)).toEqual(recordOf())
      expect((await again.describe()).installation).toBe((await store.describe()).installation)
    })

    it('uses an empty schema that is there already', async () => {
      const schema = lab.newSchema()
      await lab.sql(`CREATE SCHEMA ${schema} AUTHORIZATION keywright`)
      await expect(lab.open({ schema })).rejects.toEqual(failure('ERR_STORE_MISSING'))
      expect(await (await lab.open({ schema, create: true })).insert(recordOf())).toBe('inserted')
    })

    it('takes over the installation of the store it is a copy of, when it is made', async () => {
      const installation = '6f1d7c0e-3f6a-4f0e-9a53-0a2d1c9be001'
      const schema = lab.newSchema()
      const store = await lab.open({ schema, create: true, installation })
      expect((await store.describe()).installation).toBe(installation)
      const other = '6f1d7c0e-3f6a-4f0e-9a53-0a2d1c9be002'
      const again = await lab.open({ schema, create: true, installation: other })
      expect((await again.describe()).installation).toBe(installation)
    })

    it('by its URL, in the default schema, and tells where it is without credentials', async () => {
      const store = lab.keep(await openStore(lab.url, { create: true }))
      const { location, schemaVersion, warnings } = await store.describe()
      expect(location).toBe(lab.server.endpoint)
      expect(schemaVersion).toBe(SCHEMA_VERSION)
      expect(warnings).toEqual([])
      const other = `${lab.url.replace(/^postgres/, 'postgresql')}?schema=other_1&statement_timeout=900`
      const second = lab.keep(await openStore(other, { create: true }))
      expect((await second.describe()).location).toBe(`${lab.server.endpoint}?schema=other_1`)
      await store.insert(recordOf())
      expect(await second.get(1)).toBeUndefined()
    })

    it('refuses to write when it was opened read-only', async () => {
      const schema = lab.newSchema()
      await (await lab.open({ schema, create: true })).insert(recordOf())
      const store = await lab.open({ schema, readOnly: true })
      const refused = failure('ERR_STORE_READ_ONLY')
      await expect(store.insert(recordOf({ id: 2 }))).rejects.toEqual(refused)
      await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(refused)
      await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(refused)
      const document = { name: 'job', text: '', revision: 1 }
      await expect(store.documents?.write(document)).rejects.toEqual(refused)
      await expect(store.documents?.remove('job', 1)).rejects.toEqual(refused)
      await expect(store.auditSink?.().exclusive(async () => 0)).rejects.toEqual(refused)
      expect((await store.list()).records).toEqual([recordOf()])
    })

    it.each<[what: string, options: Partial<PostgresStoreOptions>]>([
      ['create with readOnly', { create: true, readOnly: true }],
      ['neither URL nor pool', { connectionString: undefined } as unknown as Partial<PostgresStoreOptions>],
      ['a schema that needs quotes', { schema: 'a"b' }],
      ['a schema in capitals', { schema: 'Keys' }],
      ['an empty schema', { schema: '' }],
      ['a schema of the system', { schema: 'pg_keys' }],
      ['the schema of the standard', { schema: 'information_schema' }],
      ['a long schema', { schema: 'a'.repeat(64) }],
      ['one connection', { maxConnections: 1 }],
      ['no time', { statementTimeoutMs: 0 }],
      ['endless time', { connectTimeoutMs: Number.POSITIVE_INFINITY }],
      ['half a millisecond', { lockTimeoutMs: 0.5 }],
      ['an installation that is none', { create: true, installation: 'x' }],
    ])('refuses %s', async (_, options) => {
      const opening = postgresStore({ connectionString: lab.url, ...options })
      await expect(opening).rejects.toEqual(failure('ERR_ARGUMENT_INVALID'))
    })

    it.each([
      ['postgres:', 'ERR_ARGUMENT_INVALID'],
      ['postgres:host/db', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host:port/db', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2#x@host/db', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?sslmod=verify-full', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?hunter2:=1', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?schema=a&schema=b', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?schema=Hunter2', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?pgbouncer=1', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?connect_timeout=0', 'ERR_ARGUMENT_INVALID'],
      ['postgres://user:hunter2@host/db?sslmode=verify-full&sslrootcert=/none', 'ERR_CONFIG_INVALID'],
      ['postgres://user:hunter2@127.0.0.1:1/db', 'ERR_STORE_UNAVAILABLE'],
      ['postgres://user:hunter2@no-such-host.invalid/db', 'ERR_STORE_UNAVAILABLE'],
    ])('refuses %s with %s and repeats nothing of it', async (url, code) => {
      const error = await openStore(url).catch((thrown: unknown) => thrown)
      expect(error).toEqual(failure(code))
      expect(JSON.stringify(error) + String(error) + String((error as Error).stack)).not.toMatch(/hunter2/i)
    })
  })

  describe('at work', () => {
    it('lists 100,000 records page by page by the index, in the order of bytes', async () => {
      const schema = lab.newSchema()
      const store = await lab.open({ schema, create: true })
      const [row] = await lab.sql(`SELECT count(*) FROM ${schema}.key_records`)
      expect(row).toEqual({ count: '0' })
      await store.insert(recordOf({ id: 4_000_000_000, keyring: 'zzz' }))
      await lab.sql(`INSERT INTO ${schema}.key_records SELECT g, CASE WHEN g % 2 = 0 THEN 'K' ELSE 'k' END || g % 777, g,
        algorithm, created_at, activates_at, status, status_at, status_reason, wraps, commitment, mac, 0, 0, 1
        FROM ${schema}.key_records, generate_series(1, 99999) g; ANALYZE ${schema}.key_records`)
      let [after, seen]: [string | undefined, number] = [undefined, 0]
      let before = Buffer.alloc(0)
      do {
        const page: Awaited<ReturnType<KeyStore['list']>> = await store.list({
          limit: 5000,
          ...(after === undefined ? {} : { after }),
        })
        for (const { keyring } of page.records) {
          const name = Buffer.from(keyring)
          if (Buffer.compare(before, name) > 0) throw new Error(`${keyring} out of order`)
          before = name
        }
        seen += page.records.length
        after = page.next
      } while (after !== undefined)
      expect(seen).toBe(100_000)
      const plans = await Promise.all([
        lab.sql(
          `EXPLAIN SELECT * FROM ${schema}.key_records WHERE (keyring, version) > ('k5', 70000) ORDER BY keyring, version LIMIT 501`,
        ),
        lab.sql(
          `EXPLAIN SELECT * FROM ${schema}.key_records WHERE keyring = 'k5' AND version > 70000 ORDER BY keyring, version LIMIT 501`,
        ),
      ])
      const [all, one] = plans.map((plan) => JSON.stringify(plan))
      expect(all).toMatch(/Index Scan using key_records_keyring_version_key/)
      expect(all).not.toMatch(/Sort|Seq Scan/)
      expect(one).toMatch(/Index Scan (using|on) key_records_keyring_version_key/)
      expect(one).not.toMatch(/Seq Scan/)
    })

    it.each([
      ["wraps = '{}'", 'wraps'],
      ['wraps = replace(wraps, \'"provider":"file"\', \'"provider":7\')', 'wraps'],
      ["algorithm = 'ROT13'", 'algorithm'],
      ["status = 'active'", 'status'],
    ])('names the key whose row says %s', async (sql, member) => {
      const schema = lab.newSchema()
      const store = await lab.open({ schema, create: true })
      await store.insert(recordOf({ id: 2 }))
      await lab.sql(`UPDATE ${schema}.key_records SET ${sql}`)
      const error = await store.get(2).catch((thrown: unknown) => thrown)
      expect(error).toEqual(failure('ERR_STORE_CORRUPT'))
      expect(error).toMatchObject({ details: { keyId: 2, member } })
    })

    it('works in a pool of the application, whatever its parsers, and leaves it open', async () => {
      const pool = newPool({ max: 2, types: { getTypeParser: () => () => 'odd' } })
      const schema = lab.newSchema()
      const store = await lab.open({ pool, schema, create: true })
      expect(await store.insert(recordOf())).toBe('inserted')
      expect(await store.get(1)).toEqual(recordOf())
      expect((await store.describe()).location).toBe(`${lab.server.endpoint}?schema=${schema}`)
      await store.close?.()
      expect((await pool.query('SELECT 1 AS one')).rowCount).toBe(1)
    })

    it('refuses a pool of one connection', async () => {
      const pool = newPool({ max: 1 })
      await expect(lab.open({ pool })).rejects.toEqual(failure('ERR_ARGUMENT_INVALID'))
    })

    it('adds usage exactly under many callers at once', async () => {
      const schema = lab.newSchema()
      const stores = await Promise.all([
        lab.open({ schema, create: true }),
        lab.open({ schema, create: true }),
      ])
      await stores[0]?.insert(recordOf())
      const calls = Array.from({ length: 60 }, (_, n) =>
        stores[n % 2]?.addUsage(1, { messages: n % 7 === 6 ? -1 : 3, bytes: 5 }, 100),
      )
      const grants = await Promise.all(calls)
      const sum = grants.reduce((total, grant) => total + (grant?.granted ?? 0), 0)
      expect((await stores[0]?.get(1))?.usage).toEqual({ messages: sum, bytes: 300 })
      expect(sum).toBeLessThanOrEqual(100)
      for (const grant of grants) expect(grant?.usage.messages).toBeLessThanOrEqual(100)
    })

    it('tells other clients of a change, and never after they stopped listening', async () => {
      const schema = lab.newSchema()
      const [writer, reader] = await Promise.all([
        lab.open({ schema, create: true }),
        lab.open({ schema, create: true }),
      ])
      const heard: (string | undefined)[] = []
      const stop = reader.watch?.((keyring) => {
        heard.push(keyring)
        throw new Error('a listener may fail')
      })
      await expect
        .poll(() => lab.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
        .toHaveLength(1)
      await writer.insert(recordOf({ keyring: 'pii/ä' }))
      await writer.update(recordOf({ keyring: 'x', statusReason: 'y', revision: 2 }))
      await writer.update(recordOf({ keyring: 'x', statusReason: 'lost', revision: 2 }))
      await writer.addUsage(1, { messages: 1, bytes: 1 }, 9)
      await expect.poll(() => heard).toEqual(['pii/ä', 'pii/ä'])
      stop?.()
      await expect
        .poll(() => lab.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
        .toEqual([])
      await writer.insert(recordOf({ id: 2 }))
      expect(heard).toHaveLength(2)
    })
  })
})
