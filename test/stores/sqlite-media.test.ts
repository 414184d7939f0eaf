/** The SQLite store on full disks, on read-only media and without permission. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as sqlite from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Connection } from '../../stores/sqlite/connection.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { testFolders } from './support/folder.ts'
import { copyOpenFile, runChild, UNPRIVILEGED, whyNotUnprivileged } from './support/processes.ts'
import { recordOf, wrapOf } from './support/records.ts'

const folder = testFolders()
const mounts: string[] = []
afterEach(() => {
  for (const mount of mounts.splice(0)) spawnSync('umount', ['-l', mount]) // also after a failure that left it open
})

/** A file system of its own, or `undefined` for who may not mount. */
function mountTmpfs(size: string): string | undefined {
  const path = join(folder(), 'mounted')
  mkdirSync(path)
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path])
  if (status !== 0) return undefined
  mounts.push(path)
  return path
}

const CANNOT_MOUNT = 'only root may mount the file system that this needs'
const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })

describe('sqlite store: full disk', () => {
  it('rolls back what does not fit, and goes on', async () => {
    const path = join(folder(), 'keys.db')
    await (await openSqliteStore({ path, create: true })).close?.()
    const connection = await Connection.open(sqlite, { path, readOnly: false, busyTimeoutMs: 100 })
    await connection.write(({ database }) => database.exec('PRAGMA max_page_count = 8'))
    const fill = "INSERT INTO meta VALUES (?, 'x')"
    const writing = connection.write((session) => {
      session.statement(fill).run('small')
      session.statement(fill).run('big'.repeat(20_000))
    })
    await expect(writing).rejects.toEqual(failure('ERR_STORE_FULL'))
    const count = 'SELECT count(*) AS n FROM meta'
    expect(await connection.read((session) => session.statement(count).get())).toEqual({ n: 1n })
    await connection.write((session) => session.statement(fill).run('small'))
    expect(await connection.read((session) => session.statement(count).get())).toEqual({ n: 2n })
    connection.close()
  })

  it('keeps every record that it confirmed on a disk that fills up', async ({ skip }) => {
    const path = join(mountTmpfs('400k') ?? skip(CANNOT_MOUNT), 'keys.db')
    const store = await openSqliteStore({ path, create: true })
    const wraps = [{ ...wrapOf('file', 1), ciphertext: new Uint8Array(3000) }]
    const confirmed: number[] = []
    let error: unknown
    for (let id = 1; error === undefined && id < 1000; id++) {
      const result = await store
        .insert(recordOf({ id, version: id, wraps }))
        .catch((thrown: unknown) => thrown)
      if (result === 'inserted') confirmed.push(id)
      else error = result
    }
    expect(error).toEqual(failure('ERR_STORE_FULL'))
    expect((await store.list({ limit: 1000 })).records.map(({ id }) => id)).toEqual(confirmed)
    await store.close?.()
    const again = await openSqliteStore({ path })
    expect((await again.list({ limit: 1000 })).records.map(({ id }) => id)).toEqual(confirmed)
    await again.close?.()
  })

  it('leaves nothing behind when a new store does not fit', async ({ skip }) => {
    const path = join(mountTmpfs('16k') ?? skip(CANNOT_MOUNT), 'keys.db')
    await expect(openSqliteStore({ path, create: true })).rejects.toEqual(failure('ERR_STORE_FULL'))
    expect(readdirSync(join(path, '..'))).toEqual([])
  })
})

const REFUSED = [1, 1, 'ERR_STORE_READ_ONLY', 'ERR_STORE_READ_ONLY', 'ERR_STORE_READ_ONLY']

