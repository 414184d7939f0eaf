/** One process that works on a store: `node child.ts <command> <options of the store> <arguments>`, all JSON. */

import { type KeyStore, KeywrightError } from '../../../src/store.ts'
import openSqliteStore, { type SqliteStoreOptions } from '../../../stores/sqlite.ts'
import { recordOf } from './records.ts'

type Command = (store: KeyStore, ...numbers: number[]) => Promise<unknown>

const COMMANDS: Readonly<Record<string, Command>> = {
  describe: (store) => store.describe(),
  /** Everybody inserts (keyring 'race', 1) … (keyring 'race', versions), with ids of its own. */
  async insert(store, worker = 0, versions = 1) {
    const won: number[] = []
    for (let version = 1; version <= versions; version++) {
      const record = recordOf({ id: worker * 1000 + version, keyring: 'race', version })
      if ((await store.insert(record)) === 'inserted') won.push(version)
    }
    return won
  },
  async addUsage(store, id = 1, times = 1, limit = 0) {
    let granted = 0
    for (let time = 0; time < times; time++) {
      granted += (await store.addUsage(id, { messages: 3, bytes: 5 }, limit))?.granted ?? 0
    }
    return granted
  },
  async addUsageSync(store, id = 1, times = 1, limit = 0) {
    let granted = 0
    for (let time = 0; time < times; time++) {
      granted += addAtOnce(store, id, limit)
    }
    return granted
  },
  /** Says each id as soon as its record is durable, until it is killed. */
  async insertForEver(store) {
    for (let id = 1; ; id++) {
      await store.insert(recordOf({ id, version: id }))
      await store.update(recordOf({ id, version: id, statusReason: 'updated', revision: 2 }))
      process.stdout.write(`${id}\n`)
    }
  },
  async read(store) {
    return (await store.list()).records.map(({ id }) => id)
  },
  /** What each kind of call answers where nothing can be written. */
  async readAndWrite(store) {
    const codes = await Promise.allSettled([
      store.insert(recordOf({ id: 99, version: 99 })),
      store.update(recordOf({ id: 1, revision: 2 })),
      store.addUsage(1, { messages: 1, bytes: 1 }, 10),
    ])
    return [
      (await store.get(1))?.id,
      (await store.list()).records.length,
      ...codes.map((result) => (result.status === 'rejected' ? result.reason.code : result.value)),
    ]
  },
}

/** It does not wait for long, so a busy moment of the others may have to be tried again. */
function addAtOnce(store: KeyStore, id: number, limit: number): number {
  for (;;) {
    try {
      return store.addUsageSync?.(id, { messages: 3, bytes: 5 }, limit)?.granted ?? 0
    } catch (error) {
      if (!(error instanceof KeywrightError) || error.code !== 'ERR_STORE_BUSY') throw error
    }
  }
}

const [name = '', options = '{}', ...numbers] = process.argv.slice(2)
const command = COMMANDS[name]
try {
  const store = await openSqliteStore(JSON.parse(options) as SqliteStoreOptions)
  const answer = await command?.(store, ...numbers.map(Number))
  await store.close?.()
  process.stdout.write(`${JSON.stringify({ answer })}\n`)
} catch (error) {
  process.stdout.write(
    `${JSON.stringify({ code: (error as { code?: string }).code, text: String(error) })}\n`,
  )
}
