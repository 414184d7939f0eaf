/** One process that works on a PostgreSQL store: `node postgres-child.ts <command> <options as JSON> <numbers>`. */
import type { AuditWriter, KeyStore } from '../../src/store.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import postgresStore, { type PostgresStoreOptions } from '../../stores/postgres.ts'

type Command = (store: KeyStore, ...numbers: number[]) => Promise<unknown>

const HASH = 'ab'.repeat(32)

const COMMANDS: Readonly<Record<string, Command>> = {
  describe: async (store) => (await store.describe()).installation,
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
  async update(store, id = 1, times = 1) {
    let won = 0
    for (let revision = 2; revision <= times + 1; revision++) {
      if (await store.update(recordOf({ id, statusReason: `to ${revision}`, revision }))) won++
    }
    return won
  },
  /** Says each id as soon as its record is durable, until it is killed. */
  async insertForEver(store) {
    for (let id = 1; ; id++) {
      await store.insert(recordOf({ id, version: id }))
      await store.update(recordOf({ id, version: id, statusReason: 'updated', revision: 2 }))
      process.stdout.write(`${id}\n`)
    }
  },
  /** Appends `times` lines to the audit log, each with the number of the one before it. */
  async audit(store, worker = 0, times = 1) {
    const sink = store.auditSink?.()
    for (let time = 0; time < times; time++) await sink?.exclusive((writer) => appendOne(writer, worker))
    await sink?.close?.()
  },
  /** Holds the lock of the audit log and an open transaction until it is killed. */
  async holdAudit(store) {
    await store.auditSink?.().exclusive(async (writer) => {
      await appendOne(writer, 0)
      process.stdout.write('holding\n')
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    })
  },
  /** Listens and ends: neither the listener nor idle connections may keep the process. */
  async watchAndForget(store) {
    store.watch?.(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 200))
    await store.list()
    return 'left open'
  },
}

async function appendOne(writer: AuditWriter, worker: number): Promise<void> {
  const seq = (writer.head?.seq ?? 0) + 1
  await writer.append([JSON.stringify({ seq, worker, after: writer.last?.length ?? 0 })], { seq, hash: HASH })
}

const [name = '', options = '{}', ...numbers] = process.argv.slice(2)
try {
  const store = await postgresStore(JSON.parse(options) as PostgresStoreOptions)
  const answer = await COMMANDS[name]?.(store, ...numbers.map(Number))
  if (name !== 'watchAndForget') await store.close?.()
  process.stdout.write(`${JSON.stringify({ answer })}\n`)
} catch (error) {
  const { code } = error as { code?: string }
  process.stdout.write(`${JSON.stringify({ code, text: String(error) })}\n`)
}
