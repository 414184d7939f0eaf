/**
 * Rewrapping: the same data keys under the current version of the master key. Data and data keys stay as they are.
 * Each key is one compare-and-set, so stopping anywhere leaves every key openable, and running again goes on.
 */
import { wipe } from '../crypto/bytes.ts'
import { type ErrorCode, KeywrightError } from '../errors.ts'
import type { MasterKeyDescription } from '../provider.ts'
import type { KeyRecord, WrappedKey } from '../store.ts'
import { announced } from './announce.ts'
import { unwrapRecord } from './opener.ts'
import { assertKeyOfRecord, wrapContextOf } from './record.ts'
import { eachRecord, type KeyServices } from './services.ts'

/** Failures that say nothing about the next key. */
const OF_ONE_KEY: ReadonlySet<ErrorCode> = new Set([
  'ERR_UNWRAP_FAILED',
  'ERR_KEY_RECORD_TAMPERED',
  'ERR_MASTER_KEY_NOT_FOUND',
  'ERR_KEY_FILE_FOREIGN',
])

export interface RewrapOptions {
  /** Only wraps of this provider. Default: all. */
  readonly provider?: string
  readonly keyring?: string
  /** Only count. */
  readonly dryRun?: boolean
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
 * Wraps anew what is not under the current master key version. A key that fails by itself is reported and passed
 * over, unless not one succeeds: then its error is thrown. A provider or store that is down ends it.
 */
export async function rewrapKeys(services: KeyServices, options: RewrapOptions = {}): Promise<RewrapResult> {
  const masters = new Map<string, MasterKeyDescription>()
  const failed: RewrapResult['failed'][number][] = []
  let firstFailure: KeywrightError | undefined
  const result = { keys: 0, rewrapped: 0, current: 0, conflicts: 0, failed }
  for await (const record of eachRecord(services.store, options.keyring)) {
    result.keys++
    const stale: WrappedKey[] = []
    for (const wrapped of record.wraps) {
      if (options.provider !== undefined && wrapped.provider !== options.provider) continue
      if (await isCurrent(services, masters, wrapped)) result.current++
      else stale.push(wrapped)
    }
    if (stale.length === 0) continue
    try {
      const done = options.dryRun === true || (await rewrapRecord(services, record, stale))
      if (done) result.rewrapped += stale.length
      else result.conflicts++
    } catch (error) {
      if (!(error instanceof KeywrightError) || !OF_ONE_KEY.has(error.code)) throw error
      firstFailure ??= error
      failed.push({ keyId: record.id, keyring: record.keyring, code: error.code })
    }
    options.onProgress?.({ ...result })
  }
  if (firstFailure !== undefined && result.rewrapped + result.current === 0) throw firstFailure
  return result
}

async function isCurrent(
  services: KeyServices,
  masters: Map<string, MasterKeyDescription>,
  wrapped: WrappedKey,
): Promise<boolean> {
  let master = masters.get(wrapped.provider)
  if (master === undefined) {
    master = await services.calls.describe(wrapped.provider)
    masters.set(wrapped.provider, master)
  }
  return master.id === wrapped.masterKeyId && master.version === wrapped.masterKeyVersion
}

/** One record: unwrap, wrap, unwrap the new wrap and compare, announce, write. False when it changed meanwhile. */
async function rewrapRecord(
  services: KeyServices,
  record: KeyRecord,
  stale: readonly WrappedKey[],
): Promise<boolean> {
  const dataKey = await unwrapRecord(services.calls, record)
  try {
    const wraps: WrappedKey[] = []
    for (const wrapped of record.wraps) {
      wraps.push(stale.includes(wrapped) ? await renew(services, record, wrapped, dataKey) : wrapped)
    }
    const event = {
      event: 'key.rewrap',
      keyring: record.keyring,
      keyId: record.id,
      keyVersion: record.version,
      details: { masterKeyVersions: wraps.map((w) => `${w.provider}:${w.masterKeyVersion}`).join(', ') },
    } as const
    const renewed = { ...record, wraps, revision: record.revision + 1 }
    return await announced(services, event, () => services.store.update(renewed), Boolean)
  } finally {
    wipe(dataKey)
  }
}

async function renew(
  services: KeyServices,
  record: KeyRecord,
  wrapped: WrappedKey,
  dataKey: Uint8Array,
): Promise<WrappedKey> {
  const context = wrapContextOf(record)
  const renewed = await services.calls.wrap(wrapped.provider, dataKey, context)
  const readBack = await services.calls.unwrap(renewed, context)
  try {
    assertKeyOfRecord(record, readBack)
  } catch (cause) {
    throw new KeywrightError(
      'ERR_PROVIDER_FAILED',
      `${wrapped.provider} does not give back the key it has just wrapped (key ${record.id})`,
      { hint: 'nothing was changed; look at the provider before going on', cause },
    )
  } finally {
    wipe(readBack)
  }
  return renewed
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
