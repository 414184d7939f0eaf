/** Files of the SQLite store that are older, newer, damaged or edited by hand. */

import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import {
  APPLICATION_ID,
  type Migration,
  migrate,
  SCHEMA_VERSION,
  schemaVersion,
} from '../../stores/sqlite/schema.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { cutsTextAtNul } from '../kit/node.ts'
import { testFolders } from './support/folder.ts'
import { copyOpenFile } from './support/processes.ts'
import { listAll, recordOf } from './support/records.ts'

const folder = testFolders()
const opened: { close?(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close?.()
})

const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })

async function open(path: string): Promise<KeyStore> {
  const store = await openSqliteStore({ path })
  opened.push(store)
  return store
}

/** The path of a store with `count` records, closed. */
async function storeFile(count = 3): Promise<string> {
  const path = join(folder(), 'keys.db')
  const store = await openSqliteStore({ path, create: true })
  for (let id = 1; id <= count; id++) await store.insert(recordOf({ id, version: id }))
  await store.close?.()
  return path
}

function edit(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

describe('sqlite store: schema versions', () => {
  it('brings a file of version 0 forward and keeps it', async () => {
    const path = join(folder(), 'keys.db')
    edit(path, `PRAGMA application_id = ${APPLICATION_ID}; CREATE TABLE from_before (note TEXT)`)
    const store = await open(path)
    const { installation, schemaVersion: version } = await store.describe()
    expect(version).toBe(SCHEMA_VERSION)
    await store.insert(recordOf())
    await store.close?.()
    const again = await open(path)
    expect(await again.get(1)).toEqual(recordOf())
    expect((await again.describe()).installation).toBe(installation)
  })

  it('does not bring a file forward that it may only read', async () => {
    const path = join(folder(), 'keys.db')
    edit(path, `PRAGMA application_id = ${APPLICATION_ID}; CREATE TABLE from_before (note TEXT)`)
    const before = readFileSync(path)
    await expect(openSqliteStore({ path, readOnly: true })).rejects.toEqual(failure('ERR_STORE_READ_ONLY'))
    expect(readFileSync(path)).toEqual(before)
  })

  it('refuses a newer file and leaves it as it is', async () => {
    const path = await storeFile()
    edit(path, `PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    const before = readFileSync(path)
    const error = await openSqliteStore({ path }).catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure('ERR_STORE_NEWER'))
    expect(error).toMatchObject({ details: { version: SCHEMA_VERSION + 1, supported: SCHEMA_VERSION } })
    expect(readFileSync(path)).toEqual(before)
  })

  it('takes each step once, in order, and none of a step that fails', () => {
    const database = new DatabaseSync(join(folder(), 'steps.db'))
    opened.push(database)
    const step =
      (name: string): Migration =>
      (db) =>
        db.exec(`CREATE TABLE ${name} (x)`)
    const failing: Migration = (db) => {
      step('c')(db)
      throw new Error('failed on purpose')
    }
    expect(() => migrate(database, [step('a'), step('b'), failing])).toThrow('failed on purpose')
    const tables = (): unknown[] =>
      database
        .prepare('SELECT name FROM sqlite_schema ORDER BY name')
        .all()
        .map((row) => row['name'])
    expect([schemaVersion(database), tables()]).toEqual([2, ['a', 'b']])
    migrate(database, [step('a'), step('b'), step('c')])
    migrate(database, [step('a'), step('b'), step('c')])
    expect([schemaVersion(database), tables()]).toEqual([3, ['a', 'b', 'c']])
  })
})

describe('sqlite store: damaged files', () => {
  it.each([1, 100, 511, 512, 1000, 4096, 5000, 8192])('refuses one cut off after %i bytes', async (bytes) => {
    const path = await storeFile(60)
    truncateSync(path, bytes)
    const error = await openSqliteStore({ path }).catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure('ERR_STORE_CORRUPT'))
    expect((error as Error).message).toContain(path)
  })

  it.each([
    ['without its records', 'DROP TABLE key_records'],
    ['without a column', 'ALTER TABLE key_records DROP COLUMN status_reason'],
    ['without its meta table', 'DROP TABLE meta'],
    ['without its installation id', 'DELETE FROM meta'],
    ['with a strange installation id', "UPDATE meta SET value = 'x'"],
    ['that pretends to be older', 'PRAGMA user_version = 0'],
    ['with a negative version', 'PRAGMA user_version = -1'],
  ])('refuses one %s', async (_, sql) => {
    const path = await storeFile()
    edit(path, sql)
    await expect(openSqliteStore({ path })).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
  })

  it('has an error with a code for a wrong byte anywhere', async () => {
    const path = await storeFile(40)
    const sound = readFileSync(path)
    const copy = join(folder(), 'copy.db')
    const expected = /^ERR_STORE_(CORRUPT|FOREIGN|NEWER|FAILED)$/
    for (let place = 0; place < sound.length; place += 97) {
      const bytes = Buffer.from(sound)
      bytes[place] = ~(bytes[place] ?? 0)
      writeFileSync(copy, bytes)
      try {
        const store = await openSqliteStore({ path: copy })
        try {
          for (const record of (await listAll(store)).records) await store.get(record.id)
        } finally {
          await store.close?.()
        }
      } catch (error) {
        expect(error, `byte ${place}: ${String(error)}`).toMatchObject({
          code: expect.stringMatching(expected),
        })
      }
    }
  })
})

/** Edits that only a hand or a damaged disk makes, and the member that gives them away. */
const DAMAGES: readonly (readonly [sql: string, member: string])[] = [
  ["wraps = ''", 'wraps'],
  ["wraps = '{}'", 'wraps'],
  ["wraps = '[1]'", 'wraps'],
  ["wraps = '[null]'", 'wraps'],
  [`wraps = '[{"provider":"file","masterKeyId":"a","masterKeyVersion":"1","algorithm":"x"}]'`, 'wraps'],
  ['wraps = replace(wraps, \'ciphertext":"\', \'ciphertext":"!\')', 'wraps'],
  ['wraps = replace(wraps, \'"provider":"file"\', \'"provider":7\')', 'wraps'],
  ['wraps = replace(wraps, \'"algorithm"\', \'"algorhythm"\')', 'wraps'],
  ["algorithm = 'ROT13'", 'algorithm'],
  ["status = 'active'", 'status'],
  ["status_reason = 'a' || char(0)", 'statusReason'],
  ['created_at = 9007199254740993', 'createdAt'],
  ['created_at = -1', 'createdAt'],
  ['activates_at = 9223372036854775807', 'activatesAt'],
  ['status_at = -9223372036854775807', 'statusAt'],
  ['commitment = zeroblob(31)', 'commitment'],
  ["mac = x''", 'mac'],
  ['messages = -5', 'usage'],
  ['bytes = 9007199254740993', 'usage'],
  ['revision = 0', 'revision'],
  ['version = 0', 'version'],
  ["keyring = ''", 'keyring'],
]

describe('sqlite store: damaged rows', () => {
  it.for(DAMAGES)('names the key whose row says %s', async ([sql, member], { skip }) => {
    if (cutsTextAtNul && sql.includes('char(0)')) skip(cutsTextAtNul)
    const path = await storeFile()
    edit(path, `PRAGMA ignore_check_constraints = ON; UPDATE key_records SET ${sql} WHERE id = 2`)
    const store = await open(path)
    const error = await store.get(2).catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure('ERR_STORE_CORRUPT'))
    expect(error).toMatchObject({ details: { keyId: 2, member } })
    expect((error as Error).message).toContain('key 2 ')
    await expect(store.addUsage(2, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(
      failure('ERR_STORE_CORRUPT'),
    )
    expect(await store.get(1)).toEqual(recordOf())
    expect((await store.get(3))?.version).toBe(3)
  })

  it('names a key in a table that lost its types', async () => {
    const path = await storeFile()
    edit(
      path,
      `
      CREATE TABLE loose AS SELECT * FROM key_records;
      DROP TABLE key_records;
      ALTER TABLE loose RENAME TO key_records;
      UPDATE key_records SET commitment = 'text', created_at = 1.5 WHERE id = 2;
    `,
    )
    const store = await open(path)
    await expect(store.get(2)).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT', details: { keyId: 2 } })
    await expect(store.list()).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT', details: { keyId: 2 } })
  })

  it('does not page on through records out of order', async () => {
    const path = await storeFile()
    edit(
      path,
      `
      CREATE TABLE loose AS SELECT * FROM key_records UNION ALL SELECT * FROM key_records;
      DROP TABLE key_records;
      ALTER TABLE loose RENAME TO key_records;
    `,
    )
    const store = await open(path)
    await expect(store.list()).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
    await expect(store.list({ keyring: 'pii' })).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
  })

  it('writes ahead again after another program changed the journal', async () => {
    const path = await storeFile()
    edit(path, 'PRAGMA journal_mode = DELETE')
    const store = await open(path)
    await store.insert(recordOf({ id: 50, version: 50 }))
    expect(existsSync(`${path}-wal`)).toBe(true)
  })

  it('reads a copy that was made with the log', async () => {
    const path = await storeFile()
    const store = await open(path)
    await store.insert(recordOf({ id: 50, version: 50 }))
    const copy = join(folder(), 'copy.db')
    for (const suffix of ['', '-wal']) copyOpenFile(path + suffix, copy + suffix)
    expect((await (await open(copy)).list()).records).toHaveLength(4)
  })
})
