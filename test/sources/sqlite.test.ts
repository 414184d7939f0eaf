/** The SQLite source on real files: the contract, keys of any type, hostile names, other writers, killed processes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import sqliteSource, { type SqliteSourceOptions } from '../../sources/sqlite.ts'
import type { Source } from '../../src/source.ts'
import { readAll } from '../../src/testing/conformance/source-kit.ts'
import { runSourceConformance } from '../../src/testing/conformance/source-suite.ts'

let folder = ''
let files = 0
const opened: Source[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keywright-source-'))
})
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close?.()
})
afterAll(() => rm(folder, { recursive: true }))

/** A new file in which `sql` was run. */
function newFile(sql: string): { path: string; database: DatabaseSync } {
  const path = join(folder, `${++files}.db`)
  const database = new DatabaseSync(path)
  database.exec(sql)
  return { path, database }
}

function open(path: string, options: Partial<SqliteSourceOptions> = {}): Source {
  const source = sqliteSource({ name: 'rows', path, table: 'users', ...options })
  opened.push(source)
  return source
}

const failure = (code: string, words = '') =>
  expect.objectContaining({ code, hint: expect.stringContaining(words) })

const keysOf = async (source: Source, columns: string[] = ['c'], limit = 2) =>
  (await readAll(source, { columns, limit })).map(({ key, values }) => [key, ...values])

describe.each(['delete', 'wal'])('in journal mode %s', (mode) => {
  runSourceConformance(
    `sqlite ${mode}`,
    {
      open: async () => {
        const { database, path } = newFile(
          `PRAGMA journal_mode = ${mode};
           CREATE TABLE users (id INTEGER PRIMARY KEY, text TEXT COLLATE NOCASE, bytes BLOB)`,
        )
        const put = database.prepare('INSERT OR REPLACE INTO users (id, text, bytes) VALUES (?, ?, ?)')
        const options = { name: 'users', path, table: 'users' }
        return {
          source: sqliteSource(options),
          reopen: async () => sqliteSource(options),
          put: async (rows) => {
            database.exec('BEGIN')
            for (const { bytes = null, id, text } of rows) put.run(Number(id), text, bytes)
            database.exec('COMMIT')
          },
          remove: async (ids) => {
            for (const id of ids) database.prepare('DELETE FROM users WHERE id = ?').run(Number(id))
          },
          columns: { id: 'id', text: 'text', bytes: 'bytes' },
          close: async () => database.close(),
        }
      },
    },
    { runner: { afterEach, describe, it } },
  )
})

