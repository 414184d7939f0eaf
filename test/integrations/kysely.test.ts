import {
  CamelCasePlugin,
  type Generated,
  Kysely,
  PostgresDialect,
  type RawBuilder,
  SqliteDialect,
  sql,
} from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/sqlite'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encryptionPlugin } from '../../src/integrations/kysely.ts'
import type { Keywright } from '../../src/keywright.ts'
import { World } from '../kit/world.ts'
import { postgresDatabase, skip, sqliteForKysely } from './databases.ts'

interface Tables {
  users: {
    id: number
    email: string
    email_token: Generated<string | null>
    income: number | null
    note: string | null
  }
  logins: { id: Generated<number>; user_id: number; ip: string | null }
  archive: { id: number; email: string }
}
type Db = Kysely<Tables>

let world: World
let kw: Keywright

const plugin = encryptionPlugin(() => kw, {
  tables: {
    users: {
      row: 'id',
      columns: { email: 'pii', income: { as: 'number' } },
      tokens: { email_token: { of: 'email', normaliser: 'email' } },
    },
    logins: { columns: { ip: {} } },
  },
})

const DDL = [
  'CREATE TABLE users (id integer primary key, email text, email_token text unique, income text, note text)',
  'CREATE TABLE archive (id integer primary key, email text)',
]

beforeEach(async () => {
  world = new World()
  kw = world.open()
  await plugin.ready()
})
afterEach(() => world.end())

const ADA = { id: 1, email: 'ada@example.com', income: 4200.5 }
const refused = {
  code: 'ERR_ARGUMENT_INVALID',
  message: expect.stringMatching(/^column "users\.\w+" is encrypted/),
}