describe('sqlite store: read-only media', () => {
  it('reads, and refuses to write', async ({ skip }) => {
    const mount = mountTmpfs('1m') ?? skip(CANNOT_MOUNT)
    const path = join(mount, 'keys.db')
    const store = await openSqliteStore({ path, create: true })
    await store.insert(recordOf())
    await store.close?.()
    spawnSync('mount', ['-o', 'remount,ro', mount])
    expect(await runChild('readAndWrite', { path })).toEqual({ answer: REFUSED })
    expect(await runChild('readAndWrite', { path, readOnly: true })).toEqual({ answer: REFUSED })
    const opening = openSqliteStore({ path: join(mount, 'other.db'), create: true })
    await expect(opening).rejects.toEqual(failure('ERR_STORE_READ_ONLY'))
  })

  it('reads what a writer elsewhere changes, from the next call on', async ({ skip }) => {
    const mount = mountTmpfs('1m') ?? skip(CANNOT_MOUNT)
    const path = join(mount, 'keys.db')
    const writer = await openSqliteStore({ path, create: true })
    await writer.insert(recordOf())
    await writer.close?.()
    const view = join(folder(), 'view')
    mkdirSync(view)
    if (spawnSync('mount', ['--bind', '-o', 'ro', mount, view]).status !== 0) skip(CANNOT_MOUNT)
    mounts.unshift(view)
    const reader = await openSqliteStore({ path: join(view, 'keys.db') })
    expect((await reader.list()).records).toEqual([recordOf()])
    const again = await openSqliteStore({ path })
    await again.insert(recordOf({ id: 2, version: 2 }))
    await again.close?.()
    expect((await reader.list()).records).toHaveLength(2)
    await reader.close?.()
    const open = await openSqliteStore({ path })
    await open.insert(recordOf({ id: 3, version: 3 }))
    expect(await runChild('read', { path: join(view, 'keys.db') })).toEqual({ answer: [1, 2, 3] })
    await open.close?.()
  })

  it('reads again when the file changes in the middle', async ({ skip }) => {
    const mount = mountTmpfs('1m') ?? skip(CANNOT_MOUNT)
    const path = join(mount, 'keys.db')
    await (await openSqliteStore({ path, create: true })).close?.()
    const view = join(folder(), 'view')
    mkdirSync(view)
    if (spawnSync('mount', ['--bind', '-o', 'ro', mount, view]).status !== 0) skip(CANNOT_MOUNT)
    mounts.unshift(view)
    const options = { path: join(view, 'keys.db'), readOnly: true, busyTimeoutMs: 1000 }
    const connection = await Connection.open(sqlite, options)
    let reads = 0
    const row = await connection.read((session) => {
      reads++
      const found = session.statement("SELECT value FROM meta WHERE name = 'note'").get()
      if (reads === 1) {
        const writer = new sqlite.DatabaseSync(path)
        writer.exec("INSERT INTO meta VALUES ('note', 'written meanwhile')")
        writer.close()
      }
      return found?.['value']
    })
    expect([reads, row]).toEqual([2, 'written meanwhile'])
    connection.close()
  })
})

/** A store in a folder, both with the given modes, as a user who is not root finds it. */
async function storeWithModes(file: number, parent: number): Promise<string> {
  const path = join(folder(), 'keys.db')
  const store = await openSqliteStore({ path, create: true })
  await store.insert(recordOf())
  await store.close?.()
  if (UNPRIVILEGED.uid !== undefined) {
    chownSync(path, UNPRIVILEGED.uid, UNPRIVILEGED.gid)
    chownSync(join(path, '..'), UNPRIVILEGED.uid, UNPRIVILEGED.gid)
  }
  chmodSync(path, file)
  chmodSync(join(path, '..'), parent)
  return path
}

const UNREADABLE = expect.objectContaining({ code: 'ERR_STORE_UNREADABLE' })

const notHere = whyNotUnprivileged()

describe('sqlite store: permissions', () => {
  beforeEach(({ skip }) => {
    if (notHere !== undefined) skip(notHere)
  })

  it.each<[what: string, file: number, parent: number, outcome: unknown]>([
    ['a file that may only be read', 0o400, 0o700, { answer: REFUSED }],
    ['a folder that may only be read', 0o600, 0o500, { answer: REFUSED }],
    ['both', 0o400, 0o500, { answer: REFUSED }],
    ['a file that may not be read', 0o000, 0o700, UNREADABLE],
    ['a file that may only be written', 0o200, 0o700, UNREADABLE],
    ['a folder that may not be entered', 0o600, 0o600, UNREADABLE],
  ])('%s', async (_, file, parent, outcome) => {
    const path = await storeWithModes(file, parent)
    expect(await runChild('readAndWrite', { path }, [], UNPRIVILEGED)).toEqual(outcome)
  })

  it('cannot create in a folder that may only be read', async () => {
    const path = join(await storeWithModes(0o600, 0o500), '..', 'deep', 'other.db')
    const outcome = await runChild('describe', { path, create: true }, [], UNPRIVILEGED)
    expect(outcome).toMatchObject({ code: 'ERR_STORE_READ_ONLY' })
  })

  it('does not ignore a log that it cannot apply', async () => {
    const path = await storeWithModes(0o600, 0o700)
    const writer = await openSqliteStore({ path })
    await writer.insert(recordOf({ id: 2, version: 2 }))
    const copy = join(await storeWithModes(0o600, 0o700), '..', 'copy.db')
    for (const suffix of ['', '-wal']) {
      copyOpenFile(path + suffix, copy + suffix)
      if (UNPRIVILEGED.uid !== undefined) chownSync(copy + suffix, UNPRIVILEGED.uid, UNPRIVILEGED.gid)
    }
    await writer.close?.()
    chmodSync(join(copy, '..'), 0o500)
    const outcome = await runChild('read', { path: copy }, [], UNPRIVILEGED)
    expect(outcome.code).toMatch(/^ERR_STORE_(READ_ONLY|UNREADABLE)$/)
  })
})
