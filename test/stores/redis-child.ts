/** A process that works on a Redis store: `node redis-child.ts <command> <url> <worker>`. Answers with JSON. */
import { AuditLog } from '../../src/audit/log.ts'
import type { KeyStore } from '../../src/store.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import { openUrl } from '../../stores/redis.ts'
import { testClock } from '../unit/audit-helpers.ts'

const COMMANDS: Readonly<Record<string, (store: KeyStore, worker: number) => Promise<unknown>>> = {
  /** Everybody inserts (keyring 'race', 1) … (keyring 'race', 20), with ids of its own. */
  async insert(store, worker) {
    const won: number[] = []
    for (let version = 1; version <= 20; version++) {
      const record = recordOf({ id: worker * 1000 + version, keyring: 'race', version })
      if ((await store.insert(record)) === 'inserted') won.push(version)
    }
    return won
  },
  async addUsage(store) {
    let granted = 0
    for (let time = 0; time < 100; time++) {
      granted += (await store.addUsage(1, { messages: 3, bytes: 5 }, 500))?.granted ?? 0
    }
    return granted
  },
  async audit(store, worker) {
    const sink = store.auditSink?.()
    if (sink === undefined) return 0
    const log = new AuditLog({ sink, clock: testClock(), actor: `worker-${worker}` })
    for (let n = 1; n <= 25; n++) await log.append({ event: 'key.rotate', keyId: worker * 1000 + n })
    await log.close()
    return 25
  },
  /** Takes the lock of the audit log and never gives it back. */
  async hold(store) {
    await store.auditSink?.().exclusive(() => {
      process.stdout.write('held\n')
      return new Promise(() => undefined)
    })
  },
}

const [command = '', url = '', worker = '0'] = process.argv.slice(2)
const store = await openUrl(url)
const answer = await COMMANDS[command]?.(store, Number(worker))
await store.close?.()
process.stdout.write(`${JSON.stringify(answer)}\n`)
