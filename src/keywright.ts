/** Keywright as applications see it: keyrings, fields, records, search tokens, and the management of keys. */
import { lazyAuditLog } from './audit/lazy-log.ts'
import type { AuditTrail } from './audit/log.ts'
import type { PruneResult } from './audit/retention.ts'
import type { AuditSink } from './audit/sink.ts'
import type { AuditReport } from './audit/verify.ts'
import { systemClock } from './clock.ts'
import { keyIdOf, parseCiphertext } from './crypto/ciphertext.ts'
import { Backups } from './data/backups/backups.ts'
import type { FieldType, FieldTypes } from './data/codecs.ts'
import { createField, type Field, type FieldOptions } from './data/field.ts'
import { Files } from './data/files/files.ts'
import {
  createMigratingField,
  type MigratingField,
  type MigratingFieldOptions,
} from './data/foreign/migrating-field.ts'
import type { ForeignOptions } from './data/foreign/readers.ts'
import {
  type ContextOption,
  type DecryptOptions,
  type Encryptable,
  KeyringCipher,
} from './data/keyring-cipher.ts'
import type { ExportOptions, ImportOptions } from './data/keyset.ts'
import { type PlainRecord, RecordCodec, type RecordOptions } from './data/records.ts'
import { BlindIndex } from './data/search/blind-index.ts'
import { Jobs } from './jobs/jobs.ts'
import type { Health } from './keys/health.ts'
import { Keyrings } from './keys/keyrings.ts'
import { KeyManager, type TenantOption } from './keys/manager.ts'
import { ProviderCalls, type ProviderCounters } from './keys/provider-calls.ts'
import { noLoadedKeyring } from './keys/refusals.ts'
import type { KeyServices } from './keys/services.ts'
import type { KeyInfo } from './keys/views.ts'
import { type IndexOptions, indexOptions } from './keywright/declared-index.ts'
import type { KeywrightParts } from './keywright/parts.ts'
import { keyringFor, type PolicyRequest } from './policy/evaluate.ts'
import type { Explanation } from './policy/explain.ts'
import type { PolicyPlan } from './policy/plan.ts'
import { type Policy, wrappingProviders } from './policy/policy.ts'
import { defaultPolicy, withoutOptions } from './policy/resolve.ts'
import { selectKeyType } from './policy/selectors.ts'
import type { KeyProvider } from './provider.ts'

const BLIND_INDEX = 'blind_index'

/** Key type, tenant and context of one value. */
export interface EncryptOptions extends TenantOption, ContextOption {}

export class Keywright implements AsyncDisposable {
  readonly policy: Policy
  /** Rotation, revocation, listing and the rest of the life of keys. */
  readonly keys: KeyManager
  /** Moves between providers, repair, drills; re-encryption, census, migration. */
  readonly jobs: Jobs
  /** Files, streams and folders. */
  readonly files: Files
  /** Backups of folders, databases and dumps. */
  readonly backups: Backups
  /** The audit log: append events of your own, list records. */
  readonly audit: AuditTrail
  readonly #services: KeyServices
  readonly #rings: Keyrings
  readonly #sink: AuditSink | undefined
  readonly #actor: string
  readonly #foreign: ForeignOptions | undefined
  #closing: Promise<void> | undefined

