/** Two or three providers, one store with documents, and processes whose policy wraps new keys under either. */
import { expect, vi } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import type { DocumentStore, KeyRecord, KeyStore } from '../../../src/store.ts'
import memoryStore from '../../../stores/memory.ts'
import { TestProvider } from '../../kit/provider.ts'
import { MemorySink } from '../../kit/sink.ts'
import { TestStore } from '../../kit/store.ts'
import { type PolicyChanges, type ProcessOptions, policyWith, World } from '../../kit/world.ts'

/** A store whose documents are seen by its clients. */
export class DocumentedStore extends TestStore {
  /** Runs before a document is written. */
  beforeDocument: ((name: string) => Promise<void> | void) | undefined
  readonly #documents: DocumentStore | undefined

  constructor(inner: KeyStore = memoryStore()) {
    super(inner)
    this.#documents = inner.documents
  }

  override client(): KeyStore {
    const documents = this.#documents
    if (documents === undefined) return super.client()
    const watched: DocumentStore = {
      read: (name) => documents.read(name),
      write: async (document) => {
        await this.beforeDocument?.(document.name)
        return documents.write(document)
      },
      remove: (name, revision) => documents.remove(name, revision),
      list: (prefix) => documents.list(prefix),
    }
    return { ...super.client(), documents: watched }
  }
}

export const HOUR = 3_600_000

/** `file` and `vault` are the providers of the move, `aws` is one that has nothing to do with it. */
export class MoveWorld {
  readonly file = new TestProvider('file')
  readonly vault = new TestProvider('vault')
  readonly aws = new TestProvider('aws')
  readonly store: TestStore
  readonly sink = new MemorySink()
  readonly world: World
  /** Ciphertexts of everything that was ever encrypted here. */
  readonly sealed: string[] = []
  readonly #changes: PolicyChanges

  constructor(changes: PolicyChanges = {}, store: TestStore = new DocumentedStore()) {
    this.store = store
    this.#changes = changes
    const policy = policyWith(changes, 'file')
    this.world = new World({ provider: this.file, store, policy, audit: this.sink })
  }

  get clock() {
    return this.world.clock
  }

  /** A process whose policy names `provider`; it knows all three. */
  open(provider = 'file', options: ProcessOptions = {}): Keywright {
    const policy = policyWith(this.#changes, provider)
    return this.world.open({ policy, providers: [this.vault, this.aws], ...options })
  }

  /** Two keys in each of two keyrings and one of a tenant; six with search keys. */
  async fill(kw: Keywright): Promise<void> {
    for (const keyType of ['pii', 'session']) {
      this.sealed.push(await kw.encrypt(keyType, 'x'))
      await kw.keys.rotate(keyType, { force: true, now: true })
      this.sealed.push(await kw.encrypt(keyType, 'x'))
    }
    this.sealed.push(await kw.encrypt('pii', 'x', { tenant: 'acme' }))
    await kw.hash('users.email', 'x')
  }

  async records(): Promise<readonly KeyRecord[]> {
    return (await this.store.inner.list()).records
  }

  /** 'vault,file' for each key, by keyring and version. */
  async wraps(): Promise<string[]> {
    return (await this.records()).map(({ wraps }) => wraps.map(({ provider }) => provider).join())
  }

  async expectWraps(...expected: readonly string[]): Promise<void> {
    expect([...new Set(await this.wraps())].sort()).toEqual([...expected].sort())
  }

  /** Everything opens, in processes that run and in a new one. */
  async expectAllOpen(...running: readonly Keywright[]): Promise<void> {
    for (const reader of [...running, this.open()]) {
      for (const text of this.sealed) expect(await reader.decrypt(text)).toBe('x')
    }
  }

  /** Changes a record behind everybody's back. */
  async tamper(id: number, change: (record: KeyRecord) => Partial<KeyRecord>): Promise<void> {
    const record = await this.store.inner.get(id)
    if (record === undefined) throw new Error('no record')
    const changed = { ...record, ...change(record), revision: record.revision + 1 }
    expect(await this.store.inner.update(changed)).toBe(true)
  }

  /** Comes back when a job waits for its window: its lease and the wait have set their timers. */
  async waits(): Promise<void> {
    const timers = this.clock.timers
    await vi.waitUntil(() => this.clock.timers === timers + 2, { interval: 5, timeout: 10_000 })
  }

  events(prefix: string): string[] {
    return this.sink.events.filter((event) => event.startsWith(prefix))
  }

  end(): Promise<void> {
    return this.world.end()
  }
}

/** With each wrap of `provider` spoilt. */
export const spoilt =
  (provider: string) =>
  ({ wraps }: KeyRecord): Pick<KeyRecord, 'wraps'> => ({
    wraps: wraps.map((wrap) =>
      wrap.provider === provider ? { ...wrap, ciphertext: wrap.ciphertext.map((byte) => byte ^ 1) } : wrap,
    ),
  })