function suite(open: () => { db: Db; plain: Db }): void {
  let db: Db
  let plain: Db
  beforeEach(async () => {
    ;({ db, plain } = open())
    for (const table of ['users', 'logins', 'archive'] as const) await plain.deleteFrom(table).execute()
  })

  it('encrypts what is inserted and decrypts what is selected', async () => {
    await db
      .insertInto('users')
      .values([ADA, { id: 2, email: '', income: null }])
      .execute()
    const stored = await plain.selectFrom('users').selectAll().orderBy('id').execute()
    expect(JSON.stringify(stored)).not.toMatch(/example|4200/)
    expect(stored[0]).toMatchObject({
      email: expect.stringMatching(/^kw1\./),
      email_token: expect.stringMatching(/^kwi1\./),
    })
    expect(stored[1]?.income).toBeNull()
    const users = await db.selectFrom('users').selectAll().orderBy('id').execute()
    expect(users).toMatchObject([ADA, { id: 2, email: '', income: null }])
    expect(users[0]?.email_token).toBe(stored[0]?.email_token)
  })

  it('takes rows with different columns, defaults and null', async () => {
    await db
      .insertInto('users')
      .values([{ id: 1, email: 'a', note: 'x' } as never, { id: 2, income: 5 } as never])
      .execute()
    const users = await db
      .selectFrom('users')
      .select(['id', 'email', 'income', 'note'])
      .orderBy('id')
      .execute()
    expect(users).toEqual([
      { id: 1, email: 'a', income: null, note: 'x' },
      { id: 2, email: null, income: 5, note: null },
    ])
  })

  it('returns what it wrote', async () => {
    const made = await db.insertInto('users').values(ADA).returningAll().executeTakeFirstOrThrow()
    expect(made).toMatchObject(ADA)
    const changed = await db
      .updateTable('users')
      .set({ email: 'new@example.com', note: 'x' })
      .where('id', '=', 1)
      .where('note', 'is', null)
      .returning(['id', 'email as mail'])
      .executeTakeFirst()
    expect(changed).toEqual({ id: 1, mail: 'new@example.com' })
    const gone = await db
      .deleteFrom('users')
      .where('id', '=', 1)
      .returning(['users.id', 'users.income'])
      .execute()
    expect(gone).toEqual([{ id: 1, income: 4200.5 }])
  })

  it('updates the token with its value, and both to null', async () => {
    await db.insertInto('users').values(ADA).execute()
    const token = () => plain.selectFrom('users').select(['email', 'email_token']).executeTakeFirstOrThrow()
    const before = await token()
    await db.updateTable('users').set({ email: 'new@example.com' }).where('users.id', '=', 1).execute()
    expect((await token()).email_token).not.toBe(before.email_token)
    const tokens = await kw.index('users.email', { normaliser: 'email' }).tokens('NEW@example.com')
    const found = await db
      .selectFrom('users')
      .select(['id', 'email'])
      .where('email_token', 'in', tokens)
      .execute()
    expect(found).toEqual([{ id: 1, email: 'new@example.com' }])
    await db
      .updateTable('users')
      .set({ email: null as never })
      .where('id', '=', 1)
      .execute()
    expect(await token()).toEqual({ email: null, email_token: null })
  })

  it('finds rows while the index key rotates', async () => {
    await db.insertInto('users').values(ADA).execute()
    await kw.keys.rotate('blind_index', { force: true, now: true })
    await plugin.ready()
    await db
      .insertInto('users')
      .values({ ...ADA, id: 2 })
      .execute()
    const tokens = await kw.index('users.email', { normaliser: 'email' }).tokens('ada@EXAMPLE.com')
    const found = await db.selectFrom('users').select('id').where('email_token', 'in', tokens).execute()
    expect(found).toHaveLength(2)
  })

  it('follows joins, aliases, subqueries and common table expressions', async () => {
    await db
      .insertInto('users')
      .values([ADA, { id: 2, email: 'eve', income: 1 }])
      .execute()
    await db
      .insertInto('logins')
      .values([
        { user_id: 1, ip: '::1' },
        { user_id: 9, ip: null },
      ])
      .execute()
    const joined = await db
      .selectFrom('logins as l')
      .leftJoin('users as u', 'u.id', 'l.user_id')
      .select(['l.ip as from', 'u.email as who', 'u.id as uid'])
      .orderBy('l.user_id')
      .execute()
    expect(joined).toEqual([
      { from: '::1', who: ADA.email, uid: 1 },
      { from: null, who: null, uid: null },
    ])
    const nested = await db
      .selectFrom((eb) => eb.selectFrom('users').select(['users.id as n', 'income as pay']).as('t'))
      .selectAll('t')
      .orderBy('t.n')
      .execute()
    expect(nested).toEqual([
      { n: 1, pay: 4200.5 },
      { n: 2, pay: 1 },
    ])
    const named = await db
      .with('rich', (qb) => qb.selectFrom('users').select(['id', 'email']))
      .selectFrom('rich as a')
      .innerJoin('rich as b', (join) => join.onTrue())
      .select(['a.email as x', 'a.id as xid', 'b.email as y', 'b.id as yid'])
      .where('a.id', '<', sql.ref<number>('b.id'))
      .execute()
    expect(named).toEqual([{ x: ADA.email, xid: 1, y: 'eve', yid: 2 }])
    const some = await db
      .selectFrom('logins')
      .select('ip')
      .where(({ exists, selectFrom }) =>
        exists(selectFrom('users').select('email').whereRef('users.id', '=', 'logins.user_id')),
      )
      .execute()
    expect(some).toEqual([{ ip: '::1' }])
  })

  it('asks for null and counts', async () => {
    await db
      .insertInto('users')
      .values([ADA, { id: 2, email: 'x', income: null }])
      .execute()
    const poor = await db.selectFrom('users').select('id').where('income', 'is', null).execute()
    expect(poor).toEqual([{ id: 2 }])
    const { n } = await db
      .selectFrom('users')
      .select((eb) => eb.fn.count('income').as('n'))
      .executeTakeFirstOrThrow()
    expect(Number(n)).toBe(1)
  })

  it('reads values of rotated keys', async () => {
    await db.insertInto('users').values(ADA).execute()
    await kw.keys.rotate('pii', { force: true, now: true })
    await db
      .insertInto('users')
      .values({ ...ADA, id: 2, email: 'new' })
      .execute()
    kw = world.open() // reading loads what it needs
    const users = await db.selectFrom('users').select(['id', 'email']).orderBy('id').execute()
    expect(users.map(({ email }) => email)).toEqual([ADA.email, 'new'])
  })

  it('upserts where the row is the same one', async () => {
    await db.insertInto('users').values(ADA).execute()
    await db
      .insertInto('users')
      .values({ ...ADA, email: 'new@example.com' })
      .onConflict((oc) => oc.column('id').doUpdateSet((eb) => ({ email: eb.ref('excluded.email') })))
      .execute()
    const user = await db.selectFrom('users').select(['id', 'email', 'email_token']).executeTakeFirstOrThrow()
    expect(user.email).toBe('new@example.com')
    expect(await kw.index('users.email', { normaliser: 'email' }).tokens('new@example.com')).toContain(
      user.email_token,
    )
    await db
      .insertInto('logins')
      .values({ id: 5, user_id: 1, ip: 'a' })
      .onConflict((oc) => oc.column('id').doUpdateSet({ ip: 'b' }))
      .execute()
    expect(await db.selectFrom('logins').select('ip').execute()).toEqual([{ ip: 'a' }])
  })

  it.each<[string, (from: Db) => { compile(): unknown }]>([
    ['a comparison', (from) => from.selectFrom('users').select('id').where('email', '=', 'x')],
    [
      'a comparison by alias',
      (from) => from.selectFrom('users as u').select('id').where('u.email', 'in', ['x']),
    ],
    [
      'a comparison in a join',
      (from) =>
        from.selectFrom('users').innerJoin('archive', 'archive.email', 'users.email').select('users.id'),
    ],
    ['sorting', (from) => from.selectFrom('users').select(['id', 'email']).orderBy('email')],
    [
      'sorting by a result',
      (from) => from.selectFrom('users').select(['id', 'email as mail']).orderBy('mail'),
    ],
    ['grouping', (from) => from.selectFrom('users').select('email').groupBy('email')],
    ['a function', (from) => from.selectFrom('users').select((eb) => eb.fn.max('email').as('m'))],
    [
      'counting distinct values',
      (from) => from.selectFrom('users').select((eb) => eb.fn.count('email').distinct().as('m')),
    ],
    [
      'raw SQL on a reference',
      (from) => from.selectFrom('users').select(sql<string>`lower(${sql.ref('email')})`.as('m')),
    ],
    ['DISTINCT', (from) => from.selectFrom('users').select(['id', 'email']).distinct()],
    [
      'UNION',
      (from) =>
        from
          .selectFrom('archive')
          .select('email')
          .union((eb) => eb.selectFrom('users').select('email')),
    ],
    [
      'a scalar subquery',
      (from) => from.selectFrom('archive').select((eb) => eb.selectFrom('users').select('email').as('m')),
    ],
    [
      'a subquery in a comparison',
      (from) =>
        from
          .selectFrom('archive')
          .select('id')
          .where('email', 'in', (eb) => eb.selectFrom('users').select('email')),
    ],
    [
      'JSON',
      (from) =>
        from
          .selectFrom('archive')
          .select((eb) => jsonArrayFrom(eb.selectFrom('users').select(['users.id', 'users.email'])).as('m')),
    ],
    ['a select without the row', (from) => from.selectFrom('users').select('email')],
    ['two tables at once', (from) => from.selectFrom(['users', 'archive']).selectAll()],
    [
      'two tables, one after the other',
      (from) => from.selectFrom(['users', 'archive']).selectAll('users').selectAll('archive'),
    ],
    [
      'a row id whose name another result has',
      (from) => from.selectFrom(['users', 'archive']).select(['users.email', 'users.id', 'archive.id']),
    ],
    [
      'a name that another result has',
      (from) => from.selectFrom(['users', 'archive']).selectAll('users').select('archive.email'),
    ],
    ['an insert without the row', (from) => from.insertInto('users').values({ email: 'x' } as never)],
    [
      'an insert whose row is an expression',
      (from) => from.insertInto('users').values({ ...ADA, id: sql<number>`7` }),
    ],
    [
      'an insert of an expression',
      (from) => from.insertInto('users').values({ ...ADA, email: sql<string>`'x'` }),
    ],
    [
      'INSERT … SELECT',
      (from) =>
        from
          .insertInto('users')
          .columns(['id', 'email'])
          .expression((eb) => eb.selectFrom('archive').select(['id', 'email'])),
    ],
    [
      'copying elsewhere',
      (from) =>
        from
          .insertInto('archive')
          .columns(['id', 'email'])
          .expression((eb) => eb.selectFrom('users').select(['id', 'email'])),
    ],
    [
      'an update without the row',
      (from) => from.updateTable('users').set({ email: 'x' }).where('note', '=', 'y'),
    ],
    [
      'an update of several rows',
      (from) => from.updateTable('users').set({ email: 'x' }).where('id', 'in', [1, 2]),
    ],
    [
      'an update of one row or another',
      (from) =>
        from
          .updateTable('users')
          .set({ email: 'x' })
          .where((eb) => eb.or([eb('id', '=', 1), eb('id', '=', 2)])),
    ],
    [
      'an update by the row of another table',
      (from) =>
        from.updateTable('users').from('users as other').set({ email: 'x' }).where('other.id', '=', 1),
    ],
    [
      'an update with an expression',
      (from) => from.updateTable('users').set({ email: sql<string>`'x'` }).where('id', '=', 1),
    ],
    ['an update of the row id', (from) => from.updateTable('users').set({ id: 9 }).where('id', '=', 1)],
    [
      'an update of another column with it',
      (from) =>
        from
          .updateTable('users')
          .set((eb) => ({ note: eb.ref('email') }))
          .where('id', '=', 1),
    ],
    [
      'an upsert on another column',
      (from) =>
        from
          .insertInto('users')
          .values(ADA)
          .onConflict((oc) =>
            oc.column('email_token').doUpdateSet((eb) => ({ email: eb.ref('excluded.email') })),
          ),
    ],
    [
      'an upsert with a value',
      (from) =>
        from
          .insertInto('users')
          .values(ADA)
          .onConflict((oc) => oc.column('id').doUpdateSet({ email: 'x' })),
    ],
    [
      'a conflict on it',
      (from) =>
        from
          .insertInto('users')
          .values(ADA)
          .onConflict((oc) => oc.column('email').doNothing()),
    ],
    ['a delete by it', (from) => from.deleteFrom('users').where('email', 'like', 'x%')],
  ])('refuses %s', (_, query) => {
    expect(() => query(db).compile()).toThrow(expect.objectContaining(refused))
    expect(() => query(plain).compile()).not.toThrow() // the query itself is sound
  })

  it('names the search token in its hint', () => {
    expect(() => db.selectFrom('users').select('id').where('email', '=', 'x').compile()).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("kw.index('users.email').tokens(value)") }),
    )
  })

  it.each<[string, (from: Db) => { compile(): unknown }]>([
    ['a token that is given', (from) => from.insertInto('users').values({ ...ADA, email_token: 'x' })],
    [
      'a token that is set',
      (from) => from.updateTable('users').set({ email_token: 'x' }).where('id', '=', 1),
    ],
  ])('refuses %s', (_, query) => {
    expect(() => query(db).compile()).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT_INVALID',
        message: expect.stringContaining('filled by the plugin'),
      }),
    )
  })

  it.each<[string, (from: Db) => { compile(): unknown }]>([
    ['equal', (from) => from.selectFrom('users').select('id').where('email_token', '=', 'ada@example.com')],
    [
      'in a list',
      (from) => from.deleteFrom('users').where('users.email_token', 'in', ['kwi1.x', 'ada@example.com']),
    ],
  ])('sends no plain value to be compared with tokens: %s', (_, query) => {
    expect(() => query(db).compile()).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT_INVALID',
        message: expect.not.stringContaining('ada'),
        hint: expect.stringContaining('kw.index'),
      }),
    )
  })

  it.each(['007', ' 7', '7.0', '1e3', '0x7', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'])(
    'refuses the row id %s, which the database would write in another way',
    (id) => {
      expect(() =>
        db
          .insertInto('users')
          .values({ ...ADA, id: id as never })
          .compile(),
      ).toThrow(
        expect.objectContaining({
          code: 'ERR_CONTEXT_INVALID',
          hint: expect.stringContaining("rowForm: 'text'"),
        }),
      )
    },
  )

  it('does not open what was moved to another row or column, naming the column', async () => {
    await db
      .insertInto('users')
      .values([ADA, { ...ADA, id: 2, email: 'eve' }])
      .execute()
    const read = () => db.selectFrom('users').select(['id', 'email']).orderBy('id').execute()
    const [first] = await plain.selectFrom('users').select('email').orderBy('id').execute()
    await plain
      .updateTable('users')
      .set({ email: first?.email ?? '' })
      .where('id', '=', 2)
      .execute()
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
      message: 'column "users.email": decryption failed',
    })
    await plain.updateTable('users').set({ email: sql<string>`income` }).execute()
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_KEYRING_MISMATCH',
      details: { column: 'users.email' },
    })
    await plain.updateTable('users').set({ email: 'plain' }).execute()
    await expect(read()).rejects.toMatchObject({ code: 'ERR_NOT_CIPHERTEXT' })
  })

  it('tells what to load before it writes', async () => {
    kw = world.open()
    expect(() => db.insertInto('users').values(ADA).compile()).toThrow(
      expect.objectContaining({
        code: 'ERR_KEY_NOT_LOADED',
        hint: expect.stringContaining("kw.ready(['pii']"),
      }),
    )
  })

  it('hands only ciphertext to the log', async () => {
    const { parameters } = db.insertInto('users').values(ADA).compile()
    expect(JSON.stringify(parameters)).not.toContain('example')
  })
}

