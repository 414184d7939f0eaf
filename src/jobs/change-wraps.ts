/** Changing the wraps of one key: announced in the audit log, written by compare-and-set, read again on a conflict. */
import type { AuditDetails } from '../audit/event.ts'
import { KeywrightError } from '../errors.ts'
import { announced } from '../keys/announce.ts'
import type { KeyServices } from '../keys/services.ts'
import type { KeyRecord, WrappedKey } from '../store.ts'
import { KeyFailure } from './key-log.ts'

const ATTEMPTS = 10

/** What is to become of a record's wraps. */
export interface WrapChange {
  readonly event: 'key.add-wrap' | 'key.prefer-wrap' | 'key.remove-wrap'
  readonly wraps: readonly WrappedKey[]
  readonly details: AuditDetails
}

/**
 * Decides on the record as it was read and writes; where somebody else was first, decides anew on what he wrote.
 * Resolves to the record that was written, undefined when there was nothing to do. Throws KeyFailure with
 * ERR_STORE_CONFLICT when others change it all the time.
 */
export async function changeWraps(
  services: KeyServices,
  first: KeyRecord,
  decide: (record: KeyRecord) => Promise<WrapChange | undefined>,
  reason?: string,
): Promise<KeyRecord | undefined> {
  let record: KeyRecord | undefined = first
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (record === undefined || record.status === 'destroyed') return undefined
    const change = await decide(record)
    if (change === undefined) return undefined
    const changed = { ...record, wraps: change.wraps, revision: record.revision + 1 }
    if (await write(services, changed, change, reason)) return changed
    record = await services.store.get(first.id)
  }
  throw new KeyFailure(
    new KeywrightError('ERR_STORE_CONFLICT', `key ${first.id} is being changed by others all the time`, {
      hint: 'run the job again',
      details: { keyId: first.id, keyring: first.keyring },
    }),
  )
}

function write(
  services: KeyServices,
  changed: KeyRecord,
  { event, details, wraps }: WrapChange,
  reason: string | undefined,
): Promise<boolean> {
  if (wraps.length === 0) throw new KeywrightError('ERR_INTERNAL', 'the last wrap of a key would be removed')
  const about = {
    event,
    keyring: changed.keyring,
    keyId: changed.id,
    keyVersion: changed.version,
    details,
    ...(reason === undefined ? {} : { reason }),
  }
  return announced(services, about, () => services.store.update(changed), Boolean)
}
