/** The SQLite store under several processes, and under one that is killed. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import openSqliteStore from '../../stores/sqlite.ts'
import { testFolders } from './support/folder.ts'
import { copyOpenFile, type Outcome, runChild, startChild } from './support/processes.ts'
import { recordOf, wrapOf } from './support/records.ts'

const folder = testFolders()
/** Eight processes that write without a pause on a busy machine may keep one from it for a while. */
const busyTimeoutMs = 20_000
const WORKERS = [1, 2, 3, 4, 5, 6, 7, 8]

const together = (run: (worker: number) => Promise<Outcome>): Promise<Outcome[]> =>
  Promise.all(WORKERS.map(run))

describe('sqlite store: several processes', () => {
  it('make one store and one winner of each version', async () => {
    const path = join(folder(), 'keys.db')
    const outcomes = await together((worker) =>
      runChild('insert', { path, create: true, busyTimeoutMs }, [worker, 5]),
    )
    expect(outcomes.filter(({ code }) => code !== undefined)).toEqual([])
    expect(outcomes.flatMap(({ answer }) => answer as number[]).sort()).toEqual([1, 2, 3, 4, 5])
    const store = await openSqliteStore({ path })
    const { records } = await store.list({ keyring: 'race' })
    expect(records.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5])
    await store.close?.()
  })

  it.each(['addUsage', 'addUsageSync'])('%s sums exactly and keeps to the limit', async (command) => {
    const path = join(folder(), 'keys.db')
    const store = await openSqliteStore({ path, create: true })
    await store.insert(recordOf())
    const outcomes = await together(() => runChild(command, { path, busyTimeoutMs }, [1, 25, 500]))
    expect(outcomes.filter(({ code }) => code !== undefined)).toEqual([])
    expect(outcomes.reduce((sum, { answer }) => sum + Number(answer), 0)).toBe(500)
    expect((await store.get(1))?.usage).toEqual({ messages: 500, bytes: WORKERS.length * 25 * 5 })
    await store.close?.()
  })

  it('keep every confirmed write of one that is killed', async () => {
    const path = join(folder(), 'keys.db')
    const child = startChild('insertForEver', { path, create: true })
    let text = ''
    child.stdout?.setEncoding('utf8')
    for await (const chunk of child.stdout ?? []) {
      text += chunk
      if (text.split('\n').length > 12) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const confirmed = text.split('\n').slice(0, -1).map(Number)
    const store = await openSqliteStore({ path })
    const { records } = await store.list()
    expect(confirmed.length).toBeGreaterThan(10)
    expect(records.slice(0, confirmed.length)).toEqual(
      confirmed.map((id) => recordOf({ id, version: id, statusReason: 'updated', revision: 2 })),
    )
    expect(records.length - confirmed.length).toBeLessThanOrEqual(20)
    await store.close?.()
  })

  it('leave no wrap of a destroyed key in the files', async () => {
    const path = join(folder(), 'keys.db')
    const store = await openSqliteStore({ path, create: true })
    const secret = Buffer.from('wrapped bytes that must not stay anywhere '.repeat(300)) // pages of its own
    const wraps = [{ ...wrapOf('file', 1), ciphertext: secret }]
    for (let id = 1; id <= 30; id++)
      await store.insert(recordOf({ id, version: id, wraps: [wrapOf('x', id)] }))
    await store.insert(recordOf({ id: 99, version: 99, wraps }))
    const mark = secret.toString('base64').slice(8000, 8032)
    const places = (): string[] =>
      ['', '-wal'].filter((suffix) => {
        copyOpenFile(path + suffix, `${path}.copy`)
        return readFileSync(`${path}.copy`).includes(mark)
      })
    expect(places()).toEqual(['-wal'])
    await store.update(recordOf({ id: 99, version: 99, status: 'destroyed', wraps: [], revision: 2 }))
    expect(places()).toEqual([])
    await store.close?.()
  })
})
