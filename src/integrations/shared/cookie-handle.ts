/** The cookie of one request, as handlers hold it. */
import type { CookieSealer, OpenedCookie } from '../cookie.ts'

export interface CookieHandle<T> {
  /** What the request brought, or what was set since. undefined: none that opens. */
  readonly value: T | undefined
  /**
   * Encrypts and sends it with the response. Throws ERR_VALUE_TOO_LARGE above 4096 bytes, ERR_VALUE_TYPE for what is no
   * JSON, and what encryption throws.
   */
  set(value: T): Promise<void>
  /** Makes the browser forget it. */
  clear(): void
}

/** Opens the cookie of a request, and renews it when its key is old. `send` gets the value of Set-Cookie. */
export async function cookieHandle<T>(
  sealer: CookieSealer<T>,
  header: string | undefined,
  send: (setCookie: string) => void,
): Promise<CookieHandle<T>> {
  const opened: OpenedCookie<T> | undefined = await sealer.open(header)
  const renewed = opened && (await sealer.renew(opened))
  if (renewed !== undefined) send(renewed)
  let current = opened?.value
  return {
    get value() {
      return current
    },
    async set(value) {
      send(await sealer.seal(value))
      current = value
    },
    clear() {
      send(sealer.clear())
      current = undefined
    },
  }
}
