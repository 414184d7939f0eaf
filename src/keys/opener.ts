/** Unwrapping the data key of a record: any of its wraps opens it, and what comes out is checked against the record. */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { wipe } from '../crypto/bytes.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyRecord, WrappedKey } from '../store.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { assertKeyOfRecord, wrapContextOf } from './record.ts'

/** The data key's bytes; the caller wipes them. Tries the wraps in order. */
export async function unwrapRecord(calls: ProviderCalls, record: KeyRecord): Promise<Buffer> {
  return (await unwrapThrough(calls, record, record.wraps)).dataKey
}

/** A data key, which its holder wipes, and which wrap gave it. */
export interface Unwrapped {
  readonly dataKey: Buffer
  readonly through: WrappedKey
}

/**
 * The same through some of the record's wraps; those of providers that are down come last, so that nobody waits for
 * them. When none opens, a failure that may pass is reported rather than one that does not: with that provider back
 * the key opens.
 */
export async function unwrapThrough(
  calls: ProviderCalls,
  record: KeyRecord,
  wraps: readonly WrappedKey[],
): Promise<Unwrapped> {
  const failures: unknown[] = []
  const down = wraps.filter(({ provider }) => calls.isDown(provider))
  for (const through of [...wraps.filter((wrap) => !down.includes(wrap)), ...down]) {
    try {
      const dataKey = await unwrapOne(calls, record, through)
      for (const { provider } of down) calls.probe(provider) // else nobody would notice that it is back
      return { dataKey, through }
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length === 0) throw noWraps(record)
  throw failures.find(mayPass) ?? failures[0]
}

const mayPass = (error: unknown): boolean => error instanceof KeywrightError && error.retryable

async function unwrapOne(calls: ProviderCalls, record: KeyRecord, wrapped: WrappedKey): Promise<Buffer> {
  const dataKey = await calls.unwrap(wrapped, wrapContextOf(record))
  try {
    assertKeyOfRecord(record, dataKey)
    return dataKey
  } catch (error) {
    wipe(dataKey)
    throw error
  }
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
