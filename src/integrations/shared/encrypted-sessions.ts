/**
 * Sessions in somebody else's store: what lies there is `{ cookie: { originalMaxAge, expires, maxAge }, encrypted }`.
 *
 * Stores compute when a session ends from its cookie, and `touch` changes only that, so its times stay in clear. The
 * other attributes of the cookie are taken from the ciphertext: whoever can write to the store must not be able to
 * switch HttpOnly or Secure off.
 */
import { createHash } from 'node:crypto'
import { KeywrightError } from '../../errors.ts'
import type { Keywright } from '../../keywright.ts'
import { type SessionCodec, sessionCodec } from '../session.ts'
import type { KeyOptions } from './field-at.ts'
import { isUnreadable, type OnError, report } from './unreadable.ts'

export type Callback<T = unknown> = (error?: unknown, value?: T) => void

/** The part of a session store that is needed. Results come through the callback, which the last argument is. */
export interface SessionStore {
  get(sessionId: string, callback: (error: unknown, session?: object | null) => void): unknown
  set(sessionId: string, session: object, callback: (error?: unknown) => void): unknown
  destroy(sessionId: string, callback: (error?: unknown) => void): unknown
}

export interface SessionStoreOptions extends KeyOptions {
  /**
   * Is told of sessions that do not open: they count as none, and their user has to log in again. `details.session` is
   * a short hash of the session's id, to find the same one again.
   */
  readonly onError?: OnError
}

type Members = Readonly<Record<string, unknown>>

/** Waits for a callback, and for the promise that some stores give beside it. */
export function called<T>(call: (callback: Callback<T>) => unknown): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const answer = call((error, value) => (error ? reject(error) : resolve(value)))
    Promise.resolve(answer).catch(reject)
  })
}

/** Gives the result to the callback, where there is one, outside of any promise: what it throws is its caller's. */
export function answer<T>(work: Promise<T>, callback: Callback<T> | undefined): Promise<T | undefined> {
  if (callback === undefined) return work
  return work.then(
    (value) => {
      queueMicrotask(() => callback(null, value))
      return undefined
    },
    (error: unknown) => {
      queueMicrotask(() => callback(error))
      return undefined
    },
  )
}

export class EncryptedSessions {
  readonly #store: SessionStore
  readonly #codec: SessionCodec
  readonly #onError: OnError | undefined

  constructor(kw: Keywright, store: SessionStore, options: SessionStoreOptions) {
    this.#store = store
    this.#codec = sessionCodec(kw, options)
    this.#onError = options.onError
  }

  async get(sessionId: string): Promise<object | undefined> {
    const stored = await called<object | null>((callback) => this.#store.get(sessionId, callback))
    return stored ? this.open(sessionId, stored) : undefined
  }

  async set(sessionId: string, session: object): Promise<void> {
    const encrypted = await this.#codec.encrypt(sessionId, session)
    await called((callback) => this.#store.set(sessionId, { cookie: timesOf(session), encrypted }, callback))
  }

  async destroy(sessionId: string): Promise<void> {
    await called((callback) => this.#store.destroy(sessionId, callback))
  }

  /** The session in what the store holds; undefined, and reported, when it does not open. An outage throws. */
  async open(sessionId: string, stored: object): Promise<object | undefined> {
    try {
      const { cookie, encrypted } = stored as Members
      if (typeof encrypted !== 'string') throw notEncrypted()
      const session = await this.#codec.decrypt(sessionId, encrypted)
      return { ...session, cookie: withTimes(session['cookie'], cookie) }
    } catch (error) {
      if (!isUnreadable(error)) throw error
      report(this.#onError, error, 'a stored session', { session: fingerprint(sessionId) })
      return undefined
    }
  }
}

/** What stores ask a cookie for. Everything else of a session is nobody's business there. */
export function timesOf(session: object): object {
  const { cookie } = session as { readonly cookie?: Members | null }
  const { originalMaxAge = null, expires = null, maxAge = null } = cookie ?? {}
  return { originalMaxAge, expires, maxAge }
}

/** The cookie as it was encrypted, ending when the last `touch` said. */
function withTimes(encrypted: unknown, stored: unknown): unknown {
  if (typeof encrypted !== 'object' || encrypted === null) return encrypted
  const { expires } = (stored ?? {}) as Members
  const isDate = expires instanceof Date || typeof expires === 'string'
  return isDate && !Number.isNaN(new Date(expires).getTime()) ? { ...encrypted, expires } : encrypted
}

function notEncrypted(): KeywrightError {
  return new KeywrightError('ERR_NOT_CIPHERTEXT', 'the stored session is not encrypted', {
    hint: 'it was stored before encryption was switched on, or by something else',
  })
}

/** A session id is as good as a password; its hash is not. */
const fingerprint = (sessionId: string): string =>
  createHash('sha256').update(sessionId).digest('hex').slice(0, 16)