  /** Throws ERR_PROVIDER_UNKNOWN when the policy names a provider that is not among the parts. */
  constructor(parts: KeywrightParts) {
    const providers = Array.isArray(parts.provider) ? parts.provider : [parts.provider as KeyProvider]
    const clock = parts.clock ?? systemClock
    const calls = new ProviderCalls({
      providers,
      timeoutMs: parts.providerTimeoutMs,
      resilience: parts.resilience,
      now: () => clock.now(),
    })
    this.policy = withoutOptions(parts.policy ?? defaultPolicy({ provider: calls.names[0] ?? '' }))
    for (const keyType of Object.values(this.policy.keyTypes))
      for (const name of wrappingProviders(keyType)) calls.get(name)
    this.#actor = parts.actor ?? ''
    this.#foreign = parts.foreign
    this.#sink = parts.audit
    const actor = parts.actor === undefined ? {} : { actor: parts.actor }
    this.audit = lazyAuditLog(parts.audit && { sink: parts.audit, clock, ...actor })
    this.#services = { store: parts.store, calls, audit: this.audit, policy: this.policy, clock }
    this.#rings = new Keyrings(this.#services)
    this.keys = new KeyManager(this.#services, this.#rings, parts.places)
    this.jobs = new Jobs(this.#services, this.#rings, parts.places, parts.foreign)
    this.files = new Files(this.#services, this.#rings)
    this.backups = new Backups(this.#services, this.#rings)
  }

  /** The keyring of a key type (and tenant), ready to encrypt. Makes its first key where there is none. */
  async keyring(keyType: string, options: TenantOption = {}): Promise<KeyringCipher> {
    return new KeyringCipher(this.#rings, this.#rings.get(this.#name(keyType, options))).ready()
  }

  /**
   * Loads keyrings so that the synchronous forms work: those of the key types named, else every keyring in use
   * here. With `all`, keys that only decrypt are opened too.
   */
  async ready(
    keyTypes?: readonly string[],
    options: TenantOption & { readonly all?: boolean } = {},
  ): Promise<this> {
    const { all = false, ...tenant } = options
    const rings =
      keyTypes?.map((keyType) => this.#rings.get(this.#name(keyType, tenant))) ?? this.#rings.loaded
    for (const ring of rings) await this.#rings.ready(ring, all)
    return this
  }

  /** Encrypts one value under a key type. Resolves to `kw1.…`. */
  async encrypt(keyType: string, value: Encryptable, options: EncryptOptions = {}): Promise<string> {
    return this.#cipher(keyType, options).encrypt(value, options)
  }

  /** The same without waiting. Throws ERR_KEY_NOT_LOADED before `ready([keyType])`. */
  encryptSync(keyType: string, value: Encryptable, options: EncryptOptions = {}): string {
    return this.#cipher(keyType, options).encryptSync(value, options)
  }

  /**
   * Decrypts one value; the key id in it tells the keyring. Name the key type where the value comes from outside:
   * then one of another key type is refused.
   */
  async decrypt<K extends FieldType = 'string'>(
    value: string | Uint8Array,
    options: DecryptOptions<K> & TenantOption & { readonly keyType?: string } = {},
  ): Promise<FieldTypes[K]> {
    if (options.keyType !== undefined) return this.#cipher(options.keyType, options).decrypt(value, options)
    const ring = await this.#rings.withKey(keyIdOf(parseCiphertext(value)))
    return new KeyringCipher(this.#rings, ring).decrypt(value, options)
  }

  /** The same without waiting, among the keyrings that are loaded. */
  decryptSync<K extends FieldType = 'string'>(
    value: string | Uint8Array,
    options: DecryptOptions<K> & TenantOption & { readonly keyType?: string } = {},
  ): FieldTypes[K] {
    if (options.keyType !== undefined)
      return this.#cipher(options.keyType, options).decryptSync(value, options)
    const id = keyIdOf(parseCiphertext(value))
    const ring = this.#rings.withKeySync(id)
    if (ring === undefined) throw noLoadedKeyring(id)
    return new KeyringCipher(this.#rings, ring).decryptSync(value, options)
  }

  /**
   * A field: a column bound to its key type, its type and its context. `of` is a key type, or 'table.column', whose
   * key type the policy's selectors tell. Throws ERR_FIELD_UNMATCHED, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID.
   */
  field<K extends FieldType = 'string'>(
    of: string,
    options: FieldOptions<K> & TenantOption = {},
  ): Field<FieldTypes[K]> {
    const dot = of.indexOf('.')
    if (dot < 0) return createField(this.#rings, this.#name(of, options), options)
    const place = { table: of.slice(0, dot), column: of.slice(dot + 1) }
    const { keyring } = keyringFor(this.policy, { field: of, ...tenantOf(options) })
    return createField(this.#rings, keyring, { ...place, ...options })
  }

  /** A field that, while the migration window of its key type is open, reads what was there before as well. */
  migratingField<K extends FieldType = 'string'>(
    of: string,
    options: MigratingFieldOptions<K> = {},
  ): MigratingField<FieldTypes[K]> {
    return createMigratingField(this.#services, this.#rings, this.#foreign, of, options)
  }

  /** A codec for records of one kind. Keep it: it remembers which fields are encrypted how. */
  records(options: RecordOptions = {}): RecordCodec {
    return new RecordCodec(this.#rings, options, (path, keyType) =>
      this.#keyringOfField(path, keyType, options),
    )
  }

  /** One record, with the fields that the policy (or `fields`) names encrypted. */
  encryptRecord<R extends PlainRecord>(record: R, options: RecordOptions = {}): Promise<R> {
    return this.records(options).encrypt(record)
  }

  /** The reverse. */
  decryptRecord<R extends PlainRecord>(record: R, options: RecordOptions = {}): Promise<R> {
    return this.records(options).decrypt(record)
  }

  /** Search tokens of one field, made under keys of their own; with `column` as that column of tokens is declared. */
  index(field: string, options: IndexOptions & TenantOption = {}): BlindIndex {
    const made = indexOptions(this.jobs.places, field, options)
    return new BlindIndex(this.#rings, this.#name(BLIND_INDEX, options), made.field, made.options)
  }

  /** The search token of one value: equal values of a field give equal tokens. */
  hash(field: string, value: string, options: IndexOptions & TenantOption = {}): Promise<string> {
    return this.index(field, options).token(value)
  }

  /** What the policy says to a request, and why, with the key that would serve it. */
  async explain(request: PolicyRequest): Promise<Explanation> {
    return (await import('./keys/policy-questions.ts')).explainRequest(this.#services, request)
  }

  /** What `after` would change, and for how many keys. */
  async plan(after: Policy): Promise<PolicyPlan> {
    return (await import('./keys/policy-questions.ts')).planChange(this.#services, after)
  }

  /** How well provider, store, policy and keyrings stand. Never rejects. */
  async check(): Promise<Health> {
    const { checkHealth } = await import('./keys/health.ts')
    return checkHealth(this.#services, this.#rings)
  }

  /** Calls made of each provider so far. */
  counters(): Readonly<Record<string, ProviderCounters>> {
    const { calls } = this.#services
    return Object.fromEntries(calls.names.map((name) => [name, calls.counters(name)]))
  }

  /** A keyring as a Tink keyset, encrypted under a provider or, if told so, in clear. */
  async exportKeyset(keyType: string, options: ExportOptions & TenantOption): Promise<Buffer> {
    const { exportKeyset } = await import('./data/keyset.ts')
    return exportKeyset(this.#services, this.#name(keyType, options), options)
  }

  /** Takes a Tink keyset over as a new keyring; key ids stay. */
  async importKeyset(
    keyType: string,
    keyset: Uint8Array,
    options: ImportOptions & TenantOption = {},
  ): Promise<KeyInfo[]> {
    const { importKeyset } = await import('./data/keyset.ts')
    const keyring = this.#name(keyType, options)
    await importKeyset(this.#services, keyring, keyset, options)
    await this.#rings.reload(keyring)
    return this.keys.list({ keyring })
  }

  /** Whether the audit log is whole, and where it is not. Checks the checkpoint's signature too. */
  async verifyAudit(): Promise<AuditReport> {
    const { verifyAuditLog } = await import('./data/audit-upkeep.ts')
    return verifyAuditLog(this.#rings, this.#sink)
  }

  /** Drops audit records older than the policy keeps them; a signed checkpoint takes their place. */
  async pruneAudit(reason: string, before?: number): Promise<PruneResult> {
    const { pruneAuditLog } = await import('./data/audit-upkeep.ts')
    const { clock, policy } = this.#services
    const oldest = before ?? clock.now() - policy.audit.retentionMs
    return pruneAuditLog(this.#rings, this.#sink, { before: oldest, reason, actor: this.#actor, clock })
  }

  /** Gives leases back, then closes store, providers and audit log. Twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await this.#rings.close()
    await this.audit.close()
    await this.#services.store.close?.()
    await this.#services.calls.close()
  }

  #name(keyType: string, options: TenantOption): string {
    return keyringFor(this.policy, { keyType, ...tenantOf(options) }).keyring
  }

  #cipher(keyType: string, options: TenantOption): KeyringCipher {
    return new KeyringCipher(this.#rings, this.#rings.get(this.#name(keyType, options)))
  }

  #keyringOfField(path: string, keyType: string | undefined, options: TenantOption): string | undefined {
    const type = keyType ?? selectKeyType(this.policy, path)?.keyType
    return type === undefined ? undefined : this.#name(type, options)
  }
}

const tenantOf = (options: TenantOption): TenantOption =>
  options.tenant === undefined ? {} : { tenant: options.tenant }
