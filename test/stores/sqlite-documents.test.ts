/** Documents in SQLite files, and files from before there were any. */
import { chmodSync, copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { checkDocuments } from '../../src/testing/conformance/store-documents.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import memoryStore from '../../stores/memory.ts'
import { migrate, schemaVersion } from '../../stores/sqlite/schema.ts'
import openSqliteStore, { type SqliteStoreOptions } from '../../stores/sqlite.ts'
import { testFolders } from './support/folder.ts'

const folder = testFolders()
const opened: KeyStore[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close?.()
})
const keep = <T extends KeyStore>(store: T): T => {
  opened.push(store)
  return store
}
const open = async (options: SqliteStoreOptions): Promise<KeyStore> => keep(await openSqliteStore(options))
const newPath = (): string => join(folder(), 'keys.db')

describe.each([
  ['sqlite', () => open({ path: newPath(), create: true })],
  ['memory', async () => keep(memoryStore())],
])('%s: contract of documents', (_, openNew) => {
  checkDocuments((title, run) => {
    it(title, async ({ skip }) => run(await openNew(), openNew, (reason) => skip(reason)))
  })
})

/** A closed file of schema version 1 with one record, as the version before documents left it. */
async function oldFile(): Promise<{ path: string; installation: string }> {
  const path = newPath()
  const store = await openSqliteStore({ path, create: true })
  await store.insert(recordOf())
  const { installation } = await store.describe()
  await store.close?.()
  edit(path, 'DROP TABLE documents; PRAGMA user_version = 1')
  return { path, installation }
}

function edit(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

function versionOf(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  const version = schemaVersion(database)
  database.close()
  return version
}

describe('sqlite store: files without documents', () => {
  it('are brought forward when they are opened for writing, and keep everything', async () => {
    const { path, installation } = await oldFile()
    const store = await open({ path })
    expect(await store.describe()).toMatchObject({ installation, schemaVersion: 2 })
    expect(await store.get(1)).toEqual(recordOf())
    expect(await store.documents?.write({ name: 'job', text: 'x', revision: 1 })).toBe(true)
  })

  it('still serve when they may only be read, and are left as they are', async () => {
    const { path, installation } = await oldFile()
    const before = readFileSync(path)
    const store = await open({ path, readOnly: true })
    expect(await store.describe()).toMatchObject({ installation, schemaVersion: 1 })
    expect(await store.get(1)).toEqual(recordOf())
    expect((await store.list()).records).toEqual([recordOf()])
    expect(await store.documents?.read('job')).toBeUndefined()
    expect(await store.documents?.list('')).toEqual([])
    const write = store.documents?.write({ name: 'job', text: 'x', revision: 1 })
    await expect(write).rejects.toMatchObject({ code: 'ERR_STORE_READ_ONLY' })
    await store.close?.()
    expect(readFileSync(path)).toEqual(before)
  })

  it('show their documents to a reader once a writer brought them forward', async () => {
    const { path } = await oldFile()
    const reader = await open({ path, readOnly: true })
    expect(await reader.documents?.list('')).toEqual([])
    await (await open({ path })).documents?.write({ name: 'job', text: 'x', revision: 1 })
    expect(await reader.documents?.read('job')).toEqual({ name: 'job', text: 'x', revision: 1 })
  })

  it('are brought forward by one of several that open them together', async () => {
    const { path } = await oldFile()
    const stores = await Promise.all(Array.from({ length: 6 }, () => open({ path })))
    await Promise.all(
      stores.map((one, n) => one.documents?.write({ name: `job/${n}`, text: '', revision: 1 })),
    )
    expect(await stores[0]?.documents?.list('job/')).toHaveLength(6)
  })

  it('serve from a copy whose mode forbids writing', async () => {
    const { path } = await oldFile()
    const copy = join(folder(), 'copy.db')
    copyFileSync(path, copy)
    chmodSync(copy, 0o400)
    const store = await open({ path: copy, readOnly: true })
    expect(await store.get(1)).toEqual(recordOf())
    expect(versionOf(copy)).toBe(1)
  })

  it('are refused when the table is there before its step', async () => {
    const { path } = await oldFile()
    edit(path, 'CREATE TABLE documents (x)')
    await expect(openSqliteStore({ path })).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' })
    expect(versionOf(path)).toBe(1)
  })

  it('take the same steps as new ones', async () => {
    const { path } = await oldFile()
    const database = new DatabaseSync(path)
    migrate(database)
    database.close()
    const fresh = newPath()
    await (await openSqliteStore({ path: fresh, create: true })).close?.()
    const tables = (file: string): unknown[] => {
      const read = new DatabaseSync(file, { readOnly: true })
      const rows = read.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name').all()
      read.close()
      return rows
    }
    expect(tables(path)).toEqual(tables(fresh))
  })
})

describe('sqlite store: damaged documents', () => {
  it.each([
    ["name = 'Job'", 'name'],
    ["text = 'a' || char(0) || 'b'", 'text'],
    ['revision = 9007199254740993', 'revision'],
  ])('are refused by member: %s', async (sql, member) => {
    const path = newPath()
    const store = await open({ path, create: true })
    await store.documents?.write({ name: 'job', text: 'x', revision: 1 })
    edit(path, `UPDATE documents SET ${sql}`)
    const listed = store.documents?.list('') ?? Promise.resolve()
    await expect(listed).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT', details: { member } })
  })
})

describe('installation ids', () => {
  const installation = '6f1d7c0e-3f6a-4f0e-9a53-0a2d1c9be001'

  it('are taken over by a store that is made now', async () => {
    const path = newPath()
    const store = await open({ path, create: true, installation })
    expect((await store.describe()).installation).toBe(installation)
    expect((await memoryStore({ installation }).describe()).installation).toBe(installation)
  })

  it('are left alone where a store exists', async () => {
    const path = newPath()
    const before = (await (await open({ path, create: true })).describe()).installation
    const again = await open({ path, create: true, installation })
    expect((await again.describe()).installation).toBe(before)
  })

  it.each(['', 'x', installation.toUpperCase(), `${installation}0`])(
    'are refused when they are none: "%s"',
    async (bad) => {
      const refused = { code: 'ERR_ARGUMENT_INVALID' }
      const opening = openSqliteStore({ path: newPath(), create: true, installation: bad })
      await expect(opening).rejects.toMatchObject(refused)
      expect(() => memoryStore({ installation: bad })).toThrow(expect.objectContaining(refused))
    },
  )
})
