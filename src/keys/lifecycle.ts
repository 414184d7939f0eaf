/**
 * What happens to a key after it was made: suspend, resume, revoke, destroy, clean up. Every change is announced in
 * the audit log, then written by compare-and-set.
 */
import type { AuditEventName } from '../audit/event.ts'
import { KeywrightError } from '../errors.ts'
import { destroyableAt } from '../policy/evaluate.ts'
import type { KeyRecord, KeyStatus } from '../store.ts'
import { announced } from './announce.ts'
import type { CensusPlace } from './census.ts'
import { DestroyGate } from './destroyable.ts'
import { unknownKey } from './refusals.ts'
import { rotateKeyring } from './rotation.ts'
import { eachRecord, type KeyServices, policyIfKnown, recordsOf } from './services.ts'
import { viewKeyring, withStatus } from './states.ts'

const UPDATE_ATTEMPTS = 5

/** Makes a key unusable for now. Reversible by `resumeKey`. */
export function suspendKey(services: KeyServices, id: number, reason: string): Promise<KeyRecord> {
  return changeStatus(services, id, 'suspended', 'key.suspend', reason)
}

/** Undoes `suspendKey`. */
export function resumeKey(services: KeyServices, id: number, reason: string): Promise<KeyRecord> {
  return changeStatus(services, id, 'enabled', 'key.resume', reason)
}

export interface RevocationResult {
  readonly key: KeyRecord
  /** Whether the revoked key was the active one and a new one took its place. */
  readonly replaced: boolean
  /** Why no new key could be made, where one was needed. The keyring does not encrypt until one is. */
  readonly replacementError?: KeywrightError
}

/**
 * Marks a key as compromised, for good. When it encrypts now, a new key takes its place first; when that fails
 * because the provider is down, it is revoked all the same.
 */
export async function revokeKey(
  services: KeyServices,
  id: number,
  reason: string,
): Promise<RevocationResult> {
  if (reason.trim() === '') throw reasonMissing('revoke')
  const record = await recordById(services, id)
  withStatus(record, 'compromised', reason, 0) // refuses before a new key is made
  const view = viewKeyring(await recordsOf(services.store, record.keyring), services.clock.now())
  let replacementError: KeywrightError | undefined
  const replaced = view.current?.id === id
  if (replaced) {
    try {
      await rotateKeyring(services, record.keyring, { now: true, force: true, reason: `key ${id} revoked` })
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
      replacementError = error
    }
  }
  const key = await changeStatus(services, id, 'compromised', 'key.revoke', reason)
  return {
    key,
    replaced: replaced && replacementError === undefined,
    ...(replacementError === undefined ? {} : { replacementError }),
  }
}

export interface DestroyOptions {
  /** Why the census is overridden; needed only where it does not show that nothing is under the key. */
  readonly override?: { readonly reason: string }
}

/**
 * Removes every wrap of a key: what it encrypted cannot be read any more, by nobody. The key must have been replaced
 * (or revoked, and every process have heard of it), its grace period be over, and the censuses of `places` must have
 * found nothing under it for as long; see destroy-gate.ts. Throws ERR_DESTROY_REFUSED.
 */
export async function destroyKey(
  services: KeyServices,
  places: readonly CensusPlace[],
  id: number,
  options: DestroyOptions = {},
): Promise<KeyRecord> {
  return destroyThrough(services, new DestroyGate(services, places), id, options)
}

async function destroyThrough(
  services: KeyServices,
  gate: DestroyGate,
  id: number,
  { override }: DestroyOptions,
): Promise<KeyRecord> {
  const record = await recordById(services, id)
  const reason = override?.reason.trim() ?? ''
  withStatus(record, 'destroyed', reason, 0)
  return changeStatus(services, id, 'destroyed', 'key.destroy', await gate.assert(record, reason))
}

export interface CleanupOptions {
  /** Only tell what would be destroyed. */
  readonly dryRun?: boolean
  readonly override?: { readonly reason: string }
}

/** Keys that were replaced, are past their max age and whose grace period is over. */
export async function expiredKeys(services: KeyServices): Promise<KeyRecord[]> {
  const now = services.clock.now()
  const expired: KeyRecord[] = []
  for await (const records of eachKeyring(services)) {
    const view = viewKeyring(records, now)
    for (const record of view.records) {
      const deactivatedAt = view.deactivatedAt(record)
      if (record.status === 'destroyed' || deactivatedAt === undefined) continue
      const policy = policyIfKnown(services, record.keyring)
      if (policy === undefined) continue
      const isExpired = now >= record.activatesAt + policy.maxAgeMs
      if (isExpired && now >= destroyableAt(policy, deactivatedAt)) expired.push(record)
    }
  }
  return expired
}

/**
 * Destroys the keys that `expiredKeys` lists as far as nothing is under them, or all of them with an override. Throws
 * ERR_DESTROY_REFUSED when there are some and none of them may be destroyed.
 */
export async function cleanupKeys(
  services: KeyServices,
  places: readonly CensusPlace[],
  options: CleanupOptions = {},
): Promise<KeyRecord[]> {
  const expired = await expiredKeys(services)
  if (options.dryRun === true) return expired
  const gate = new DestroyGate(services, places)
  const destroyed: KeyRecord[] = []
  let refusal: KeywrightError | undefined
  for (const { id } of expired) {
    try {
      destroyed.push(await destroyThrough(services, gate, id, options))
    } catch (error) {
      if (!(error instanceof KeywrightError) || error.code !== 'ERR_DESTROY_REFUSED') throw error
      refusal ??= error
    }
  }
  if (destroyed.length === 0 && refusal !== undefined) throw refusal
  return destroyed
}

/** The records of the store (or of one keyring), one keyring at a time. */
export async function* eachKeyring(services: KeyServices, keyring?: string): AsyncGenerator<KeyRecord[]> {
  let records: KeyRecord[] = []
  for await (const record of eachRecord(services.store, keyring)) {
    if (records.length > 0 && records[0]?.keyring !== record.keyring) {
      yield records
      records = []
    }
    records.push(record)
  }
  if (records.length > 0) yield records
}

/** Throws ERR_KEY_UNKNOWN, and ERR_ARGUMENT_INVALID for what is no key id. */
export async function recordById(services: KeyServices, id: number): Promise<KeyRecord> {
  if (!Number.isInteger(id) || id < 1 || id >= 2 ** 32) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'not a key id', {
      hint: 'a key id is a whole number from 1 to 4294967295: see `keys list`',
    })
  }
  const record = await services.store.get(id)
  if (record === undefined) throw unknownKey(id)
  return record
}

async function changeStatus(
  services: KeyServices,
  id: number,
  status: KeyStatus,
  event: AuditEventName,
  reason: string,
): Promise<KeyRecord> {
  for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
    const record = await recordById(services, id)
    const now = services.clock.now()
    const { current } = viewKeyring(await recordsOf(services.store, record.keyring), now)
    // The current key has had its turn, also where its maker's clock is ahead of this one.
    const at = current?.id === id ? Math.max(now, record.activatesAt) : now
    const changed = withStatus(record, status, reason, at)
    const about = {
      event,
      keyring: record.keyring,
      keyId: id,
      keyVersion: record.version,
      ...(reason === '' ? {} : { reason }),
    }
    if (await announced(services, about, () => services.store.update(changed), Boolean)) return changed
  }
  throw new KeywrightError('ERR_STORE_CONFLICT', `key ${id} is being changed by others all the time`, {
    hint: 'try again',
    details: { keyId: id },
  })
}

function reasonMissing(what: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `${what} needs a reason`, {
    hint: 'say what happened: it goes into the audit log',
  })
}
