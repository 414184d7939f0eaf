/** The PostgreSQL source on a real server: the contract, catalog, keys of any type, hostile names, rights. */
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import postgresSource, { type PostgresSourceOptions } from '../../sources/postgres.ts'
import { readAll } from '../../src/testing/conformance/source-kit.ts'
import { runSourceConformance } from '../../src/testing/conformance/source-suite.ts'
import { failure, postgresSourceLab, skip } from './postgres-kit.ts'

const lab = postgresSourceLab()

const TABLE = 'CREATE TABLE users (id bigint PRIMARY KEY, c text)'

describe.skipIf(skip)('postgres', () => {
  runSourceConformance(
    'postgres',
    {
      open: async () => {
        const schema = await lab.newSchema(
          `CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
           CREATE TABLE users (id bigint PRIMARY KEY, text text COLLATE folded, bytes bytea)`,
        )
        const reopen = async () => lab.open(schema)
        return {
          source: lab.open(schema),
          reopen,
          put: async (rows) => {
            const values = [
              rows.map(({ id }) => id),
              rows.map(({ text }) => text),
              rows.map(({ bytes = null }) => (bytes === null ? null : Buffer.from(bytes))),
            ]
            await lab.sql(
              `INSERT INTO ${schema}.users SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])
               ON CONFLICT (id) DO UPDATE SET text = EXCLUDED.text, bytes = EXCLUDED.bytes`,
              values,
            )
          },
          remove: async (ids) => {
            await lab.sql(`DELETE FROM ${schema}.users WHERE id = ANY($1::bigint[])`, [ids])
          },
          columns: { id: 'id', text: 'text', bytes: 'bytes' },
        }
      },
    },
    { runner: { afterEach, describe, it } },
  )

  describe('describes', () => {
    it('kinds, types and lengths, without credentials', async () => {
      const schema = await lab.newSchema(
        `CREATE DOMAIN short AS varchar(9) NOT NULL;
         CREATE TABLE users (id serial PRIMARY KEY, a text, b varchar(50), c varchar, d char(8), e bytea, f jsonb,
           g timestamptz, h short, i text GENERATED ALWAYS AS (a) STORED, j uuid, k text[], l name, m numeric(9, 2))`,
      )
      const { columns, location } = await lab.open(schema).describe()
      expect(location).toBe(`${lab.server.endpoint} table ${schema}.users`)
      expect(
        columns?.map(({ kind, maxLength, name, type }) =>
          `${name}: ${kind} ${type} ${maxLength ?? ''}`.trim(),
        ),
      ).toEqual([
        'id: other integer',
        'a: text text',
        'b: text character varying(50) 50',
        'c: text character varying',
        'd: text character(8) 8',
        'e: bytes bytea',
        'f: other jsonb',
        'g: other timestamp with time zone',
        `h: text ${schema}.short 9`,
        'i: other text (generated)',
        'j: other uuid',
        'k: other text[]',
        'l: other name',
        'm: other numeric(9,2)',
      ])
    })

    it('other types as the text that a program has of them', async () => {
      const schema = await lab.newSchema(
        `CREATE TABLE users (id bigint PRIMARY KEY, n int, u uuid, b boolean, j jsonb);
         INSERT INTO users VALUES (9007199254740993, -7, '0E984725-C51C-4BF4-9960-E1C80E27ABA0', true, '{"a": 1}')`,
      )
      const { rows } = await lab.open(schema).read({ columns: ['id', 'n', 'u', 'b', 'j'], limit: 1 })
      expect(rows[0]?.values).toEqual([
        '9007199254740993',
        '-7',
        '0e984725-c51c-4bf4-9960-e1c80e27aba0',
        'true',
        '{"a": 1}',
      ])
    })

    it('a partitioned table as one, and a parent without its children', async () => {
      const schema = await lab.newSchema(
        `CREATE TABLE users (id int, region text, c text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
         CREATE TABLE users_eu PARTITION OF users FOR VALUES IN ('eu');
         CREATE TABLE users_us PARTITION OF users FOR VALUES IN ('us');
         INSERT INTO users VALUES (2, 'us', 'd'), (1, 'us', 'c'), (2, 'eu', 'b'), (1, 'eu', 'a');
         CREATE TABLE parents (id int PRIMARY KEY, c text); CREATE TABLE children () INHERITS (parents);
         INSERT INTO parents VALUES (1, 'p'); INSERT INTO children VALUES (1, 'c')`,
      )
      const rows = await readAll(lab.open(schema), { columns: ['c'], limit: 1 })
      expect(rows.map(({ values }) => values[0])).toEqual(['a', 'b', 'c', 'd'])
      const parent = lab.open(schema, { table: `${schema}.parents` })
      expect((await parent.read({ columns: ['c'], limit: 9 })).rows.map(({ values }) => values[0])).toEqual([
        'p',
      ])
      expect((await parent.describe()).warnings).toEqual([expect.stringContaining('inherit')])
    })
  })

  describe('keys', () => {
    it.each<[type: string, ids: readonly string[]]>([
      ['bigint', ['-9223372036854775808', '-5', '0', '9007199254740993', '9223372036854775807']],
      ['numeric', ['-1.50', '0', '10', '10.5']],
      ['text COLLATE "C"', ['', '"', "'", ',{}', '10', '9', 'NULL', '\\', 'a"b', 'é', '\u{1F511}']],
      ['text', ['a', 'A', 'b', 'B', 'é', 'z']],
      ['varchar(40)', ['1', '10', '2']],
      ['char(4)', ['ab', 'abcd', 'b']],
      ['uuid', ['00000000-0000-0000-0000-000000000001', 'f0000000-0000-0000-0000-000000000000']],
      ['bytea', ['\\x', '\\x00', '\\x0001', '\\xff']],
      [
        'timestamptz',
        ['2024-01-01 00:00:00.000001+00', '2024-01-01 00:00:00.000002+00', '2025-01-01 00:00:00+00'],
      ],
      ['double precision', ['-1e+300', '0.1', '0.30000000000000004', '1e-5']],
      ['boolean', ['false', 'true']],
    ])('of type %s page in the order of the index', async (type, ids) => {
      const schema = await lab.newSchema(`CREATE TABLE users (id ${type} PRIMARY KEY, c text)`)
      await lab.sql(
        `INSERT INTO ${schema}.users SELECT k::${type.split(' COLLATE')[0]}, k FROM unnest($1::text[]) AS k`,
        [ids],
      )
      const inOrder = (await lab.sql(`SELECT c FROM ${schema}.users ORDER BY id`)).map((row) => row['c'])
      const source = lab.open(schema)
      const rows = await readAll(source, { columns: ['c'], limit: 1 })
      expect(rows.map(({ values }) => values[0])).toEqual(inOrder)
      const found = await source.read({ columns: ['c'], keys: rows.map(({ key }) => key) })
      expect(found.rows).toHaveLength(ids.length)
      const writes = rows.map(({ key, values }) => ({ key, from: values, to: ['new'] }))
      expect(await source.write({ columns: ['c'], rows: writes })).toEqual(ids.map(() => 'written'))
      expect(await source.write({ columns: ['c'], rows: writes })).toEqual(ids.map(() => 'changed'))
      expect((await source.split?.(2))?.length).toBe(1)
    })

    it('of several columns page in order, by the index', async () => {
      const schema = await lab.newSchema(
        `CREATE TABLE users (id int, tenant text, region bytea, c text, PRIMARY KEY (tenant, region, id));
         INSERT INTO users SELECT g % 7, 't"' || g % 5, ('\\x0' || g % 3)::bytea, 'c' || g FROM generate_series(1, 105) g`,
      )
      const source = lab.open(schema)
      const rows = await readAll(source, { columns: ['c'], limit: 4 })
      const inOrder = await lab.sql(`SELECT c FROM ${schema}.users ORDER BY tenant, region, id`)
      expect(rows.map(({ values }) => values[0])).toEqual(inOrder.map((row) => row['c']))
      const positions = (await source.split?.(3)) ?? []
      const middle = await readAll(source, {
        columns: ['c'],
        limit: 9,
        after: positions[0],
        until: positions[1],
      })
      expect(middle).toHaveLength(35)
      const write = rows.slice(0, 3).map(({ key, values }) => ({ key, from: values, to: [null] }))
      await lab.sql(`DELETE FROM ${schema}.users WHERE c = $1`, [rows[1]?.values[0]])
      expect(await source.write({ columns: ['c'], rows: write })).toEqual(['written', 'gone', 'written'])
    })

    it('pages by a range of the index, whatever the size of the table', async () => {
      const schema = await lab.newSchema(
        `CREATE TABLE users (a int, b text, c text, PRIMARY KEY (a, b));
         INSERT INTO users SELECT g / 10, g::text, repeat('x', 100) FROM generate_series(1, 20000) g; ANALYZE users`,
      )
      const [plan] = await lab.sql(
        `EXPLAIN (FORMAT JSON) SELECT * FROM ONLY ${schema}.users AS t WHERE ROW(t.a, t.b) > ROW('700'::int, '7001'::text)
         ORDER BY t.a, t.b LIMIT 100`,
      )
      expect(JSON.stringify(plan)).toContain('Index Cond')
      expect(JSON.stringify(plan)).not.toMatch(/"Sort"|Seq Scan/)
    })

    it.each<[what: string, sql: string, options: Partial<PostgresSourceOptions>, hint: string]>([
      ['no such table', '', {}, '"table"'],
      [
        'a view',
        'CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW users AS SELECT * FROM t',
        {},
        'table behind it',
      ],
      ['no primary key', 'CREATE TABLE users (id int, c text)', {}, 'add a primary key'],
      [
        'no primary key, with a unique one',
        'CREATE TABLE users (id int NOT NULL UNIQUE, c text)',
        {},
        '"key": "id"',
      ],
      ['a key that may be null', 'CREATE TABLE users (id int UNIQUE, c text)', { key: ['id'] }, 'NOT NULL'],
      [
        'a key that is partly unique',
        'CREATE TABLE users (id int NOT NULL, c text); CREATE UNIQUE INDEX ON users (id) WHERE id > 5',
        { key: ['id'] },
        'unique',
      ],
      [
        'a key on an expression',
        'CREATE TABLE users (id text NOT NULL, c text); CREATE UNIQUE INDEX ON users (lower(id))',
        { key: ['id'] },
        'unique',
      ],
      [
        'part of a key',
        'CREATE TABLE users (a int, b int, c text, PRIMARY KEY (a, b))',
        { key: ['a'] },
        'unique',
      ],
    ])('refuses %s', async (_, sql, options, hint) => {
      const schema = await lab.newSchema(sql)
      const source = lab.open(schema, options)
      await expect(source.read({ columns: ['c'], limit: 1 })).rejects.toEqual(
        failure('ERR_SOURCE_INVALID', hint),
      )
    })

    it('uses a unique index that is named, in its own order', async () => {
      const schema = await lab.newSchema(
        `CREATE TABLE users (id int PRIMARY KEY, a text NOT NULL, b int NOT NULL, c text, UNIQUE (b, a));
         INSERT INTO users VALUES (1, 'x', 2, '2'), (2, 'y', 1, '1')`,
      )
      const rows = await readAll(lab.open(schema, { key: ['a', 'b'] }), { columns: ['c'], limit: 1 })
      expect(rows.map(({ values }) => values[0])).toEqual(['1', '2'])
    })

    it.each(['x', '9'.repeat(40), '1; drop table users', '', '1'.repeat(100_000)])(
      'refuses a position that is none',
      async (after) => {
        const schema = await lab.newSchema(TABLE)
        const error = await lab
          .open(schema)
          .read({ columns: ['c'], limit: 1, after })
          .catch((thrown: unknown) => thrown)
        expect(error).toEqual(failure('ERR_ARGUMENT_INVALID', 'positions'))
      },
    )
  })

  it('takes hostile names literally', async () => {
    const name = 'users"; drop table users; --'
    const quoted = `"${name.replaceAll('"', '""')}"`
    const schema = await lab.newSchema(
      `${TABLE}; CREATE TABLE ${quoted} (${quoted} text PRIMARY KEY, "t.c" text, "order" text, k0 text, n bytea);
       INSERT INTO ${quoted} VALUES ('k', 'one', 'o', 'zero', '\\x00'), ('j', NULL, '', 'null', NULL)`,
    )
    const source = lab.open(schema, { table: `${schema}.${quoted}` })
    const columns = ['order', 't.c', 'k0', 'n', name]
    expect((await source.read({ columns, limit: 9 })).rows).toEqual([
      { key: 'j', values: ['', null, 'null', null, 'j'] },
      { key: 'k', values: ['o', 'one', 'zero', Buffer.of(0), 'k'] },
    ])
    const rows = [{ key: 'k', from: [Buffer.of(0), 'o', 'zero'], to: [null, '"', "';"] }]
    const checkpoint = { name: 'job', text: 'x' }
    expect(await source.write({ columns: ['n', 'order', 'k0'], rows, checkpoint })).toEqual(['written'])
    expect(await source.checkpoints?.read('job')).toBe('x')
    expect(await source.split?.(2)).toEqual(['j'])
    const missing = lab.open(schema, { table: 'users; drop table users' })
    await expect(missing.describe()).rejects.toEqual(failure('ERR_SOURCE_INVALID', '"table"'))
    expect(await lab.sql(`SELECT count(*)::int AS n FROM ${schema}.users`)).toEqual([{ n: 0 }])
  })

  it('does not take a name that is too long for the one it is cut to', async () => {
    const long = 'u'.repeat(63)
    const schema = await lab.newSchema(`CREATE TABLE ${long} (id int PRIMARY KEY)`)
    const source = lab.open(schema, { table: `${schema}.${long}x` })
    await expect(source.describe()).rejects.toEqual(failure('ERR_SOURCE_INVALID'))
  })

  it('tells of a column in another case', async () => {
    const schema = await lab.newSchema('CREATE TABLE users (id int PRIMARY KEY, "eMail" text)')
    const reading = lab.open(schema).read({ columns: ['email'], limit: 1 })
    await expect(reading).rejects.toEqual(failure('ERR_SOURCE_INVALID', 'did you mean "eMail"?'))
  })

  describe('columns that cannot hold a value', () => {
    it.each<[what: string, column: string, to: string, code: string]>([
      ['too short', 'varchar(10)', 'kw1.canary-too-long', 'ERR_COLUMN_UNSUITABLE'],
      ['a number', 'int', '5', 'ERR_COLUMN_UNSUITABLE'],
      ['generated', "text GENERATED ALWAYS AS ('a') STORED", 'kw1.canary', 'ERR_COLUMN_UNSUITABLE'],
      ['checked', "text CHECK (c LIKE 'a%')", 'kw1.canary', 'ERR_SOURCE_FAILED'],
      ['unique', 'text UNIQUE', 'kw1.canary', 'ERR_SOURCE_FAILED'],
    ])('%s: nothing of the chunk is written', async (_, column, to, code) => {
      const schema = await lab.newSchema(
        `CREATE TABLE users (id int PRIMARY KEY, c ${column}, d text); INSERT INTO users (id, d) VALUES (1, 'a'), (2, 'a')`,
      )
      const source = lab.open(schema)
      const rows = (await source.read({ columns: ['c', 'd'], limit: 9 })).rows.map(({ key, values }) => ({
        key,
        from: values,
        to: [to, 'b'],
      }))
      const checkpoint = { name: 'job', text: 'x' }
      const error = await source
        .write({ columns: ['c', 'd'], rows, checkpoint })
        .catch((thrown: unknown) => thrown)
      expect(error).toEqual(failure(code))
      expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain('canary')
      expect(await lab.sql(`SELECT DISTINCT d FROM ${schema}.users`)).toEqual([{ d: 'a' }])
      expect(await source.checkpoints?.read('job')).toBeUndefined()
    })

    it('bytes for text and text for bytes', async () => {
      const schema = await lab.newSchema('CREATE TABLE users (id int PRIMARY KEY, c text, d bytea)')
      const source = lab.open(schema)
      const write = (column: string, to: string | Uint8Array) => () =>
        source.write({ columns: [column], rows: [{ key: '1', from: [null], to: [to] }] })
      const refused = failure('ERR_ARGUMENT_INVALID')
      await expect(write('c', Uint8Array.of(1))()).rejects.toEqual(refused)
      await expect(write('c', 'a\0b')()).rejects.toEqual(refused)
      await expect(write('d', 'kw1.x')()).rejects.toEqual(refused)
    })
  })

  it('leaves rows that a trigger keeps, and counts them as changed', async () => {
    const schema = await lab.newSchema(
      `${TABLE}; INSERT INTO users VALUES (1, 'a'), (2, 'a');
       CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id = 1 THEN RETURN NULL; END IF; RETURN NEW; END';
       CREATE TRIGGER keep BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep()`,
    )
    const rows = ['1', '2'].map((key) => ({ key, from: ['a'], to: ['b'] }))
    expect(await lab.open(schema).write({ columns: ['c'], rows })).toEqual(['changed', 'written'])
  })

  it('needs no more than the rights that the guide grants', async () => {
    const schema = await lab.newSchema(`CREATE TABLE users (id int PRIMARY KEY, c text, secret text, d text);
      INSERT INTO users VALUES (1, 'a', 's', 'd')`)
    const admin = new pg.Client({ connectionString: lab.server.adminUrl })
    await admin.connect()
    lab.keep({ close: () => admin.end() })
    const role = `job_${schema}`
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA ${schema} TO ${role};
      GRANT SELECT (id, c), UPDATE (c) ON ${schema}.users TO ${role}`)
    const url = new URL(lab.url)
    url.username = role
    url.password = 'pw'
    const source = lab.open(schema, { url: url.href })
    expect((await source.describe()).rows).toBe(1)
    const write = (column: string, from: string) => () =>
      source.write({ columns: [column], rows: [{ key: '1', from: [from], to: ['b'] }] })
    expect(await write('c', 'a')()).toEqual(['written'])
    await expect(write('d', 'd')()).rejects.toEqual(failure('ERR_SOURCE_DENIED', 'UPDATE'))
    const hidden = source.read({ columns: ['secret'], limit: 1 })
    await expect(hidden).rejects.toEqual(failure('ERR_SOURCE_DENIED', 'SELECT'))
    const mark = () => source.write({ columns: ['c'], rows: [], checkpoint: { name: 'job', text: 'x' } })
    await expect(mark()).rejects.toEqual(
      failure('ERR_SOURCE_DENIED', `CREATE TABLE IF NOT EXISTS "${schema}"`),
    )
    const { hint } = (await mark().catch((thrown: unknown) => thrown)) as { hint: string }
    await lab.sql(/CREATE TABLE[^;]*/.exec(hint)?.[0] ?? '')
    await lab.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.keywright_checkpoints TO ${role}`)
    await mark()
    expect(await source.checkpoints?.read('job')).toBe('x')
  })

  it('makes the table of checkpoints when twelve begin at once', async () => {
    const schema = await lab.newSchema(TABLE)
    const sources = Array.from({ length: 6 }, () => lab.open(schema))
    await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        sources[at % 6]?.write({
          columns: ['c'],
          rows: [],
          checkpoint: { name: `job/${at}`, text: `${at}` },
        }),
      ),
    )
    const texts = await Promise.all(sources.map((source, at) => source.checkpoints?.read(`job/${at}`)))
    expect(texts).toEqual(['0', '1', '2', '3', '4', '5'])
    await lab.sql(`DROP TABLE ${schema}.keywright_checkpoints`)
    const again = () => sources[0]?.write({ columns: ['c'], rows: [], checkpoint: { name: 'a', text: 'b' } })
    await expect(again()).rejects.toThrow()
    await again()
    expect(await sources[0]?.checkpoints?.read('a')).toBe('b')
  })

  describe('connections', () => {
    it('works in a pool of the application, whatever its parsers, and leaves it open', async () => {
      const pool = new pg.Pool({
        connectionString: lab.url,
        max: 1,
        types: { getTypeParser: () => () => 'odd' } as never,
      })
      lab.keep({ close: () => pool.end() })
      const schema = await lab.newSchema(`${TABLE}; INSERT INTO users VALUES (1, 'a')`)
      const source = lab.open(schema, { pool })
      expect((await source.read({ columns: ['c', 'id'], limit: 1 })).rows[0]?.values).toEqual(['a', '1'])
      expect((await source.describe()).location).toContain(`${lab.server.endpoint} table`)
      await source.close?.()
      expect((await pool.query('SELECT 1')).rowCount).toBe(1)
    })

    it('works on a connection of the application', async () => {
      const client = new pg.Client({ connectionString: lab.url })
      await client.connect()
      lab.keep({ close: () => client.end() })
      const schema = await lab.newSchema(`${TABLE}; INSERT INTO users VALUES (1, 'a')`)
      const source = lab.open(schema, { client })
      const rows = [{ key: '1', from: ['a'], to: ['b'] }]
      expect(await source.write({ columns: ['c'], rows, checkpoint: { name: 'j', text: '' } })).toEqual([
        'written',
      ])
      await source.close?.()
      expect((await client.query('SELECT 1')).rowCount).toBe(1)
    })

    it('without prepared statements behind PgBouncer', async () => {
      const schema = await lab.newSchema(`${TABLE}; INSERT INTO users VALUES (1, 'a')`)
      const source = lab.open(schema, { url: `${lab.url}?pgbouncer=true`, maxConnections: 1 })
      await source.read({ columns: ['c'], limit: 1 })
      const [row] = await lab.sql(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE '%"${schema}"%' AND query LIKE 'SELECT%'`,
      )
      expect(row?.['n']).toBeGreaterThan(0)
      expect((await source.read({ columns: ['id'], limit: 1 })).rows[0]?.values).toEqual(['1'])
    })

    it('goes on after the table was altered', async () => {
      const schema = await lab.newSchema(`${TABLE}; INSERT INTO users VALUES (1, 'a')`)
      const source = lab.open(schema)
      const read = () => source.read({ columns: ['id', 'c'], limit: 1 })
      await read()
      await lab.sql(
        `ALTER TABLE ${schema}.users ALTER COLUMN c TYPE varchar(40), ALTER COLUMN id TYPE numeric`,
      )
      expect((await read()).rows[0]?.values).toEqual(['1', 'a'])
      await expect(source.read({ columns: ['d'], limit: 1 })).rejects.toEqual(
        failure('ERR_SOURCE_INVALID', '"c"'),
      )
      await lab.sql(`ALTER TABLE ${schema}.users ADD COLUMN d text DEFAULT 'new'`)
      expect((await source.read({ columns: ['d'], limit: 1 })).rows[0]?.values).toEqual(['new'])
    })
  })

  it.each<[what: string, options: Partial<PostgresSourceOptions>, code: string]>([
    ['a name that is none', { name: 'a b' }, 'ERR_ARGUMENT_INVALID'],
    ['no table', { table: '' }, 'ERR_ARGUMENT_INVALID'],
    ['a table of three parts', { table: 'a.b.c' }, 'ERR_ARGUMENT_INVALID'],
    ['a stray quote', { table: 'a"b' }, 'ERR_ARGUMENT_INVALID'],
    ['nowhere to connect', { url: undefined } as never, 'ERR_ARGUMENT_INVALID'],
    ['two places to connect', { client: {} as never }, 'ERR_ARGUMENT_INVALID'],
    ['no time', { statementTimeoutMs: 0 }, 'ERR_ARGUMENT_INVALID'],
    ['half a connection', { maxConnections: 0.5 }, 'ERR_ARGUMENT_INVALID'],
    ['no URL', { url: 'hunter2' }, 'ERR_CONFIG_INVALID'],
    ['a URL of another service', { url: 'redis://u:hunter2@h/0' }, 'ERR_CONFIG_INVALID'],
    ['a URL with a stray #', { url: 'postgres://u:hunter2#@h/db' }, 'ERR_CONFIG_INVALID'],
    [
      'a URL with a parameter that is none',
      { url: 'postgres://u:hunter2@h/db?sslmod=hunter2' },
      'ERR_CONFIG_INVALID',
    ],
    ['a URL with a bad flag', { url: 'postgres://u:hunter2@h/db?pgbouncer=hunter2' }, 'ERR_CONFIG_INVALID'],
    [
      'a certificate that is not there',
      { url: 'postgres://u:hunter2@h/db?sslrootcert=/none' },
      'ERR_CONFIG_INVALID',
    ],
    ['a server that is not there', { url: 'postgres://u:hunter2@127.0.0.1:1/db' }, 'ERR_SOURCE_UNAVAILABLE'],
    [
      'a host that is not there',
      { url: 'postgres://u:hunter2@no-host.invalid/db' },
      'ERR_SOURCE_UNAVAILABLE',
    ],
  ])('refuses %s and repeats nothing of it', async (_, options, code) => {
    const all = { name: 'users', table: 'users', url: 'postgres://u:hunter2@h/db', ...options }
    const open = async () => postgresSource(all).describe()
    const error = await open().catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure(code))
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain('hunter2')
  })

  it('refuses a wrong password', async () => {
    const url = lab.url.replace(/:[0-9a-f]+@/, ':hunter2@')
    await expect(lab.open('public', { url }).describe()).rejects.toEqual(
      failure('ERR_SOURCE_DENIED', 'password'),
    )
  })
})
