import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { eq, getTableColumns, inArray, sql } from 'drizzle-orm'
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import * as pgCore from 'drizzle-orm/pg-core'
import * as sqliteCore from 'drizzle-orm/sqlite-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { encryptedColumns } from '../../src/integrations/drizzle.ts'
import { models } from '../../src/integrations/models.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'
import { postgresDatabase, skip } from './databases.ts'

let world: World
let kw: Keywright

const DDL = `CREATE TABLE users (id integer primary key, email text, email_token text, income text, born text);
CREATE TABLE orders (id integer primary key, user_id integer, card text)`

const forPg = encryptedColumns(() => kw, pgCore.customType)
const pgSchema = {
  users: pgCore.pgTable('users', {
    id: pgCore.integer().primaryKey(),
    email: forPg('users.email').notNull(),
    emailToken: forPg.token('users.email', { normaliser: 'email', name: 'email_token' }),
    income: forPg('users.income', { as: 'number' }),
    born: forPg('users.born', { as: 'date', keyType: 'pii' }),
  }),
  orders: pgCore.pgTable('orders', {
    id: pgCore.integer().primaryKey(),
    userId: pgCore.integer('user_id'),
    card: forPg('orders.card', { keyType: 'financial_data' }),
  }),
}

const forSqlite = encryptedColumns(() => kw, sqliteCore.customType)
const sqliteSchema = {
  users: sqliteCore.sqliteTable('users', {
    id: sqliteCore.integer().primaryKey(),
    email: forSqlite('users.email').notNull(),
    emailToken: forSqlite.token('users.email', { normaliser: 'email', name: 'email_token' }),
    income: forSqlite('users.income', { as: 'number' }),
    born: forSqlite('users.born', { as: 'date', keyType: 'pii' }),
  }),
  orders: sqliteCore.sqliteTable('orders', {
    id: sqliteCore.integer().primaryKey(),
    userId: sqliteCore.integer('user_id'),
    card: forSqlite('orders.card', { keyType: 'financial_data' }),
  }),
}

it('types columns by their `as`', () => {
  expectTypeOf<typeof pgSchema.users.$inferSelect.email>().toEqualTypeOf<string>()
  expectTypeOf<typeof pgSchema.users.$inferSelect.income>().toEqualTypeOf<number | null>()
  expectTypeOf<typeof sqliteSchema.users.$inferSelect.born>().toEqualTypeOf<Date | null>()
  expectTypeOf<typeof sqliteSchema.users.$inferInsert.email>().toEqualTypeOf<string>()
  expect(getTableColumns(pgSchema.users).emailToken.name).toBe('email_token')
})

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

interface Bench {
  readonly db: ReturnType<typeof drizzlePg>
  readonly schema: typeof pgSchema
  readonly encrypted: typeof forPg
  raw(text: string): Promise<Record<string, unknown>[]>
}

