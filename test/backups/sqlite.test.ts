/** SQLite databases: a backup of one that is being written is whole and of one moment. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { restoreBackup } from '../../src/data/backups/reader.ts'
import { Keywright } from '../../src/keywright.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { expectCode } from '../kit/failures.ts'
import { TestProvider } from '../kit/provider.ts'
import { Lab } from './kit.ts'

let lab: Lab
const children: ChildProcess[] = []
beforeEach(() => {
  lab = new Lab()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await lab.end()
})

/** Two tables that one transaction always changes together: their sums are equal at any moment. */
function newDatabase(mode: 'wal' | 'delete', rows = 30_000): string {
  const path = lab.path('app.db')
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode=${mode};
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, amount INTEGER, filler BLOB);
    CREATE TABLE totals (amount INTEGER, entries INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      INSERT INTO ledger SELECT i, i % 7, randomblob(150) FROM n;
    INSERT INTO totals SELECT sum(amount), count(*) FROM ledger;`)
  database.close()
  return path
}

/** Writes as fast as it can, in a process of its own, until it is killed. */
async function startWriter(path: string): Promise<ChildProcess> {
  const script = `const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(process.argv[1], { timeout: 10000 })
    const insert = database.prepare('INSERT INTO ledger (amount, filler) VALUES (3, randomblob(150))')
    const update = database.prepare('UPDATE ledger SET filler = randomblob(150) WHERE id = ?')
    const add = database.prepare('UPDATE totals SET amount = amount + 3, entries = entries + 1')
    for (let n = 1; ; n++) {
      database.exec('BEGIN IMMEDIATE'); insert.run(); update.run(n % 20000); add.run(); database.exec('COMMIT')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      if (n === 20) process.stdout.write('writing')
    }`
  const child = spawn(process.execPath, ['--no-warnings', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.push(child)
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

function inspect(path: string): { integrity: unknown; entries: number; isConsistent: boolean } {
  const database = new DatabaseSync(path)
  try {
    const row = (sql: string) => database.prepare(sql).get() as Record<string, number>
    const ledger = row('SELECT sum(amount) AS amount, count(*) AS entries FROM ledger')
    const totals = row('SELECT amount, entries FROM totals')
    return {
      integrity: row('PRAGMA integrity_check')['integrity_check'],
      entries: Number(ledger['entries']),
      isConsistent: ledger['amount'] === totals['amount'] && ledger['entries'] === totals['entries'],
    }
  } finally {
    database.close()
  }
}

const create = (sqlite: string, more = {}) =>
  lab.keywright.backups.create({ to: lab.backups, name: 'db', source: { sqlite }, ...more })

it.each(['wal', 'delete'] as const)('written all the time, journal mode %s', async (mode) => {
  const path = newDatabase(mode)
  const writer = await startWriter(path)
  const made = [await create(path), await create(path, { compression: 'zstd' })]
  expect(writer.exitCode).toBe(null)
  let before = 30_000
  for (const [n, { path: from }] of made.entries()) {
    const to = lab.path(`restored-${n}.db`)
    await lab.keywright.backups.restore({ from, to })
    const found = inspect(to)
    expect(found).toMatchObject({ integrity: 'ok', isConsistent: true })
    expect(found.entries).toBeGreaterThan(before)
    before = found.entries
  }
  expect((await readdir(lab.folder)).filter((name) => name.includes('.part-'))).toEqual([])
})

it('keeps the mode, and the source is as it was', async () => {
  const path = newDatabase('wal', 100)
  await chmod(path, 0o640)
  const before = readFileSync(path)
  const { path: from } = await create(path)
  expect(readFileSync(path).equals(before)).toBe(true)
  await lab.keywright.backups.restore({ from, to: lab.path('restored.db') })
  expect((await stat(lab.path('restored.db'))).mode & 0o777).toBe(0o640)
  expect(inspect(lab.path('restored.db')).entries).toBe(100)
})

describe('the copy in clear', () => {
  it('is made where it is told, private, and does not stay', async () => {
    const path = newDatabase('wal', 20_000)
    const scratch = lab.path('scratch')
    await mkdir(scratch)
    const seen: number[] = []
    await create(path, {
      source: { sqlite: path, scratch },
      onProgress: async () => {
        for (const name of await readdir(scratch, { recursive: true }))
          if (name.endsWith('copy.db')) seen.push((await stat(join(scratch, name, '..'))).mode & 0o777)
      },
    })
    expect(new Set(seen)).toEqual(new Set([0o700]))
    expect(await readdir(scratch)).toEqual([])
  })
})

describe('what cannot be backed up', () => {
  it.each([
    ['what is not there', undefined, 'ERR_FILE_MISSING'],
    ['what is no database', 'just some text, long enough to be looked at', 'ERR_FILE_DAMAGED'],
  ] as const)('%s', async (_, content, code) => {
    const path = lab.path('x.db')
    if (content !== undefined) await writeFile(path, content)
    await expectCode(create(path), code)
    expect(existsSync(path)).toBe(content !== undefined)
    expect(await lab.entries()).toEqual([])
  })

  it('a folder', async () => {
    await expectCode(create(lab.folder), 'ERR_ARGUMENT_INVALID')
  })

  it('a database that is broken inside', async () => {
    const path = newDatabase('delete', 5_000)
    const bytes = readFileSync(path)
    bytes.fill(0xab, 4096 * 20, 4096 * 40)
    await writeFile(path, bytes)
    await expectCode(create(path), 'ERR_FILE_DAMAGED')
    expect(await lab.entries()).toEqual([])
    expect((await readdir(lab.folder)).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('stopped', async () => {
    const stopped = AbortSignal.abort()
    await expectCode(create(newDatabase('wal', 1000), { signal: stopped }), 'ERR_ABORTED')
    expect((await readdir(lab.folder)).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

it('is not restored beside the log of a database that is in use', async () => {
  const path = newDatabase('wal', 100)
  const { path: from } = await create(path)
  const inUse = new DatabaseSync(path)
  inUse.exec('INSERT INTO totals VALUES (1, 1)')
  const { hint } = await expectCode(
    lab.keywright.backups.restore({ from, to: path, force: true }),
    'ERR_FILE_EXISTS',
  )
  expect(hint).toContain('stop what uses it')
  inUse.close()
  await lab.keywright.backups.restore({ from, to: path, force: true })
  expect(inspect(path)).toMatchObject({ entries: 100, isConsistent: true, integrity: 'ok' })
})

it('the key store itself: its backup opens with the provider alone, and what it encrypted opens again', async () => {
  const path = lab.path('keys.db')
  const open = async (create = false): Promise<Keywright> =>
    new Keywright({
      provider: new TestProvider('memory', lab.provider).client(), // closing it leaves the master key
      store: await openSqliteStore({ path, create }),
      policy: defaultPolicy({ provider: 'memory' }),
    })
  const first = await open(true)
  const value = await first.encrypt('pii', 'ada')
  const files = await lab.tree('tree', { file: 'in the tree' })
  const to = lab.backups
  const keys = await first.backups.create({ to, name: 'keys', source: { sqlite: path } })
  const tree = await first.backups.create({ to, name: 'tree', source: { folder: files } })
  await first.close()
  const { rm } = await import('node:fs/promises')
  for (const name of await readdir(dirname(path))) if (name.startsWith('keys.db')) await rm(lab.path(name))

  await restoreBackup({ provider: lab.provider, from: tree.path, to: lab.path('tree-again') })
  expect(readFileSync(lab.path('tree-again/file'), 'utf8')).toBe('in the tree')
  await restoreBackup({ provider: lab.provider, from: keys.path, to: path })
  const again = await open()
  expect(await again.decrypt(value)).toBe('ada')
  expect(await again.backups.verify({ from: keys.path })).toMatchObject({ name: 'keys' })
  expect(await again.backups.verify({ from: tree.path })).toMatchObject({ name: 'tree' })
  await again.close()
})