describe('sqlite source', () => {
  it('tells the kinds of its columns', async () => {
    const { path } = newFile(
      `CREATE TABLE users (id INTEGER PRIMARY KEY, a VARCHAR(50), b BLOB, c, d NUMERIC, e TEXT AS (a || 'x'), f CLOB)`,
    )
    const { columns, location, rows } = await open(path).describe()
    expect(columns).toEqual([
      { name: 'id', kind: 'other', type: 'INTEGER' },
      { name: 'a', kind: 'text', type: 'VARCHAR(50)' },
      { name: 'b', kind: 'bytes', type: 'BLOB' },
      { name: 'c', kind: 'text', type: '' },
      { name: 'd', kind: 'other', type: 'NUMERIC' },
      { name: 'e', kind: 'other', type: 'TEXT (generated)' },
      { name: 'f', kind: 'text', type: 'CLOB' },
    ])
    expect([location, rows]).toEqual([`sqlite:${path} table users`, 0])
  })

  it.each<[what: string, columns: string, ids: readonly (string | number | bigint | Uint8Array)[]]>([
    [
      'integers to the ends of 64 bits',
      'id INTEGER PRIMARY KEY)',
      [-(2n ** 63n), -5n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n],
    ],
    ['text', 'id TEXT PRIMARY KEY)', ['', '10', '9', "a'b", 'é', '\u{1F511}']],
    ['text whatever its case', 'id TEXT COLLATE NOCASE PRIMARY KEY)', ['10', 'Ab', 'aC', 'b']],
    [
      'bytes',
      'id BLOB PRIMARY KEY)',
      [Uint8Array.of(), Uint8Array.of(0), Uint8Array.of(0, 1), Uint8Array.of(255)],
    ],
    ['any type in one column', 'id PRIMARY KEY)', [1n, 1.5, 2n, '1', 'x', Uint8Array.of(1)]],
    ['text without rowid', 'id TEXT PRIMARY KEY) WITHOUT ROWID', ['a', 'b', 'c']],
  ])('pages in order by %s', async (_, columns, ids) => {
    const { database, path } = newFile(`CREATE TABLE users (c TEXT, ${columns}`)
    for (const [at, id] of ids.entries()) {
      database.prepare('INSERT INTO users (id, c) VALUES (?, ?)').run(id, `c${at}`)
    }
    const source = open(path)
    const rows = await readAll(source, { columns: ['c'], limit: 1 })
    expect(rows.map(({ values }) => values[0])).toEqual(ids.map((_id, at) => `c${at}`))
    const keys = rows.map(({ key }) => key)
    expect((await source.read({ columns: ['c'], keys })).rows).toEqual(rows)
    const writes = rows.map(({ key, values }) => ({ key, from: values, to: ['new'] }))
    expect(await source.write({ columns: ['c'], rows: writes })).toEqual(ids.map(() => 'written'))
    database.close()
  })

  it('pages in order by several columns', async () => {
    const { database, path } = newFile(
      `CREATE TABLE users (tenant TEXT, id INTEGER, c TEXT, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
       INSERT INTO users VALUES ('b', 1, 'b1'), ('a', 10, 'a10'), ('a', 9, 'a9'), ('a"],', 1, 'x')`,
    )
    const rows = await keysOf(open(path), ['c'], 1)
    expect(rows.map(([, value]) => value)).toEqual(['a9', 'a10', 'x', 'b1'])
    database.close()
  })

  it('gives other types as the text they have in JavaScript', async () => {
    const { database, path } = newFile(
      `CREATE TABLE users (id INTEGER PRIMARY KEY, n INTEGER, r REAL, c);
       INSERT INTO users VALUES (1, 9007199254740993, 1.0, 5), (2, -7, 0.1, NULL), (3, NULL, 1e21, x'00ff')`,
    )
    const { rows } = await open(path).read({ columns: ['id', 'n', 'r', 'c'], limit: 9 })
    expect(rows.map(({ values }) => values)).toEqual([
      ['1', '9007199254740993', '1', '5'],
      ['2', '-7', '0.1', null],
      ['3', null, String(1e21), Uint8Array.of(0, 255)],
    ])
    database.close()
  })

  it('writes over a number in a column without a type', async () => {
    const { database, path } = newFile(
      'CREATE TABLE users (id INTEGER PRIMARY KEY, c); INSERT INTO users VALUES (1, 123456789)',
    )
    const source = open(path)
    const rows = [{ key: '1', from: ['123456789'], to: ['kw1.x'] }]
    expect(await source.write({ columns: ['c'], rows })).toEqual(['written'])
    expect(database.prepare('SELECT c FROM users').get()).toMatchObject({ c: 'kw1.x' })
    database.close()
  })

  it('takes hostile names literally', async () => {
    const name = 'users"; drop table users; --'
    const quoted = `"${name.replaceAll('"', '""')}"`
    const { database, path } = newFile(
      `CREATE TABLE users (id INTEGER PRIMARY KEY, c0 TEXT); INSERT INTO users VALUES (1, 'x');
       CREATE TABLE ${quoted} (${quoted} TEXT PRIMARY KEY NOT NULL, c1 TEXT, c0 TEXT, "order" TEXT, n TEXT);
       INSERT INTO ${quoted} VALUES ('k', 'one', 'zero', 'o', 'n'), ('j', 'two', 'null', 'p', 'm')`,
    )
    const source = open(path, { table: quoted })
    const columns = ['c0', 'c1', 'order', 'n', name]
    expect(await keysOf(source, columns, 1)).toEqual([
      ['tj', 'null', 'two', 'p', 'm', 'j'],
      ['tk', 'zero', 'one', 'o', 'n', 'k'],
    ])
    expect(await source.split?.(2)).toEqual(['tj'])
    const rows = [{ key: 'tk', from: ['o', 'zero'], to: ['"', "'"] }]
    expect(await source.write({ columns: ['order', 'c0'], rows })).toEqual(['written'])
    await expect(open(path, { table: 'users; drop table users' }).describe()).rejects.toEqual(
      failure('ERR_SOURCE_INVALID', 'table'),
    )
    expect(database.prepare('SELECT count(*) AS n FROM users').get()).toMatchObject({ n: 1 })
    database.close()
  })

  it.each<[what: string, sql: string, options: Partial<SqliteSourceOptions>, code: string, hint: string]>([
    ['no such table', '', {}, 'ERR_SOURCE_INVALID', '"table"'],
    [
      'a view',
      'CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW users AS SELECT * FROM t',
      {},
      'ERR_SOURCE_INVALID',
      '',
    ],
    ['no primary key', 'CREATE TABLE users (id INTEGER, c TEXT)', {}, 'ERR_SOURCE_INVALID', '"key"'],
    [
      'a key that is not unique',
      'CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT)',
      { key: ['c'] },
      'ERR_SOURCE_INVALID',
      'unique',
    ],
    [
      'a key that is partly unique',
      'CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT NOT NULL); CREATE UNIQUE INDEX i ON users (c) WHERE id > 5',
      { key: ['c'] },
      'ERR_SOURCE_INVALID',
      'unique',
    ],
    [
      'rows whose key is null',
      "CREATE TABLE users (id TEXT PRIMARY KEY, c TEXT); INSERT INTO users VALUES ('a', 'x'), (NULL, 'y')",
      {},
      'ERR_SOURCE_INVALID',
      'NOT NULL',
    ],
    [
      'a unique index on a column that may be null',
      'CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT UNIQUE); INSERT INTO users VALUES (1, NULL)',
      { key: ['c'] },
      'ERR_SOURCE_INVALID',
      'NOT NULL',
    ],
  ])('refuses %s', async (_, sql, options, code, hint) => {
    const { database, path } = newFile(sql)
    const source = open(path, options)
    await expect(source.read({ columns: ['c'], limit: 10 })).rejects.toEqual(failure(code, hint))
    database.close()
  })

  it('pages by a unique index where it is told to', async () => {
    const { database, path } = newFile(
      `CREATE TABLE users (a TEXT NOT NULL, b INTEGER NOT NULL, c TEXT, UNIQUE (b, a));
       INSERT INTO users VALUES ('x', 2, '2'), ('y', 1, '1')`,
    )
    expect((await keysOf(open(path, { key: ['a', 'b'] }))).map(([, value]) => value)).toEqual(['1', '2'])
    database.close()
  })

  it('refuses to write a number, and a file that is none or is not there', async () => {
    const { database, path } = newFile('CREATE TABLE users (id INTEGER PRIMARY KEY, n INTEGER)')
    const rows = [{ key: '1', from: ['1'], to: ['x'] }]
    await expect(open(path).write({ columns: ['n'], rows })).rejects.toEqual(
      failure('ERR_COLUMN_UNSUITABLE', 'TEXT'),
    )
    const missing = join(folder, 'missing.db')
    await expect(open(missing).describe()).rejects.toEqual(failure('ERR_SOURCE_INVALID', '"path"'))
    await expect(open(missing).describe()).rejects.toEqual(failure('ERR_SOURCE_INVALID', '"path"'))
    await expect(open(import.meta.filename).describe()).rejects.toEqual(
      failure('ERR_SOURCE_INVALID', '"path"'),
    )
    database.close()
  })

  it('waits for another writer, and gives up after its time', async () => {
    const { database, path } = newFile(
      "CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO users VALUES (1, 'a')",
    )
    const rows = [{ key: '1', from: ['a'], to: ['b'] }]
    database.exec('BEGIN EXCLUSIVE')
    await expect(open(path, { busyTimeoutMs: 50 }).write({ columns: ['c'], rows })).rejects.toEqual(
      failure('ERR_SOURCE_UNAVAILABLE', 'busyTimeoutMs'),
    )
    const waiting = open(path).write({ columns: ['c'], rows })
    database.exec('COMMIT')
    expect(await waiting).toEqual(['written'])
    database.close()
  })

  it('stops waiting for another writer when it is told to', async () => {
    const { database, path } = newFile('CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT)')
    database.exec('BEGIN EXCLUSIVE')
    const stop = new AbortController()
    const waiting = open(path).write({
      columns: ['c'],
      rows: [],
      signal: stop.signal,
      checkpoint: { name: 'a', text: '' },
    })
    stop.abort()
    await expect(waiting).rejects.toEqual(failure('ERR_ABORTED'))
    database.close()
  })

  it('writes rows and checkpoint together or not at all', async () => {
    const { database, path } = newFile(
      `CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT CHECK (c <> 'bad'));
       INSERT INTO users VALUES (1, 'a'), (2, 'a')`,
    )
    const source = open(path)
    const write = (last: string) =>
      source.write({
        columns: ['c'],
        rows: [
          { key: '1', from: ['a'], to: ['b'] },
          { key: '2', from: ['a'], to: [last] },
        ],
        checkpoint: { name: 'job', text: last },
      })
    await expect(write('bad')).rejects.toEqual(failure('ERR_SOURCE_FAILED', 'nothing'))
    expect(database.prepare('SELECT c FROM users').all()).toMatchObject([{ c: 'a' }, { c: 'a' }])
    expect(await source.checkpoints?.read('job')).toBeUndefined()
    expect(await write('good')).toEqual(['written', 'written'])
    expect(await source.checkpoints?.read('job')).toBe('good')
    database.close()
  })

  it('goes on after the table was altered, and tells of a column that is gone', async () => {
    const { database, path } = newFile(
      "CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO users VALUES (1, 'a')",
    )
    const source = open(path)
    await expect(source.read({ columns: ['d'], limit: 1 })).rejects.toEqual(
      failure('ERR_SOURCE_INVALID', '"c"'),
    )
    database.exec("ALTER TABLE users ADD COLUMN d TEXT DEFAULT 'new'")
    expect((await source.read({ columns: ['c', 'd'], limit: 1 })).rows[0]?.values).toEqual(['a', 'new'])
    database.exec('ALTER TABLE users DROP COLUMN c')
    await expect(source.read({ columns: ['c'], limit: 1 })).rejects.toThrow()
    await expect(source.read({ columns: ['c'], limit: 1 })).rejects.toEqual(
      failure('ERR_SOURCE_INVALID', '"d"'),
    )
    database.close()
  })

  it('overwrites in the file what it replaces', async () => {
    const { database, path } = newFile(
      "CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO users VALUES (1, 'a plain secret')",
    )
    const rows = [{ key: '1', from: ['a plain secret'], to: ['kw1.x'] }]
    await open(path).write({ columns: ['c'], rows })
    database.close()
    const { readFile } = await import('node:fs/promises')
    expect((await readFile(path)).includes('plain secret')).toBe(false)
  })

  it.each<[what: string, options: Partial<SqliteSourceOptions>]>([
    ['a name that is none', { name: 'a b' }],
    ['no path', { path: '' }],
    ['a table of another file', { table: 'temp.users' }],
    ['no table', { table: '' }],
    ['a table with a stray quote', { table: 'a"b' }],
    ['no time', { busyTimeoutMs: 0 }],
  ])('refuses %s', (_, options) => {
    expect(() => sqliteSource({ name: 'a', path: 'x.db', table: 'users', ...options })).toThrow(
      failure('ERR_ARGUMENT_INVALID'),
    )
  })
})

it('leaves timers their turn while somebody reads page after page', async () => {
  const { path } = newFile(
    'CREATE TABLE users (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO users VALUES (1, 2)',
  )
  const source = open(path)
  await source.describe()
  let fired = false
  setImmediate(() => {
    fired = true
  })
  for (let page = 0; page < 10; page++) await source.read({ columns: ['c'], limit: 1 })
  expect(fired).toBe(true)
})
