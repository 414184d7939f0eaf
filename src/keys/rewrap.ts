/**
 * Rewrapping: the same data keys under the current version of the master key. Data and data keys stay as they are.
 * Each key is one compare-and-set, so stopping anywhere leaves every key openable, and running again goes on.
 */
import { wipe } from '../crypto/bytes.ts'
import { type ErrorCode, KeywrightError } from '../errors.ts'
import type { MasterKeyDescription } from '../provider.ts'
import type { KeyRecord, WrappedKey } from '../store.ts'
import { announced } from './announce.ts'
import { DEFAULT_CONCURRENCY, inOrder } from './in-order.ts'
import { unwrapRecord } from './opener.ts'
import { eachRecord, type KeyServices } from './services.ts'
import { rewrapVerified, wrapVerified } from './verified-wrap.ts'

/** Failures that say nothing about the next key. */
const OF_ONE_KEY: ReadonlySet<ErrorCode> = new Set([
  'ERR_UNWRAP_FAILED',
  'ERR_KEY_RECORD_TAMPERED',
  'ERR_MASTER_KEY_NOT_FOUND',
  'ERR_MASTER_KEY_DELETED',
  'ERR_KEY_FILE_FOREIGN',
])

export interface RewrapOptions {
  /** Only wraps of this provider. Default: all. */
  readonly provider?: string
  readonly keyring?: string
  /** Only count. */
  readonly dryRun?: boolean
  /** Keys at once. @default 4 */
  readonly concurrency?: number
  /** Called after each key. */
  readonly onProgress?: (progress: RewrapResult) => void
}

export interface RewrapResult {
  /** Keys looked at. */
  readonly keys: number
  /** Wraps that were renewed (or would be, in a dry run). */
  readonly rewrapped: number
  /** Wraps that were current already. */
  readonly current: number
  /** Keys that another process changed meanwhile: run again. */
  readonly conflicts: number
  /** Keys that could not be renewed, with the code of the reason; their wraps are as they were. */
  readonly failed: readonly { readonly keyId: number; readonly keyring: string; readonly code: ErrorCode }[]
}

/**
 * Wraps anew what is not under the current master key version: several keys at once, written one after the other. A
 * key that fails by itself is reported and passed over, unless not one succeeds: then its error is thrown. A provider
 * or store that is down ends it. Throws ERR_PROVIDER_UNKNOWN for `options.provider`.
 */
export async function rewrapKeys(services: KeyServices, options: RewrapOptions = {}): Promise<RewrapResult> {
  if (options.provider !== undefined) services.calls.get(options.provider) // a name with a typo is no success
  const masters = new Map<string, Promise<MasterKeyDescription>>()
  const failed: RewrapResult['failed'][number][] = []
  let firstFailure: KeywrightError | undefined
  const result = { keys: 0, rewrapped: 0, current: 0, conflicts: 0, failed }
  const records = eachRecord(services.store, options.keyring)
  const prepare = (record: KeyRecord): Promise<Prepared> => prepareRecord(services, options, masters, record)
  for await (const { record, stale, current, renewed, failure } of inOrder(
    records,
    options.concurrency ?? DEFAULT_CONCURRENCY,
    prepare,
  )) {
    result.keys++
    result.current += current
    if (stale === 0) continue
    if (failure !== undefined) {
      firstFailure ??= failure
      failed.push({ keyId: record.id, keyring: record.keyring, code: failure.code })
    } else if (renewed === undefined || (await store(services, renewed))) result.rewrapped += stale
    else result.conflicts++
    options.onProgress?.({ ...result })
  }
  if (firstFailure !== undefined && result.rewrapped + result.current === 0) throw firstFailure
  return result
}

/** One key, renewed but not written. */
interface Prepared {
  readonly record: KeyRecord
  /** Wraps under an older version. */
  readonly stale: number
  readonly current: number
  /** Absent in a dry run. */
  readonly renewed?: KeyRecord
  readonly failure?: KeywrightError
}