async function create(db: Db, statements: readonly string[]): Promise<void> {
  for (const text of statements) await (sql.raw(text) as RawBuilder<unknown>).execute(db)
}

describe('SQLite', () => {
  const plain: Db = new Kysely({ dialect: new SqliteDialect({ database: sqliteForKysely() as never }) })
  const db = plain.withPlugin(plugin)
  beforeAll(() =>
    create(plain, [...DDL, 'CREATE TABLE logins (id integer primary key, user_id integer, ip text)']),
  )
  suite(() => ({ db, plain }))

  it('streams', async () => {
    await db.insertInto('users').values(ADA).execute()
    const seen: string[] = []
    for await (const { email } of db.selectFrom('users').select(['id', 'email']).stream()) seen.push(email)
    expect(seen).toEqual([ADA.email])
  })

  it('works behind CamelCasePlugin', async () => {
    const camel = encryptionPlugin(() => kw, {
      tables: { logins: { row: 'user_id', columns: { ip: 'pii' } } },
      resultName: (name) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    })
    const renamed = new Kysely<{ logins: { userId: number; ip: string } }>({
      dialect: new SqliteDialect({ database: sqliteForKysely() as never }),
      plugins: [new CamelCasePlugin(), camel],
    })
    await renamed.schema
      .createTable('logins')
      .addColumn('userId', 'integer')
      .addColumn('ip', 'text')
      .execute()
    await renamed.insertInto('logins').values({ userId: 1, ip: '::1' }).execute()
    expect(await renamed.selectFrom('logins').selectAll().execute()).toEqual([{ userId: 1, ip: '::1' }])
  })

  it('refuses names that only another spelling keeps from being encrypted', () => {
    const insert = (table: string, column: string) => () =>
      db
        .insertInto(table as 'users')
        .values({ id: 1, [column]: 'x' } as never)
        .compile()
    const update = () =>
      db
        .updateTable('users')
        .set({ Email: 'x' } as never)
        .where('id', '=', 1)
        .compile()
    for (const query of [
      insert('Users', 'email'),
      insert('users', 'e_mail'),
      insert('users', 'emailToken'),
      update,
    ]) {
      expect(query).toThrow(
        expect.objectContaining({
          code: 'ERR_ARGUMENT_INVALID',
          hint: expect.stringContaining('CamelCasePlugin'),
        }),
      )
    }
  })

  it.each([
    [{ users: { columns: { email: 'pii' }, tokens: { t: { of: 'phone' } } } }],
    [{ users: { row: 'email', columns: { email: 'pii' } } }],
  ])('refuses a table that makes no sense: %j', (tables) => {
    expect(() => encryptionPlugin(() => kw, { tables: tables as never })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID', message: expect.stringContaining('"users"') }),
    )
  })
})

describe.skipIf(skip)('PostgreSQL', () => {
  const database = postgresDatabase()
  let plain: Db
  let db: Db
  beforeAll(async () => {
    plain = new Kysely({ dialect: new PostgresDialect({ pool: await database.pool() }) })
    db = plain.withPlugin(plugin)
    await create(plain, [...DDL, 'CREATE TABLE logins (id serial primary key, user_id integer, ip text)'])
  })
  suite(() => ({ db, plain }))

  it('writes and reads in a common table expression that writes', async () => {
    const made = await db
      .with('made', (qb) => qb.insertInto('users').values(ADA).returning(['id', 'email']))
      .selectFrom('made')
      .selectAll()
      .execute()
    expect(made).toEqual([{ id: 1, email: ADA.email }])
  })

  it('refuses MERGE', () => {
    const merge = db
      .mergeInto('users')
      .using('archive', 'archive.id', 'users.id')
      .whenMatched()
      .thenUpdateSet({ email: 'x' })
    expect(() => merge.compile()).toThrow(
      expect.objectContaining({ message: expect.stringContaining('MERGE') }),
    )
  })
})
