/** What a keyring says when it cannot serve: one function per reason, each naming the keyring and the remedy. */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import type { KeyRecord } from '../store.ts'

export function closed(): KeywrightError {
  return new KeywrightError('ERR_CLOSED', 'this Keywright is closed', { hint: 'open it again' })
}

export function notLoaded(keyring: string, what: string): KeywrightError {
  return new KeywrightError('ERR_KEY_NOT_LOADED', `keyring "${keyring}": ${what}`, {
    hint: 'await the asynchronous form once, or ready(): it loads what is missing',
    details: { keyring },
  })
}

export function keyNotLoaded(keyring: string, id: number): KeywrightError {
  return new KeywrightError('ERR_KEY_NOT_LOADED', `keyring "${keyring}": key ${id} is not loaded`, {
    hint: 'the synchronous form loads nothing: use the asynchronous one, or await ready({ all: true }) before',
    details: { keyring, keyId: id },
  })
}

export function unknownKey(id: number): KeywrightError {
  return new KeywrightError('ERR_KEY_UNKNOWN', `no key ${id} in this key store`, {
    hint: 'the ciphertext comes from another installation, or its first bytes were changed',
    details: { keyId: id },
  })
}

export function otherKeyring(keyring: string, id: number): KeywrightError {
  return new KeywrightError('ERR_KEYRING_MISMATCH', `key ${id} does not belong to keyring "${keyring}"`, {
    hint: 'the ciphertext is of another key type or tenant; `keywright inspect` tells which',
    details: { keyring, keyId: id },
  })
}

export function stale(keyring: string, sinceMs: number): KeywrightError {
  return new KeywrightError(
    'ERR_KEYRING_STALE',
    `keyring "${keyring}" was last read ${Math.round(sinceMs / 1000)} s ago, longer than the policy allows`,
    {
      hint: 'the key store is not reachable, or the event loop is blocked; serveStale in the policy sets the limit',
      details: { keyring },
    },
  )
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_KEY_SUSPENDED: 'resume the key, or rotate the keyring to go on with a new one',
  ERR_KEY_COMPROMISED:
    're-encrypt what it encrypted; the policy member "compromised" says whether it may be read',
  ERR_KEY_DESTROYED: 'what was encrypted under it cannot be read any more',
  ERR_KEY_EXPIRED: 'rotate the keyring; automatic rotation does it by itself',
  ERR_KEY_EXHAUSTED: 'rotate the keyring; automatic rotation does it by itself',
  ERR_KEY_INACTIVE: 'rotate the keyring',
}

/** What the policy refuses. */
export function refused(record: KeyRecord, code: ErrorCode, reason: string): KeywrightError {
  const hint = HINTS[code]
  return new KeywrightError(code, `key ${record.id} of keyring "${record.keyring}": ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { keyring: record.keyring, keyId: record.id, version: record.version },
  })
}

export function leaseExhausted(keyring: string): KeywrightError {
  return new KeywrightError('ERR_KEY_LEASE_EXHAUSTED', `keyring "${keyring}": no leased messages are left`, {
    hint: 'a loop of synchronous calls never lets the next lease arrive: await the asynchronous form now and then',
    details: { keyring },
  })
}

export function auditedNeedsAsync(keyring: string): KeywrightError {
  return new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    `keyring "${keyring}" audits every access, which the synchronous form cannot wait for`,
    { hint: 'use the asynchronous form, or switch auditAccess off in the policy', details: { keyring } },
  )
}

export function noLoadedKeyring(id: number): KeywrightError {
  return new KeywrightError('ERR_KEY_NOT_LOADED', `no loaded keyring has key ${id}`, {
    hint: 'the synchronous form loads nothing: use the asynchronous one, or await ready([…]) before',
    details: { keyId: id },
  })
}

export function tooManyUnknown(id: number): KeywrightError {
  return new KeywrightError(
    'ERR_KEY_NOT_LOADED',
    `key ${id} is not loaded, and too many are being looked up`,
    {
      hint: 'try again in a second; many unknown key ids at once are mostly garbage, or data of another installation',
      details: { keyId: id },
    },
  )
}
