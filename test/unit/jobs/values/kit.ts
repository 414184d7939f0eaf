/** An application with a table of encrypted people, and the keys to it; processes come and go. */
import type { AuditSink } from '../../../../src/index.ts'
import type { ColumnBinding, DataPlace, RowsPlace } from '../../../../src/jobs/places.ts'
import { Keywright } from '../../../../src/keywright.ts'
import type { Policy } from '../../../../src/policy/policy.ts'
import type { KeyStore } from '../../../../src/store.ts'
import memoryStore from '../../../../stores/memory.ts'
import { FakeClock, type ProcessClock } from '../../../kit/clock.ts'
import { TestProvider } from '../../../kit/provider.ts'
import { Table } from '../../../kit/rows.ts'
import { policyWith } from '../../../kit/world.ts'

/** Values bound to their row, as `field('people.email')` binds them. */
export const EMAIL: Readonly<Record<string, ColumnBinding>> = { email: { keyType: 'pii', row: 'id' } }

export interface AppOptions {
  readonly columns?: Readonly<Record<string, ColumnBinding>>
  readonly policy?: Policy
  readonly store?: KeyStore
  /** Whether the table keeps checkpoints in its transactions. @default true */
  readonly transactions?: boolean
  readonly places?: readonly DataPlace[]
  readonly audit?: AuditSink
}

export class App {
  readonly clock = new FakeClock()
  readonly table = new Table()
  readonly store: KeyStore
  readonly place: RowsPlace
  readonly provider = new TestProvider()
  readonly #options: AppOptions
  readonly #running = new Map<Keywright, ProcessClock>()

  constructor(options: AppOptions = {}) {
    const { columns = EMAIL, store = memoryStore(), transactions = true } = options
    this.#options = options
    this.store = store
    this.place = {
      kind: 'rows',
      name: 'people',
      columns,
      open: async () => this.table.source('people', { transactions }),
    }
  }

  /** A process. */
  open(): Keywright {
    const clock = this.clock.forProcess()
    const { audit, places = [this.place], policy = policyWith() } = this.#options
    const store = { ...bound(this.store), close: async () => undefined }
    const provider = this.provider.client()
    const keywright = new Keywright({ provider, store, policy, clock, places, ...(audit && { audit }) })
    this.#running.set(keywright, clock)
    return keywright
  }

  /** Stores `count` people, keys of their rows '0001' and so on, e-mails encrypted by `keywright`. */
  async fill(keywright: Keywright, count: number): Promise<void> {
    const field = await keywright.field('people.email').ready()
    for (let number = 1; number <= count; number++) {
      const id = idOf(number)
      this.table.set(id, { id, email: field.encryptSync(emailOf(id), { row: id }) })
    }
  }

  async end(): Promise<void> {
    for (const [keywright, clock] of this.#running) {
      await keywright.close()
      clock.kill()
    }
    this.#running.clear()
  }
}

/** The members of a store as an object that may be spread. */
function bound(store: KeyStore): KeyStore {
  const { describe, get, list, insert, update, addUsage, addUsageSync, documents } = store
  const own = {
    describe: describe.bind(store),
    get: get.bind(store),
    list: list.bind(store),
    insert: insert.bind(store),
    update: update.bind(store),
    addUsage: addUsage.bind(store),
    ...(addUsageSync === undefined ? {} : { addUsageSync: addUsageSync.bind(store) }),
    ...(documents === undefined ? {} : { documents }),
  }
  return own
}

export const idOf = (number: number): string => String(number).padStart(4, '0')
export const emailOf = (id: string): string => `person-${id}@example.com`

/** The ids of the keys under which the column's values are, with how many there are of each. */
export function keysIn(table: Table, column = 'email'): Map<number, number> {
  const counts = new Map<number, number>()
  for (const row of table.rows.values()) {
    const text = row[column]
    if (typeof text !== 'string' || !text.startsWith('kw1.')) continue
    const id = Buffer.from(text.slice(4), 'base64url').readUInt32BE(1)
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}
