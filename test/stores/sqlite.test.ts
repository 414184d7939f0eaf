import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { SQL } from '../../stores/sqlite/schema.ts'
import openSqliteStore, { type SqliteStoreOptions } from '../../stores/sqlite.ts'
import { runStoreConformance } from '../conformance/store.ts'
import { testFolders } from './support/folder.ts'
import { recordOf } from './support/records.ts'

const folder = testFolders()
const opened: KeyStore[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close?.()
})

const open = async (options: SqliteStoreOptions): Promise<KeyStore> => {
  const store = await openSqliteStore(options)
  opened.push(store)
  return store
}
const create = (path = join(folder(), 'keys.db')): Promise<KeyStore> => open({ path, create: true })
const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })

let last = ''
runStoreConformance('sqlite', {
  open: () => {
    last = join(folder(), 'keys.db')
    return openSqliteStore({ path: last, create: true })
  },
  reopen: () => openSqliteStore({ path: last }),
})

describe('sqlite store: creating', () => {
  it('makes a missing folder and the file for this user only', async () => {
    const path = join(folder(), 'a', 'b', 'keys.db')
    const store = await create(path)
    await store.insert(recordOf())
    expect(statSync(join(path, '../..')).mode & 0o777).toBe(0o700)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(path, '..')).sort()).toEqual(['keys.db', 'keys.db-shm', 'keys.db-wal'])
    expect((await store.describe()).warnings).toEqual([])
  })

  it('opens what is there instead of making it anew', async () => {
    const path = join(folder(), 'keys.db')
    const first = await create(path)
    await first.insert(recordOf())
    const again = await create(path)
    expect(await again.get(1)).toEqual(recordOf())
    expect((await again.describe()).installation).toBe((await first.describe()).installation)
  })

  it('makes one store when many start together', async () => {
    const path = join(folder(), 'keys.db')
    const stores = await Promise.all(Array.from({ length: 8 }, () => create(path)))
    const descriptions = await Promise.all(stores.map((store) => store.describe()))
    expect(new Set(descriptions.map(({ installation }) => installation)).size).toBe(1)
    expect(readdirSync(join(path, '..')).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('does not play the log of a lost store into a new one', async () => {
    const path = join(folder(), 'keys.db')
    const store = await create(path)
    await store.insert(recordOf())
    renameSync(path, `${path}.moved`)
    await expect(openSqliteStore({ path, create: true })).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
    expect(readdirSync(join(path, '..'))).not.toContain('keys.db')
    renameSync(`${path}.moved`, path)
    expect(await store.get(1)).toEqual(recordOf())
  })

  it('leaves a symbolic link to nothing alone', async () => {
    const path = join(folder(), 'keys.db')
    symlinkSync(join(path, '../nowhere'), path)
    await expect(openSqliteStore({ path, create: true })).rejects.toEqual(failure('ERR_STORE_UNREADABLE'))
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
    expect(readdirSync(join(path, '..'))).toEqual(['keys.db'])
  })

  it('keeps the file while relative paths change their meaning', async () => {
    const path = join(folder(), 'keys.db')
    const store = await create(relative('.', path))
    expect((await store.describe()).location).toBe(`sqlite:${path}`)
  })
})

describe('sqlite store: opening', () => {
  it.each<[what: string, options: Partial<SqliteStoreOptions>]>([
    ['no path', { path: '' }],
    ['a NUL in the path', { path: 'a\0b' }],
    ['create and readOnly', { create: true, readOnly: true }],
    ['a negative wait', { busyTimeoutMs: -1 }],
    ['a wait without end', { busyTimeoutMs: Number.POSITIVE_INFINITY }],
  ])('refuses %s', async (_, options) => {
    const path = join(folder(), 'keys.db')
    await expect(openSqliteStore({ path, ...options })).rejects.toEqual(failure('ERR_ARGUMENT_INVALID'))
  })

  const contents: [what: string, code: string, make: (path: string) => void][] = [
    ['nothing', 'ERR_STORE_MISSING', () => undefined],
    ['a folder', 'ERR_STORE_UNREADABLE', (path) => mkdirSync(path)],
    ['an empty file', 'ERR_STORE_CORRUPT', (path) => writeFileSync(path, '')],
    ['one byte', 'ERR_STORE_CORRUPT', (path) => writeFileSync(path, 'x')],
    ['text', 'ERR_STORE_CORRUPT', (path) => writeFileSync(path, 'garbage '.repeat(1000))],
    ['zeros', 'ERR_STORE_CORRUPT', (path) => writeFileSync(path, new Uint8Array(8192))],
    [
      'a header and then zeros',
      'ERR_STORE_CORRUPT',
      (path) => {
        writeFileSync(path, Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8176)]))
      },
    ],
    ['a database without tables', 'ERR_STORE_FOREIGN', (path) => foreign(path, 'PRAGMA user_version = 7')],
    [
      'a database of another program',
      'ERR_STORE_FOREIGN',
      (path) => {
        foreign(path, 'CREATE TABLE users (id); PRAGMA application_id = 1196444487')
      },
    ],
    [
      'a table of an application with our name',
      'ERR_STORE_FOREIGN',
      (path) => {
        foreign(path, 'CREATE TABLE key_records (id INTEGER PRIMARY KEY); CREATE TABLE meta (name, value)')
      },
    ],
  ]
  it.each(contents)('refuses %s with %s', async (_, code, make) => {
    const path = join(folder(), 'keys.db')
    make(path)
    const before = readdirSync(join(path, '..'))
    const error = await openSqliteStore({ path }).catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure(code))
    expect((error as Error).message).toContain(path)
    expect(readdirSync(join(path, '..'))).toEqual(before)
  })

  it.each(contents.slice(1))('does not turn %s into a store', async (_, code, make) => {
    const path = join(folder(), 'keys.db')
    make(path)
    const size = statSync(path).size
    await expect(openSqliteStore({ path, create: true })).rejects.toEqual(failure(code))
    expect(statSync(path).size).toBe(size)
  })

  it('says what is wrong with a path through a file', async () => {
    const path = join(folder(), 'file')
    writeFileSync(path, '')
    const inside = join(path, 'keys.db')
    await expect(openSqliteStore({ path: inside })).rejects.toEqual(failure('ERR_STORE_MISSING'))
    const creating = openSqliteStore({ path: inside, create: true })
    await expect(creating).rejects.toEqual(failure('ERR_STORE_UNREADABLE'))
  })

  it('warns of modes that let others in', async () => {
    const path = join(folder(), 'keys.db')
    const store = await create(path)
    chmodSync(path, 0o640)
    chmodSync(join(path, '..'), 0o777)
    const { warnings } = await store.describe()
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain('0640')
    expect(warnings[1]).toContain('0777')
  })

  it('follows a symbolic link', async () => {
    const path = join(folder(), 'keys.db')
    await (await create(path)).insert(recordOf())
    const link = join(folder(), 'link.db')
    symlinkSync(path, link)
    expect(await (await open({ path: link })).get(1)).toEqual(recordOf())
  })

  it('writes nothing when it was opened read-only', async () => {
    const path = join(folder(), 'keys.db')
    await (await create(path)).insert(recordOf())
    const store = await open({ path, readOnly: true })
    expect(await store.get(1)).toEqual(recordOf())
    const refused = failure('ERR_STORE_READ_ONLY')
    await expect(store.insert(recordOf({ id: 2 }))).rejects.toEqual(refused)
    await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(refused)
    await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(refused)
    expect(() => store.addUsageSync?.(1, { messages: 1, bytes: 1 }, 9)).toThrow(refused)
    expect((await store.list()).records).toEqual([recordOf()])
  })
})

