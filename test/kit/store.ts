/** A real store behind a switchboard: it counts calls, can be down, lose races, and hand out changed records. */
import { KeywrightError } from '../../src/errors.ts'
import type { KeyRecord, KeyStore } from '../../src/store.ts'
import memoryStore from '../../stores/memory.ts'

export type StoreCall = 'get' | 'list' | 'insert' | 'update' | 'addUsage'

const unavailable = (): KeywrightError =>
  new KeywrightError('ERR_STORE_BUSY', 'the key store is not reachable', { hint: 'try again' })

export class TestStore {
  readonly inner: KeyStore
  down = false
  /** Single calls that fail. */
  readonly failing = new Set<StoreCall>()
  /** Without it the store can only lease asynchronously, as one behind a network. */
  leasesSync = true
  /** Runs before each call and may wait, fail or change the store: for interleavings. */
  before: ((call: StoreCall) => Promise<void> | void) | undefined
  /** What reading gives instead of what is stored. */
  reading: ((record: KeyRecord) => KeyRecord) | undefined
  counts: Record<StoreCall, number> = { get: 0, list: 0, insert: 0, update: 0, addUsage: 0 }

  constructor(inner: KeyStore = memoryStore()) {
    this.inner = inner
  }

  resetCounts(): void {
    this.counts = { get: 0, list: 0, insert: 0, update: 0, addUsage: 0 }
  }

  get reads(): number {
    return this.counts.get + this.counts.list
  }

  /** The store as one process has it; closing it leaves the others theirs. */
  client(): KeyStore {
    let closed = false
    const { inner } = this
    const check = (call: StoreCall): void => {
      if (closed) throw new KeywrightError('ERR_CLOSED', 'the store is closed', { hint: 'open it again' })
      if (this.down || this.failing.has(call)) throw unavailable()
    }
    const run = async <T>(call: StoreCall, work: () => Promise<T>): Promise<T> => {
      this.counts[call]++
      await this.before?.(call)
      check(call)
      return work()
    }
    const read = (record: KeyRecord): KeyRecord => this.reading?.(record) ?? record
    const client: KeyStore = {
      describe: () => inner.describe(),
      get: (id) =>
        run('get', async () => {
          const record = await inner.get(id)
          return record === undefined ? undefined : read(record)
        }),
      list: (query) =>
        run('list', async () => {
          const page = await inner.list(query)
          return { ...page, records: page.records.map(read) }
        }),
      insert: (record) => run('insert', () => inner.insert(record)),
      update: (record) => run('update', () => inner.update(record)),
      addUsage: (id, add, limit) => run('addUsage', () => inner.addUsage(id, add, limit)),
      async close() {
        closed = true
      },
    }
    const { addUsageSync } = inner
    if (!this.leasesSync || addUsageSync === undefined) return client
    return {
      ...client,
      addUsageSync: (id, add, limit) => {
        this.counts.addUsage++
        check('addUsage')
        return addUsageSync.call(inner, id, add, limit)
      },
    }
  }
}
