/**
 * An encrypted cookie for Hono:
 *
 *     const cart = honoCookie<Cart>(kw, 'cart', { hostPrefix: true })
 *     app.use(cart)
 *     app.post('/cart', async (c) => { await cart.of(c).set({ items: [1] }); return c.text('ok') })
 */
import type { JsonValue } from '../data/codecs.ts'
import { KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import { type CookieOptions, CookieSealer } from './cookie.ts'
import { type CookieHandle, cookieHandle } from './shared/cookie-handle.ts'

export type { CookieOptions } from './cookie.ts'
export type { CookieHandle } from './shared/cookie-handle.ts'

/** The part of Hono's context that is needed. */
export interface HonoContext {
  readonly req: { header(name: string): string | undefined }
  header(name: string, value?: string, options?: { append?: boolean }): void
}

/** A middleware of Hono, and the cookie of a request that went through it. */
export interface HonoCookie<T> {
  (context: HonoContext, next: () => Promise<void>): Promise<void>
  /** Throws ERR_ARGUMENT_INVALID for a request that did not go through the middleware. */
  of(context: object): CookieHandle<T>
}

/** Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. */
export function honoCookie<T = JsonValue>(
  kw: Keywright,
  name: string,
  options: CookieOptions = {},
): HonoCookie<T> {
  const sealer = new CookieSealer<T>(kw, name, options)
  const handles = new WeakMap<object, CookieHandle<T>>()
  const middleware = async (context: HonoContext, next: () => Promise<void>): Promise<void> => {
    let pending: string | undefined
    const handle = await cookieHandle(sealer, context.req.header('cookie'), (setCookie) => {
      pending = setCookie
    })
    handles.set(context, handle)
    await next()
    // Now, because a handler that returns a Response of its own has no headers set before.
    if (pending !== undefined) context.header('set-cookie', pending, { append: true })
  }
  const of = (context: object): CookieHandle<T> => {
    const handle = handles.get(context)
    if (handle !== undefined) return handle
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `cookie "${sealer.shape.name}" was not read`, {
      hint: 'register the middleware before the handler: app.use(cookie)',
    })
  }
  return Object.assign(middleware, { of })
}
