/** The outside of a cookie: its name and attributes, checked once, and the size that browsers take. */
import { type SetCookie, stringifySetCookie } from 'cookie'
import { KeywrightError } from '../../errors.ts'

export interface CookieAttributes {
  /** How long it is valid, in seconds: Max-Age, and the expiry inside the ciphertext. @default 86_400 */
  readonly maxAgeSeconds?: number
  /** @default '/' */
  readonly path?: string
  /** @default the host that sets it, without its subdomains */
  readonly domain?: string
  /** @default true */
  readonly secure?: boolean
  /** @default true */
  readonly httpOnly?: boolean
  /** @default 'lax' */
  readonly sameSite?: 'strict' | 'lax' | 'none'
  /** A cookie of its own for every site that embeds this one. @default false */
  readonly partitioned?: boolean
  /** Puts `__Host-` before the name: browsers then take it only over HTTPS, for this host, for all paths. @default false */
  readonly hostPrefix?: boolean
}

/** RFC 6265 section 4.1.1: a token. */
const NAME = /^[\w!#$%&'*+.^`|~-]{1,256}$/
const HOST_PREFIX = '__Host-'
const DAY_SECONDS = 86_400
/** What RFC 6265 section 6.1 asks browsers to take for name, value and attributes together; they take no more. */
const MAX_BYTES = 4096
/** What encryption makes of n bytes: 4/3 of them, after a constant. */
const GROWTH = 4 / 3

/** Name and attributes of one cookie. Throws ERR_ARGUMENT_INVALID for what a browser would refuse. */
export class CookieShape {
  readonly name: string
  readonly maxAgeSeconds: number
  readonly #attributes: Omit<SetCookie, 'name' | 'value' | 'maxAge'>

  constructor(name: string, options: CookieAttributes) {
    const { hostPrefix = false, maxAgeSeconds = DAY_SECONDS, path = '/', domain, partitioned } = options
    const { secure = true, httpOnly = true, sameSite = 'lax' } = options
    if (typeof name !== 'string' || !NAME.test(name))
      throw invalid('the name of a cookie', "letters, digits and !#$%&'*+.^_`|~- only")
    this.name = hostPrefix && !name.startsWith(HOST_PREFIX) ? HOST_PREFIX + name : name
    this.maxAgeSeconds = maxAgeSeconds
    const isHost = this.name.startsWith(HOST_PREFIX)
    if (isHost && (!secure || path !== '/' || domain !== undefined))
      throw invalid('a __Host- cookie', 'it needs secure: true, path: "/" and no domain')
    if (!secure && (this.name.startsWith('__Secure-') || sameSite === 'none' || partitioned === true))
      throw invalid('a cookie', '__Secure-, sameSite: "none" and partitioned need secure: true')
    if (!Number.isSafeInteger(maxAgeSeconds) || maxAgeSeconds < 1)
      throw invalid('maxAgeSeconds', 'a whole number of seconds, at least 1')
    this.#attributes = {
      path,
      secure,
      httpOnly,
      sameSite,
      ...(domain === undefined ? {} : { domain }),
      ...(partitioned === undefined ? {} : { partitioned }),
    }
    this.header('', 0) // a path or domain that cannot be written fails here
  }

  /** The value of Set-Cookie. */
  header(value: string, maxAgeSeconds: number): string {
    try {
      return stringifySetCookie({ ...this.#attributes, name: this.name, value, maxAge: maxAgeSeconds })
    } catch {
      throw invalid('path or domain of a cookie', 'a path begins with "/"; a domain is a host name')
    }
  }

  /** The same, or ERR_VALUE_TOO_LARGE with the numbers. `jsonBytes`: of what was encrypted. */
  fitting(value: string, maxAgeSeconds: number, jsonBytes: number): string {
    const header = this.header(value, maxAgeSeconds)
    const bytes = Buffer.byteLength(header)
    if (bytes <= MAX_BYTES) return header
    const fits = jsonBytes - Math.ceil((bytes - MAX_BYTES) / GROWTH)
    throw new KeywrightError(
      'ERR_VALUE_TOO_LARGE',
      `cookie "${this.name}" would take ${bytes} bytes with its attributes; browsers keep at most ${MAX_BYTES}`,
      {
        hint:
          `about ${fits} bytes of JSON fit, the value has ${jsonBytes}: keep less in it, or keep the data in a ` +
          'session store and only an id in the cookie',
        details: { cookie: this.name, bytes, limit: MAX_BYTES, jsonBytes, fits },
      },
    )
  }
}

function invalid(what: string, allowed: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `${what} is not possible`, { hint: allowed })
}
