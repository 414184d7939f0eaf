/**
 * Encrypted cookies: what the browser keeps is `kw1.…`, which it can neither read nor change. The middlewares in
 * hono-cookie.ts and node-cookie.ts are made of these functions.
 *
 * Context: keyring, `table: cookies`, `column`: the cookie's full name. What is encrypted is JSON:
 * `{"expires":<ms since the epoch>,"value":…}`, so an old cookie is refused although the browser kept it.
 */
import { parseCookie } from 'cookie'
import { type Clock, systemClock } from '../clock.ts'
import type { JsonValue } from '../data/codecs.ts'
import type { Field } from '../data/field.ts'
import type { Keywright } from '../keywright.ts'
import { type ActiveKey, activeKey } from './shared/active-key.ts'
import { type CookieAttributes, CookieShape } from './shared/cookie-attributes.ts'
import { fieldAt, type KeyOptions } from './shared/field-at.ts'
import { isUnreadable, type OnError, report } from './shared/unreadable.ts'

export type { CookieAttributes } from './shared/cookie-attributes.ts'

export interface CookieOptions extends CookieAttributes, KeyOptions {
  /** Is told of cookies that do not open: they count as none. */
  readonly onError?: OnError
  /** @default the machine's clock */
  readonly clock?: Clock
}

export interface OpenedCookie<T> {
  readonly value: T
  /** When it ends, ms since the epoch. */
  readonly expiresAt: number
  /** It is under a key that does not encrypt any more: seal it again. Found out within a minute of a rotation. */
  readonly isOld: boolean
}

/** Another site may set cookies of the same name for a common parent domain; so many are tried. */
const MAX_SAME_NAME = 4

/** One cookie with its keys, for many requests. */
export class CookieSealer<T = JsonValue> {
  readonly shape: CookieShape
  readonly #field: Field<JsonValue>
  readonly #clock: Clock
  readonly #active: ActiveKey
  readonly #onError: OnError | undefined

  /** Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. */
  constructor(kw: Keywright, name: string, options: CookieOptions) {
    this.shape = new CookieShape(name, options)
    this.#field = fieldAt(kw, { table: 'cookies', column: this.shape.name, as: 'json' }, options)
    this.#clock = options.clock ?? systemClock
    this.#active = activeKey(kw, options.keyType ?? 'session', options.tenant)
    this.#onError = options.onError
  }

  /** The value of Set-Cookie. Throws ERR_VALUE_TOO_LARGE, ERR_VALUE_TYPE, and what encryption throws. */
  async seal(value: T): Promise<string> {
    const { maxAgeSeconds } = this.shape
    return this.#seal(value, this.#clock.now() + maxAgeSeconds * 1000, maxAgeSeconds)
  }

  /** The same value under the active key, ending when it did; undefined when there is nothing to gain, or no way. */
  async renew(opened: OpenedCookie<T>): Promise<string | undefined> {
    const left = Math.floor((opened.expiresAt - this.#clock.now()) / 1000)
    if (!opened.isOld || left < 1) return undefined
    try {
      const header = await this.#seal(opened.value, opened.expiresAt, left)
      // Shortly after a rotation this process may not know the new key yet.
      return (await this.#active.isOld(this.#valueIn(header), this.#clock.now())) ? undefined : header
    } catch {
      return undefined // the old one still opens
    }
  }

  /** The cookie in a Cookie header; undefined when there is none that opens and has not ended. An outage throws. */
  async open(header: string | undefined): Promise<OpenedCookie<T> | undefined> {
    for (const text of this.#candidates(header)) {
      const opened = await this.#open(text)
      if (opened !== undefined) return opened
    }
    return undefined
  }

  /** Set-Cookie that makes the browser forget it. */
  clear(): string {
    return this.shape.header('', 0)
  }

  async #seal(value: T, expires: number, maxAgeSeconds: number): Promise<string> {
    const sealed = { expires, value: value as JsonValue }
    const text = await this.#field.encrypt(sealed)
    return this.shape.fitting(text, maxAgeSeconds, Buffer.byteLength(JSON.stringify(value)))
  }

  async #open(text: string): Promise<OpenedCookie<T> | undefined> {
    try {
      const { expires, value } = ((await this.#field.decrypt(text)) ?? {}) as { expires: number; value: T }
      const now = this.#clock.now()
      if (!(now < expires)) return undefined
      return { value, expiresAt: expires, isOld: await this.#active.isOld(text, now) }
    } catch (error) {
      if (!isUnreadable(error)) throw error
      report(this.#onError, error, `cookie "${this.shape.name}"`, { cookie: this.shape.name })
      return undefined
    }
  }

  #candidates(header: string | undefined): string[] {
    const { name } = this.shape
    const found: string[] = []
    for (const pair of header?.split(';') ?? []) {
      const value = parseCookie(pair)[name]
      if (value !== undefined && value !== '') found.push(value)
      if (found.length === MAX_SAME_NAME) break
    }
    return found
  }

  #valueIn(header: string): string {
    return header.slice(this.shape.name.length + 1, header.indexOf(';'))
  }
}

/**
 * Encrypts a JSON value for a cookie; resolves to the value of Set-Cookie, by default with HttpOnly, Secure,
 * SameSite=Lax, Path=/ and Max-Age.
 *
 * Throws ERR_VALUE_TOO_LARGE above 4096 bytes, ERR_VALUE_TYPE for what is no JSON, ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN.
 */
export async function sealCookie(
  kw: Keywright,
  name: string,
  value: JsonValue,
  options: CookieOptions = {},
): Promise<string> {
  return new CookieSealer(kw, name, options).seal(value)
}

/**
 * The cookie `name` in a Cookie header. undefined when there is none, when it has ended, and when it does not open
 * (changed, of another name or key type, its key revoked): that is told to `onError`. An outage throws.
 */
export async function openCookie<T = JsonValue>(
  kw: Keywright,
  name: string,
  header: string | undefined,
  options: CookieOptions = {},
): Promise<OpenedCookie<T> | undefined> {
  return new CookieSealer<T>(kw, name, options).open(header)
}

/** Set-Cookie that makes the browser forget the cookie. Pass the options that it was sealed with. */
export function clearCookie(name: string, options: CookieAttributes = {}): string {
  return new CookieShape(name, options).header('', 0)
}
