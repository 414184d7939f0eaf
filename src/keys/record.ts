/** Making and checking key records: the commitment to the key and the MAC over what never changes. */
import { createHmac, randomInt } from 'node:crypto'
import { equalBytes } from '../crypto/bytes.ts'
import { canonicalBytes } from '../crypto/canonical.ts'
import { deriveBytes, deriveKey } from '../crypto/derive.ts'
import { KeywrightError } from '../errors.ts'
import type { WrapContext } from '../provider.ts'
import type { KeyAlgorithm, KeyRecord, WrappedKey } from '../store.ts'

/** Length of every data key. */
export const DATA_KEY_BYTES = 32

/** What is fixed when a key is made. */
export interface KeyIdentity {
  readonly id: number
  readonly keyring: string
  readonly version: number
  readonly algorithm: KeyAlgorithm
  readonly createdAt: number
}

/** 32 random bits, never 0. The store refuses one that is taken. */
export function randomKeyId(): number {
  return randomInt(1, 2 ** 32)
}

/** What every wrap of this key is bound to. Nothing in it changes by rotating, rewrapping or moving. */
export function wrapContextOf(identity: KeyIdentity): WrapContext {
  const entries = {
    purpose: 'keywright data key',
    keyring: identity.keyring,
    key_id: String(identity.id),
    key_version: String(identity.version),
  }
  return { entries, bytes: canonicalBytes(entries) }
}

/** HKDF output that identifies the key without telling it. */
export function commitmentOf(dataKey: Uint8Array): Buffer {
  return deriveBytes(dataKey, 'commitment')
}

function macOf(dataKey: Uint8Array, identity: KeyIdentity, commitment: Uint8Array): Buffer {
  const fixed = canonicalBytes({
    id: String(identity.id),
    keyring: identity.keyring,
    version: String(identity.version),
    algorithm: identity.algorithm,
    created_at: String(identity.createdAt),
    commitment: Buffer.from(commitment).toString('hex'),
  })
  return createHmac('sha256', deriveKey(dataKey, 'recordMac')).update(fixed).digest()
}

/** A record as it is inserted. `dataKey` stays the caller's, who wipes it. */
export function newRecord(
  identity: KeyIdentity,
  dataKey: Uint8Array,
  wraps: readonly WrappedKey[],
  activatesAt: number,
): KeyRecord {
  const commitment = commitmentOf(dataKey)
  return {
    ...identity,
    activatesAt,
    status: 'enabled',
    statusAt: identity.createdAt,
    statusReason: '',
    wraps,
    commitment,
    mac: macOf(dataKey, identity, commitment),
    usage: { messages: 0, bytes: 0 },
    revision: 1,
  }
}

/**
 * Asserts that `dataKey` is the key of `record` and that the record's fixed part is as it was made.
 * Throws ERR_KEY_RECORD_TAMPERED.
 */
export function assertKeyOfRecord(record: KeyRecord, dataKey: Uint8Array): void {
  const intact =
    dataKey.length === DATA_KEY_BYTES &&
    equalBytes(commitmentOf(dataKey), record.commitment) &&
    equalBytes(macOf(dataKey, record, record.commitment), record.mac)
  if (intact) return
  throw new KeywrightError(
    'ERR_KEY_RECORD_TAMPERED',
    `the record of key ${record.id} (${record.keyring}) does not fit the key it wraps`,
    {
      hint: 'the key store was changed by something else than Keywright: restore the record from a backup',
      details: { keyId: record.id, keyring: record.keyring },
    },
  )
}
