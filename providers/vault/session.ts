/**
 * Who the provider is to the server: a token, kept alive while it can be and replaced by a new login when it
 * cannot, or when the server no longer accepts it.
 *
 * https://developer.hashicorp.com/vault/docs/concepts/lease, https://developer.hashicorp.com/vault/api-docs/auth/token
 */
import { KeywrightError } from '../../src/provider.ts'
import { type Credentials, type Grant, grantOf } from './credentials.ts'
import { DENIED, failure, UNAUTHENTICATED } from './failures.ts'
import type { VaultReply, VaultRequest, VaultServer } from './server.ts'
import { race } from './shared.ts'

/** A token and until when it is good. */
interface Held {
  readonly token: string
  readonly isRenewable: boolean
  /** Milliseconds since the epoch; Infinity when it does not end or the server does not say. */
  readonly endsAt: number
  /** Seconds for which the login gave it. */
  readonly fullSeconds: number
}

/** Part of a lease that may pass before it is renewed, and of what is left before it is tried again. */
const RENEW_AFTER = 1 / 2
const LEAST_DELAY_MS = 200
/** setTimeout fires at once for more. */
const MOST_DELAY_MS = 2 ** 31 - 1
/** A login serves many calls, so none of their deadlines can be its own. */
const LOGIN_MS = 30_000

export class VaultSession {
  readonly #server: VaultServer
  readonly #credentials: Credentials
  readonly #closing = new AbortController()
  #held: Held | undefined
  #login: Promise<Held> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(server: VaultServer, credentials: Credentials) {
    this.#server = server
    this.#credentials = credentials
  }

  /**
   * Makes a call as this identity; once more under a new token when the one it had is no longer accepted. Throws
   * what the server's `request` throws.
   */
  async request(request: Omit<VaultRequest, 'token'>): Promise<VaultReply> {
    const { signal } = request
    const token = await this.#token(signal)
    try {
      return await this.#server.request({ ...request, token })
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (this.#held?.token === token) await this.#judge(token, error, signal)
    }
    const renewed = await this.#token(signal)
    if (renewed === token) throw failure(UNAUTHENTICATED, { status: 403 })
    try {
      return await this.#server.request({ ...request, token: renewed })
    } catch (error) {
      if (isRefusal(error) && this.#held?.token === renewed) await this.#judge(renewed, error, signal)
      throw error
    }
  }

  /** What a person should know about the token. */
  warnings(): string[] {
    const held = this.#held
    if (held === undefined || held.endsAt === Number.POSITIVE_INFINITY || this.#credentials.isReplaceable) {
      return []
    }
    const end = new Date(held.endsAt).toISOString()
    return held.isRenewable
      ? []
      : [`the vault token ends at ${end} and cannot be renewed: give a renewable one, or log in by a method`]
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
    this.#held = undefined
  }

  /** A token that should be good now. */
  async #token(signal: AbortSignal | undefined): Promise<string> {
    const held = this.#held
    if (held !== undefined && (Date.now() < held.endsAt || !this.#credentials.isReplaceable))
      return held.token
    return (await race(this.#logIn(), signal)).token
  }

  /** One login for all who wait for one. */
  #logIn(): Promise<Held> {
    this.#login ??= this.#newLogin().finally(() => {
      this.#login = undefined
    })
    return this.#login
  }

  async #newLogin(): Promise<Held> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LOGIN_MS)])
    const askedAt = Date.now()
    const held = heldOf(await this.#credentials.login(signal), askedAt)
    this.#keep(held)
    return held
  }

  #keep(held: Held): void {
    if (this.#closing.signal.aborted) return
    this.#held = held
    this.#schedule(held)
  }

  /**
   * 403 means "no such token" and "not allowed" alike. A token may look itself up, so that tells which; where its
   * policies forbid even this, the words of the answer have to do. Throws unless the token is at fault.
   */
  async #judge(token: string, refusal: KeywrightError, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#server.request({ method: 'GET', path: 'auth/token/lookup-self', signal, token })
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (refusal.code === 'ERR_PROVIDER_DENIED') throw refusal
      if (this.#held?.token === token && this.#credentials.isReplaceable) this.#held = undefined
      return
    }
    throw failure(DENIED, { status: 403 })
  }

  #schedule(held: Held): void {
    clearTimeout(this.#timer)
    const left = held.endsAt - Date.now()
    if (left <= 0 || left === Number.POSITIVE_INFINITY) return
    if (!held.isRenewable && !this.#credentials.isReplaceable) return
    const delay = Math.min(Math.max(left * RENEW_AFTER, LEAST_DELAY_MS), MOST_DELAY_MS)
    this.#timer = setTimeout(() => void this.#prolong(held), delay)
    this.#timer.unref()
  }

  /** Renews, or logs in again where the lease grows no more. A failure is tried again while there is time. */
  async #prolong(held: Held): Promise<void> {
    if (this.#held !== held) return
    try {
      const renewed = held.isRenewable ? await this.#renew(held) : undefined
      const isEnough = renewed !== undefined && renewed.endsAt - Date.now() > held.fullSeconds * 500
      if (isEnough || (renewed !== undefined && !this.#credentials.isReplaceable)) this.#keep(renewed)
      else await this.#logIn()
    } catch {
      this.#schedule(held)
    }
  }

  /** Undefined when the server refuses to. */
  async #renew({ fullSeconds, token }: Held): Promise<Held | undefined> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LOGIN_MS)])
    const askedAt = Date.now()
    try {
      const reply = await this.#server.request({
        method: 'POST',
        path: 'auth/token/renew-self',
        body: {},
        signal,
        token,
      })
      return { ...heldOf({ ...grantOf(reply), token }, askedAt), fullSeconds }
    } catch (error) {
      if (error instanceof KeywrightError && !error.retryable) return undefined
      throw error
    }
  }
}

const isRefusal = (error: unknown): error is KeywrightError =>
  error instanceof KeywrightError && (error.details['status'] === 403 || error.details['status'] === 401)

function heldOf({ isRenewable, leaseSeconds, token }: Grant, askedAt: number): Held {
  const endsAt = leaseSeconds === 0 ? Number.POSITIVE_INFINITY : askedAt + leaseSeconds * 1000
  return { token, isRenewable, endsAt, fullSeconds: leaseSeconds }
}