async function prepareRecord(
  services: KeyServices,
  options: RewrapOptions,
  masters: Map<string, Promise<MasterKeyDescription>>,
  record: KeyRecord,
): Promise<Prepared> {
  const wraps = record.wraps.filter(
    ({ provider }) => options.provider === undefined || provider === options.provider,
  )
  const stale: WrappedKey[] = []
  for (const wrapped of wraps) if (!(await isCurrent(services, masters, wrapped))) stale.push(wrapped)
  const prepared = { record, stale: stale.length, current: wraps.length - stale.length }
  if (stale.length === 0 || options.dryRun === true) return prepared
  try {
    return { ...prepared, renewed: await renewRecord(services, record, stale) }
  } catch (error) {
    if (!isOfOneKey(error)) throw error
    return { ...prepared, failure: error }
  }
}

const isOfOneKey = (error: unknown): error is KeywrightError =>
  error instanceof KeywrightError && OF_ONE_KEY.has(error.code)

async function isCurrent(
  services: KeyServices,
  masters: Map<string, Promise<MasterKeyDescription>>,
  wrapped: WrappedKey,
): Promise<boolean> {
  const asked = masters.get(wrapped.provider) ?? services.calls.describe(wrapped.provider)
  masters.set(wrapped.provider, asked)
  const master = await asked
  return master.id === wrapped.masterKeyId && master.version === wrapped.masterKeyVersion
}

/** One record with renewed wraps, each of which has given the key back. */
async function renewRecord(
  services: KeyServices,
  record: KeyRecord,
  stale: readonly WrappedKey[],
): Promise<KeyRecord> {
  const open = lazily(() => unwrapRecord(services.calls, record))
  try {
    const wraps: WrappedKey[] = []
    for (const wrapped of record.wraps) {
      wraps.push(stale.includes(wrapped) ? await renew(services, record, wrapped, open) : wrapped)
    }
    return { ...record, wraps, revision: record.revision + 1 }
  } finally {
    wipe(await open.opened()?.catch(() => undefined))
  }
}

/** By the service itself where it can; else, and where this one wrap does not open, out of any wrap that does. */
async function renew(
  services: KeyServices,
  record: KeyRecord,
  wrapped: WrappedKey,
  open: Lazily<Buffer>,
): Promise<WrappedKey> {
  try {
    const renewed = await rewrapVerified(services.calls, record, wrapped)
    if (renewed !== undefined) return renewed
  } catch (error) {
    if (!isOfOneKey(error)) throw error
  }
  return wrapVerified(services.calls, record, wrapped.provider, await open.get())
}

interface Lazily<T> {
  get(): Promise<T>
  /** What `get` has begun. */
  opened(): Promise<T> | undefined
}

function lazily<T>(open: () => Promise<T>): Lazily<T> {
  let opened: Promise<T> | undefined
  return {
    get() {
      opened ??= open()
      return opened
    },
    opened: () => opened,
  }
}

/** Announces and writes. False when the record changed meanwhile. */
function store(services: KeyServices, renewed: KeyRecord): Promise<boolean> {
  const versions = renewed.wraps.map(({ provider, masterKeyVersion }) => `${provider}:${masterKeyVersion}`)
  const event = {
    event: 'key.rewrap',
    keyring: renewed.keyring,
    keyId: renewed.id,
    keyVersion: renewed.version,
    details: { masterKeyVersions: versions.join(', ') },
  } as const
  return announced(services, event, () => services.store.update(renewed), Boolean)
}

/** Makes a new master key version, announced first. New wraps use it; `rewrapKeys` renews the old ones. */
export async function rotateMasterKey(
  services: KeyServices,
  provider: string,
): Promise<MasterKeyDescription> {
  services.calls.get(provider)
  const event = { event: 'master.rotate', details: { provider } } as const
  return announced(services, event, () => services.calls.rotateMasterKey(provider))
}
