/**
 * Session data under the key type `session`, bound to the session's id: what was stored for one session does not open
 * for another.
 *
 * Context: keyring, `table: sessions`, `column: data`, `row`: the session id. What is encrypted is JSON.
 */
import type { Keywright } from '../keywright.ts'
import { fieldAt, type KeyOptions } from './shared/field-at.ts'
import { toJsonObject, toJsonText } from './shared/json-text.ts'

export type { KeyOptions } from './shared/field-at.ts'

export interface SessionCodec {
  /** `kw1.…` of what JSON makes of `data`. Throws ERR_VALUE_TYPE where there is no JSON of it. */
  encrypt(sessionId: string, data: object): Promise<string>
  /** Throws ERR_DECRYPTION_FAILED for a changed value or one of another session, and as `kw.decrypt` does. */
  decrypt<T extends object = Record<string, unknown>>(sessionId: string, encrypted: string): Promise<T>
}

/** Throws ERR_KEY_TYPE_UNKNOWN and ERR_TENANT_INVALID. */
export function sessionCodec(kw: Keywright, options: KeyOptions = {}): SessionCodec {
  const field = fieldAt(kw, { table: 'sessions', column: 'data' }, options)
  return {
    encrypt: async (sessionId, data) =>
      field.encrypt(toJsonText(data, 'the session data'), { row: sessionId }),
    decrypt: async <T extends object>(sessionId: string, encrypted: string) =>
      toJsonObject(await field.decrypt(encrypted, { row: sessionId }), 'the decrypted session') as T,
  }
}