describe('sqlite store: at work', () => {
  it.each(Object.entries(SQL).filter(([name]) => name !== 'insert'))(
    '%s reads no more rows than it needs',
    async (_, sql) => {
      const path = join(folder(), 'keys.db')
      await create(path)
      const database = new DatabaseSync(path)
      const plan = database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...Array(sql.split('?').length - 1).fill(1))
      database.close()
      for (const { detail } of plan) expect(detail).toMatch(/^SEARCH (key_records|meta) USING /)
      expect(plan.length).toBeGreaterThan(0)
    },
  )

  it('waits for another writer without blocking, then goes on', async () => {
    const path = join(folder(), 'keys.db')
    const store = await create(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const waiting = store.insert(recordOf())
    expect(await store.get(1)).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 20))
    other.exec('COMMIT')
    other.close()
    expect(await waiting).toBe('inserted')
  })

  it('says that it is busy when the other writer takes too long', async () => {
    const path = join(folder(), 'keys.db')
    await create(path)
    const store = await open({ path, busyTimeoutMs: 30 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const busy = failure('ERR_STORE_BUSY')
    await expect(store.insert(recordOf())).rejects.toEqual(busy)
    expect(() => store.addUsageSync?.(1, { messages: 1, bytes: 1 }, 9)).toThrow(busy)
    other.exec('ROLLBACK')
    other.close()
    expect(await store.insert(recordOf())).toBe('inserted')
  })

  it('stops waiting when it is closed', async () => {
    const path = join(folder(), 'keys.db')
    const store = await create(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const waiting = store.insert(recordOf())
    await store.close?.()
    await expect(waiting).rejects.toEqual(failure('ERR_CLOSED'))
    other.close()
  })

  it('refuses to write into a file that lost its name', async () => {
    const path = join(folder(), 'keys.db')
    const store = await create(path)
    await store.insert(recordOf())
    renameSync(path, `${path}.old`)
    await expect(store.insert(recordOf({ id: 2, version: 2 }))).rejects.toEqual(failure('ERR_STORE_MISSING'))
    await expect(store.get(1)).rejects.toEqual(failure('ERR_STORE_MISSING'))
    writeFileSync(path, 'another file')
    await expect(store.get(1)).rejects.toEqual(failure('ERR_STORE_MISSING'))
  })
})

function foreign(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}