function suite(open: () => Bench): void {
  const rows = () => open().raw('SELECT * FROM users ORDER BY id')
  beforeEach(async () => {
    await open().raw('DELETE FROM users')
    await open().raw('DELETE FROM orders')
    await open().encrypted.ready()
  })

  it('stores ciphertext and reads values of every type back', async () => {
    const { db, schema } = open()
    const born = new Date('1815-12-10T00:00:00.000Z')
    const value = { id: 1, email: 'ada@example.com', emailToken: 'Ada@Example.com', income: -0.5, born }
    await db.insert(schema.users).values(value)
    const [stored] = await rows()
    expect(JSON.stringify(stored)).not.toMatch(/example|-0\.5|1815/)
    expect(stored?.['email_token']).toMatch(/^kwi1\./)
    const [user] = await db.select().from(schema.users)
    expect(user).toEqual({ ...value, emailToken: stored?.['email_token'] })
  })

  it('keeps null and the empty string apart', async () => {
    const { db, schema } = open()
    await db.insert(schema.users).values([
      { id: 1, email: '', income: null },
      { id: 2, email: 'x' },
    ])
    const [first] = await rows()
    expect(first).toMatchObject({ email: expect.stringMatching(/^kw1\./), income: null, email_token: null })
    const users = await db.select().from(schema.users).orderBy(schema.users.id)
    expect(users.map(({ email, income }) => [email, income])).toEqual([
      ['', null],
      ['x', null],
    ])
  })

  it('updates, returns, joins and aliases', async () => {
    const { db, schema } = open()
    const { users, orders } = schema
    const [made] = await db.insert(users).values({ id: 1, email: 'a@b.c', income: 1 }).returning()
    expect(made?.email).toBe('a@b.c')
    await db.update(users).set({ email: 'd@e.f', income: 2 }).where(eq(users.id, 1))
    await db.insert(orders).values({ id: 9, userId: 1, card: '4111' })
    const joined = await db
      .select({ mail: users.email, pay: users.income, card: orders.card })
      .from(orders)
      .innerJoin(users, eq(users.id, orders.userId))
    expect(joined).toEqual([{ mail: 'd@e.f', pay: 2, card: '4111' }])
    const left = await db.select().from(users).leftJoin(orders, eq(orders.id, 1))
    expect(left[0]?.orders).toBeNull()
  })

  it('finds rows by token, and misses none while the index key rotates', async () => {
    const { db, schema, encrypted } = open()
    const { users } = schema
    const find = async (mail: string) => {
      const tokens = await encrypted.tokens('users.email', mail)
      return (await db.select({ id: users.id }).from(users).where(inArray(users.emailToken, tokens))).map(
        ({ id }) => id,
      )
    }
    await db.insert(users).values({ id: 1, email: 'ada@b.c', emailToken: 'ada@b.c' })
    await kw.keys.rotate('blind_index', { force: true, now: true })
    await encrypted.ready()
    await db.insert(users).values({ id: 2, email: 'ada@b.c', emailToken: 'ada@b.c' })
    expect((await find('ADA@b.c')).sort()).toEqual([1, 2])
    expect(await find('eve@b.c')).toEqual([])
    const active = await db.select().from(users).where(eq(users.emailToken, 'Ada@b.c'))
    expect(active.map(({ id }) => id)).toEqual([2])
    await expect(encrypted.tokens('users.phone', 'x')).rejects.toMatchObject({
      code: 'ERR_ARGUMENT_INVALID',
      hint: expect.stringContaining("encrypted.token('users.phone')"),
    })
  })

  it('reads values of rotated keys', async () => {
    const { db, schema, encrypted } = open()
    await db.insert(schema.users).values({ id: 1, email: 'old' })
    await kw.keys.rotate('pii', { force: true, now: true })
    await db.insert(schema.users).values({ id: 2, email: 'new' })
    expect((await db.select().from(schema.users)).map(({ email }) => email).sort()).toEqual(['new', 'old'])
    kw = world.open()
    await encrypted.ready()
    expect((await db.select().from(schema.users)).map(({ email }) => email).sort()).toEqual(['new', 'old'])
  })

  it('names the column whose value does not open', async () => {
    const { db, schema, raw } = open()
    const born = new Date(0)
    await db.insert(schema.users).values({ id: 1, email: 'a', born, income: 1 })
    const failure = () =>
      db
        .select()
        .from(schema.users)
        .catch((error: unknown) => error)
    await raw('UPDATE users SET email = born')
    expect(await failure()).toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
      message: 'column "users.email": decryption failed',
    })
    await raw('UPDATE users SET email = income')
    expect(await failure()).toMatchObject({
      code: 'ERR_KEYRING_MISMATCH',
      details: { column: 'users.email' },
    })
    await raw("UPDATE users SET email = 'plain@text'")
    const refused = await failure()
    expect(refused).toMatchObject({ code: 'ERR_NOT_CIPHERTEXT' })
    expect(JSON.stringify(refused)).not.toContain('plain@text')
  })

  it('tells what to load when the keys are not', async () => {
    const { db, schema } = open()
    kw = world.open()
    const insert = async () => db.insert(schema.users).values({ id: 1, email: 'a' })
    await expect(insert()).rejects.toMatchObject({
      code: 'ERR_KEY_NOT_LOADED',
      hint: expect.stringContaining("await kw.ready(['pii'], { all: true })"),
    })
    expect(await rows()).toEqual([])
  })

  it('refuses a value of another type', async () => {
    const { db, schema } = open()
    const insert = async () => db.insert(schema.users).values({ id: 1, email: 5 as never })
    await expect(insert()).rejects.toMatchObject({
      code: 'ERR_VALUE_TYPE',
      details: { column: 'users.email' },
    })
  })

  it('shows ciphertext only in what Drizzle logs', async () => {
    const { db, schema } = open()
    const query = db
      .insert(schema.users)
      .values({ id: 1, email: 'ada@example.com', emailToken: 'ada@example.com' })
    expect(JSON.stringify(query.toSQL())).not.toContain('example')
    expect(JSON.stringify(query.toSQL().params)).toMatch(/kw1\..*kwi1\./)
  })

  it('binds to rows with models, on columns of text', async () => {
    const { raw, db } = open()
    const { User } = models(kw, { User: { table: 'users', row: 'id', fields: { email: 'pii' } } })
    for (const id of [1, 2]) {
      const { email } = await User.encrypt({ id, email: `${id}@b.c` })
      await db.execute?.(sql`INSERT INTO users (id, email) VALUES (${id}, ${email})`)
      if (db.execute === undefined) await raw(`INSERT INTO users (id, email) VALUES (${id}, '${email}')`)
    }
    const [first, second] = (await rows()) as { id: number; email: string }[]
    expect(await User.decrypt({ id: first?.id, email: first?.email })).toEqual({ id: 1, email: '1@b.c' })
    await expect(User.decrypt({ id: 1, email: second?.email })).rejects.toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
    })
  })
}

describe('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-drizzle-'))
  const client = createClient({ url: `file:${join(folder, 'app.db')}` })
  beforeAll(async () => {
    await client.executeMultiple(DDL)
  })
  afterAll(() => {
    client.close()
    rmSync(folder, { recursive: true })
  })
  const bench = {
    db: drizzleLibsql(client),
    schema: sqliteSchema,
    encrypted: forSqlite,
    raw: async (text: string) => (await client.execute(text)).rows.map((row) => ({ ...row })),
  }
  suite(() => bench as unknown as Bench)
})

describe.skipIf(skip)('PostgreSQL', () => {
  const database = postgresDatabase()
  let bench: Bench
  beforeAll(async () => {
    const pool = await database.pool()
    await pool.query(DDL)
    const raw = async (text: string) => (await pool.query(text)).rows
    bench = { db: drizzlePg(pool), schema: pgSchema, encrypted: forPg, raw }
  })
  suite(() => bench)
})
