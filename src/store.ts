/**
 * The contract between core and where key records live, and all that a store may import from core.
 * A store never sees a plaintext key. Every write is a compare-and-set.
 */
import type { AuditSink } from './audit/sink.ts'
import type { WrappedKey } from './provider.ts'

export type { AuditHead, AuditLine, AuditSink, AuditWriter } from './audit/sink.ts'
export { KeywrightError } from './errors.ts'
export type { WrappedKey } from './provider.ts'

/** What is stored of a key beside its dates. The state people see follows from this and the clock (keys/states.ts). */
export type KeyStatus = 'enabled' | 'suspended' | 'compromised' | 'destroyed'

/** The state of a key as people see it, after NIST SP 800-57 part 1 section 7. */
export type KeyState = 'pending' | 'active' | 'deactivated' | 'suspended' | 'compromised' | 'destroyed'

/** What the key is for and how it is used. */
export type KeyAlgorithm = 'AES-256-GCM' | 'X-AES-256-GCM' | 'HMAC-SHA-256'

/** Messages and bytes encrypted under a key. Leased in blocks, so they are upper bounds of what was really used. */
export interface KeyUsage {
  readonly messages: number
  readonly bytes: number
}

export interface KeyRecord {
  /** Random uint32, unique in the store, never 0. Stands in every ciphertext. */
  readonly id: number
  /** Key type, or key type and tenant: 'pii', 'pii/tenant-42'. */
  readonly keyring: string
  /** 1, 2, 3 … within the keyring, unique there. */
  readonly version: number
  readonly algorithm: KeyAlgorithm
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** From then on this version encrypts; the date decides, nobody has to write anything. */
  readonly activatesAt: number
  readonly status: KeyStatus
  /** When `status` last changed, milliseconds since the epoch. */
  readonly statusAt: number
  /** Why, in the words of whoever changed it. Empty for none. */
  readonly statusReason: string
  /** Any of them opens the key; the first is preferred. Empty when destroyed. */
  readonly wraps: readonly WrappedKey[]
  /** SHA-256 commitment to the key: a second provider's unwrap is compared with it. 32 bytes. */
  readonly commitment: Uint8Array
  /** HMAC under a key derived from the data key over the immutable members. 32 bytes. */
  readonly mac: Uint8Array
  readonly usage: KeyUsage
  /** 1 when inserted, then plus 1 with every `update`. `addUsage` does not change it. */
  readonly revision: number
}

export interface ListQuery {
  /** Only this keyring, exactly. */
  readonly keyring?: string
  /** `next` of the page before. */
  readonly after?: string
  /** At most so many records. @default 500 */
  readonly limit?: number
}

/** Records ordered by keyring (UTF-8 byte order), then version. */
export interface KeyRecordPage {
  readonly records: readonly KeyRecord[]
  /** Cursor of the next page; absent on the last one. */
  readonly next?: string
}

/** The answer to `addUsage`. */
export interface UsageGrant {
  readonly granted: number
  readonly usage: KeyUsage
}

export type InsertResult = 'inserted' | 'id-taken' | 'version-taken'

export interface StoreDescription {
  /** Random id made with the store; copies of a store share it. */
  readonly installation: string
  /** Where it is, without credentials, for people. */
  readonly location: string
  readonly schemaVersion: number
  /** What a person should know: wide file modes, a missing persistence. One sentence each. */
  readonly warnings: readonly string[]
}

/** A small named text beside the records: the checkpoint of a job, a lease. Never a secret. */
export interface StoredDocument {
  /** `[a-z0-9][a-z0-9:._/-]{0,199}` */
  readonly name: string
  /** At most 1 MiB of UTF-8. */
  readonly text: string
  /** 1 when it is written first, then plus 1 with every `write`. */
  readonly revision: number
}

/** Documents of a store. Every write is a compare-and-set, durable when it resolves. */
export interface DocumentStore {
  read(name: string): Promise<StoredDocument | undefined>
  /** Writes when the stored revision is `revision - 1` (0: there is none). False when somebody else was first. */
  write(document: StoredDocument): Promise<boolean>
  /** Removes it when the stored revision is `revision`. */
  remove(name: string, revision: number): Promise<boolean>
  /** Those whose name begins with `prefix`, by name. */
  list(prefix: string): Promise<readonly StoredDocument[]>
}

/** Where key records live. At most six required members. */
export interface KeyStore {
  describe(): Promise<StoreDescription>
  get(id: number): Promise<KeyRecord | undefined>
  list(query?: ListQuery): Promise<KeyRecordPage>
  /**
   * Adds a record atomically, durable when it resolves. 'id-taken' when the id exists; 'version-taken' when the
   * keyring has that version already: somebody else was first, read again.
   */
  insert(record: KeyRecord): Promise<InsertResult>
  /**
   * Replaces the record with the same id if its stored revision is `record.revision - 1`, durable when it resolves.
   * Members that never change (id, keyring, version, algorithm, createdAt, commitment, mac) and `usage` are not
   * written. False when somebody else changed it first, or when it is not there.
   */
  update(record: KeyRecord): Promise<boolean>
  /**
   * Adds to the usage of a key atomically. Messages are granted up to `limit` in total; bytes always. Negative
   * messages give a lease back; the total never falls below 0. `limit` may be Infinity.
   * Resolves to what was granted and the new totals; `undefined` when there is no such record.
   */
  addUsage(id: number, add: KeyUsage, limit: number): Promise<UsageGrant | undefined>
  /** The same without waiting, for stores that can: the synchronous forms then never run out of a lease. */
  addUsageSync?(id: number, add: KeyUsage, limit: number): UsageGrant | undefined
  /** Calls `changed` when another process may have changed a record. A hint that is never relied on. */
  watch?(changed: (keyring: string | undefined) => void): () => void
  /** Documents beside the records, for stores that keep jobs resumable. */
  readonly documents?: DocumentStore
  /** An audit sink in the same place, for stores that have one. Closed by itself, not with the store. */
  auditSink?(): AuditSink
  /** Twice is harmless. */
  close?(): Promise<void>
}
