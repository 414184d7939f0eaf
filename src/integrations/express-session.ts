/**
 * Encrypted sessions for express-session, in any of its stores:
 *
 *     session({ store: encryptedSessionStore(kw, new RedisStore({ client })), secret, … })
 *
 * In the store lie the session's id (its key there), when it ends, and ciphertext. Nothing of Express is loaded.
 */
import { EventEmitter } from 'node:events'
import { KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import {
  answer,
  type Callback,
  called,
  EncryptedSessions,
  type SessionStore,
  type SessionStoreOptions,
  timesOf,
} from './shared/encrypted-sessions.ts'

export type { SessionStore, SessionStoreOptions } from './shared/encrypted-sessions.ts'

/** A store of express-session. The optional methods are wrapped where they are there. */
export interface ExpressSessionStore extends SessionStore {
  createSession(request: never, session: never): unknown
  on?(event: string, listener: () => void): unknown
  touch?(sessionId: string, session: object, callback?: () => void): unknown
  all?(callback: (error: unknown, sessions?: unknown) => void): unknown
  length?(callback: (error: unknown, length?: number) => void): unknown
  clear?(callback?: (error?: unknown) => void): unknown
}

type Method =
  | 'get'
  | 'set'
  | 'destroy'
  | 'touch'
  | 'all'
  | 'length'
  | 'clear'
  | 'ids'
  | 'load'
  | 'regenerate'
  | 'createSession'

/** The wrapped store: it has the methods of `S` that express-session and its users call. */
export type EncryptedExpressStore<S> = EventEmitter & Pick<S, Extract<keyof S, Method>>

type Untyped = (...args: never[]) => unknown

/** Methods that see no session, passed on as they are. */
const PASSED_ON = ['length', 'clear', 'ids'] as const

/**
 * Wraps a store of express-session. A session that does not open counts as none and is told to `onError`; while a
 * provider or the key store is down requests fail instead, with a KeywrightError whose `status` is 503.
 *
 * Throws ERR_ARGUMENT_INVALID for what is no store of express-session, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID.
 */
export function encryptedSessionStore<S extends ExpressSessionStore>(
  kw: Keywright,
  store: S,
  options: SessionStoreOptions = {},
): EncryptedExpressStore<S> {
  if (typeof store?.createSession !== 'function') throw noStore()
  const sessions = new EncryptedSessions(kw, store, options)
  const createSession = store.createSession.bind(store) as (request: unknown, session: unknown) => unknown
  const wrapped = Object.assign(new EventEmitter(), {
    /** express-session puts its own function here. */
    generate: (_request: unknown): void => undefined,
    createSession,
    get: (id: string, callback?: Callback) => answer(sessions.get(id), callback),
    set: (id: string, session: object, callback?: Callback) => answer(sessions.set(id, session), callback),
    destroy: (id: string, callback?: Callback) => answer(sessions.destroy(id), callback),
    load(id: string, callback: Callback) {
      const loading = sessions.get(id).then((session) => {
        return session && createSession({ sessionID: id, sessionStore: wrapped }, session)
      })
      return answer(loading, callback)
    },
    regenerate(request: { readonly sessionID: string }, callback?: Callback) {
      const destroying = sessions.destroy(request.sessionID).finally(() => wrapped.generate(request))
      return answer(destroying, callback)
    },
    ...optional(store, sessions),
  })
  for (const event of ['connect', 'disconnect']) store.on?.(event, () => wrapped.emit(event))
  return wrapped as unknown as EncryptedExpressStore<S>
}

/** express-session asks whether a store can touch by looking for the method. */
function optional(store: ExpressSessionStore, sessions: EncryptedSessions): Record<string, Untyped> {
  const { touch, all } = store
  const methods: Record<string, Untyped> = {}
  if (touch !== undefined) {
    methods['touch'] = (id: string, session: object, callback?: Callback) => {
      const times = { cookie: timesOf(session) }
      return answer(
        called((done) => touch.call(store, id, times, done)),
        callback,
      )
    }
  }
  if (all !== undefined) {
    methods['all'] = (callback?: Callback) => {
      const reading = called<object>((done) => all.call(store, done as Callback))
      return answer(
        reading.then((stored) => openAll(sessions, stored)),
        callback,
      )
    }
  }
  for (const name of PASSED_ON) {
    const method = (store as Partial<Record<(typeof PASSED_ON)[number], unknown>>)[name]
    if (typeof method === 'function') methods[name] = method.bind(store) as Untyped
  }
  return methods
}

/** Stores give an array of sessions with an `id`, or an object by id. Those that do not open are left out. */
async function openAll(sessions: EncryptedSessions, stored: object | null | undefined): Promise<object> {
  if (!Array.isArray(stored)) {
    const opened: [string, object][] = []
    for (const [id, one] of Object.entries(stored ?? {})) {
      const session = await sessions.open(id, one as object)
      if (session !== undefined) opened.push([id, session])
    }
    return Object.fromEntries(opened)
  }
  const opened: object[] = []
  for (const one of stored as { readonly id?: unknown }[]) {
    if (typeof one.id !== 'string') throw namelessSessions()
    const session = await sessions.open(one.id, one)
    if (session !== undefined) opened.push({ ...session, id: one.id })
  }
  return opened
}

function noStore(): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', 'the store is no store of express-session', {
    hint: 'pass an instance: new RedisStore({ client })',
  })
}

function namelessSessions(): KeywrightError {
  return new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'all() of this store does not say whose sessions they are',
    {
      hint: 'sessions are bound to their ids: get them one by one',
    },
  )
}
