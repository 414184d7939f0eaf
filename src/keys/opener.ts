/** Unwrapping the data key of a record: any of its wraps opens it, and what comes out is checked against the record. */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { wipe } from '../crypto/bytes.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyRecord } from '../store.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { assertKeyOfRecord, wrapContextOf } from './record.ts'

/** The data key's bytes; the caller wipes them. Tries the wraps in order; the first failure is reported. */
export async function unwrapRecord(calls: ProviderCalls, record: KeyRecord): Promise<Buffer> {
  const context = wrapContextOf(record)
  let failure: unknown
  for (const wrapped of record.wraps) {
    try {
      const dataKey = await calls.unwrap(wrapped, context)
      assertKeyOfRecord(record, dataKey)
      return dataKey
    } catch (error) {
      failure ??= error
    }
  }
  throw failure ?? noWraps(record)
}

/** The data key as a KeyObject. */
export async function openRecord(calls: ProviderCalls, record: KeyRecord): Promise<KeyObject> {
  const dataKey = await unwrapRecord(calls, record)
  try {
    return createSecretKey(dataKey) // copies
  } finally {
    wipe(dataKey)
  }
}

function noWraps(record: KeyRecord): KeywrightError {
  if (record.status === 'destroyed') {
    return new KeywrightError('ERR_KEY_DESTROYED', `key ${record.id} (${record.keyring}) was destroyed`, {
      hint: 'what was encrypted under it cannot be read any more',
      details: { keyId: record.id, keyring: record.keyring },
    })
  }
  return new KeywrightError(
    'ERR_KEY_RECORD_TAMPERED',
    `key ${record.id} (${record.keyring}) has no wrapped key`,
    {
      hint: 'the key store was changed by something else than Keywright: restore the record from a backup',
      details: { keyId: record.id, keyring: record.keyring },
    },
  )
}
