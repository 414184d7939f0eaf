/**
 * An encrypted cookie for node:http, and for what is built on its requests and responses (Express, Connect):
 *
 *     const cart = nodeCookie<Cart>(kw, 'cart', { hostPrefix: true })
 *     createServer(async (request, response) => {
 *       const cookie = await cart(request, response)
 *       await cookie.set({ items: [...(cookie.value?.items ?? []), 1] })
 *       response.end()
 *     })
 */
import type { JsonValue } from '../data/codecs.ts'
import { KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import { type CookieOptions, CookieSealer } from './cookie.ts'
import { type CookieHandle, cookieHandle } from './shared/cookie-handle.ts'

export type { CookieOptions } from './cookie.ts'
export type { CookieHandle } from './shared/cookie-handle.ts'

/** The part of an IncomingMessage that is needed. */
export interface NodeRequest {
  readonly headers: { readonly cookie?: string | undefined }
}

/** The part of a ServerResponse that is needed. */
export interface NodeResponse {
  readonly headersSent: boolean
  getHeader(name: string): number | string | readonly string[] | undefined
  setHeader(name: string, value: readonly string[]): unknown
}

/** Gives the cookie of a request. `set` and `clear` work until the response's headers are sent. */
export type NodeCookie<T> = (request: NodeRequest, response: NodeResponse) => Promise<CookieHandle<T>>

/** Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. */
export function nodeCookie<T = JsonValue>(
  kw: Keywright,
  name: string,
  options: CookieOptions = {},
): NodeCookie<T> {
  const sealer = new CookieSealer<T>(kw, name, options)
  return (request, response) =>
    cookieHandle(sealer, request.headers.cookie, (setCookie) => send(response, sealer.shape.name, setCookie))
}

/** In the place of what was set for this cookie before, beside other cookies. */
function send(response: NodeResponse, name: string, setCookie: string): void {
  if (response.headersSent) {
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      `cookie "${name}" comes too late: the headers are sent`,
      {
        hint: 'set it before the first write or end of the response',
      },
    )
  }
  const before = response.getHeader('set-cookie') ?? []
  const others = (Array.isArray(before) ? before : [before]).map(String)
  response.setHeader('set-cookie', [...others.filter((one) => !one.startsWith(`${name}=`)), setCookie])
}
