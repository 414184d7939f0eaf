/**
 * Encrypted sessions for @fastify/session, in any store that it takes:
 *
 *     app.register(fastifySession, { store: encryptedSessionStore(kw, new RedisStore({ client })), secret, … })
 *
 * In the store lie the session's id (its key there), when it ends, and ciphertext. Nothing of Fastify is loaded.
 */
import type { Keywright } from '../keywright.ts'
import {
  answer,
  type Callback,
  EncryptedSessions,
  type SessionStore,
  type SessionStoreOptions,
} from './shared/encrypted-sessions.ts'

export type { SessionStore, SessionStoreOptions } from './shared/encrypted-sessions.ts'

/**
 * Wraps a store of @fastify/session. A session that does not open counts as none and is told to `onError`; while a
 * provider or the key store is down requests fail instead, with a KeywrightError whose `status` is 503.
 *
 * Throws ERR_KEY_TYPE_UNKNOWN and ERR_TENANT_INVALID.
 */
export function encryptedSessionStore<S extends SessionStore>(
  kw: Keywright,
  store: S,
  options: SessionStoreOptions = {},
): Pick<S, 'get' | 'set' | 'destroy'> {
  const sessions = new EncryptedSessions(kw, store, options)
  const wrapped = {
    get: (id: string, callback?: Callback) => answer(sessions.get(id), callback),
    set: (id: string, session: object, callback?: Callback) => answer(sessions.set(id, session), callback),
    destroy: (id: string, callback?: Callback) => answer(sessions.destroy(id), callback),
  }
  return wrapped as unknown as Pick<S, 'get' | 'set' | 'destroy'>
}
