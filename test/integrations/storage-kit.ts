/** What the tests of sessions, cookies, caches and logs share. */
import { faultyProvider } from '../../src/testing/faulty-provider.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { Keywright } from '../kit/library.ts'
import { serverFor } from '../kit/servers.ts'
import type { World } from '../kit/world.ts'

/** Text that must never be seen outside of the application. */
export const SECRET = 'ada-lovelace-1815'

/** A process that starts while the provider is down: it has no key open. The caller closes it. */
export function duringOutage(world: World): Keywright {
  return new Keywright({
    provider: faultyProvider(world.provider.client(), { rules: [{ fault: 'unavailable' }] }),
    store: world.store.client(),
    policy: world.policy,
    clock: world.clock.forProcess(),
    resilience: { attempts: 1, breakAfter: 1_000_000, rememberFailureMs: 0 },
  })
}

/** Revokes the active key of a key type: what it encrypted is refused from then on, where the policy says so. */
export async function revokeActive(kw: Keywright, keyType = 'session'): Promise<void> {
  const active = await kw.keys.active(keyType)
  if (active === undefined) throw new Error('there is no active key')
  await kw.keys.revoke(active.id, 'test')
}

/** A Redis of its own for a test file, or why there is none. */
export async function redisFor(): Promise<
  { readonly skip: string; start?: undefined } | { readonly skip?: undefined; start(): Promise<RedisServer> }
> {
  const { skip } = await serverFor(redis)
  return skip === undefined ? { start: () => startRedis() } : { skip }
}

/** A browser's jar for one site, as far as names and values go. */
export class Jar {
  readonly cookies = new Map<string, string>()
  /** Set-Cookie of the last response. */
  last: readonly string[] = []

  get header(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  take(response: Response): Response {
    this.last = response.headers.getSetCookie()
    for (const line of this.last) {
      const [pair = ''] = line.split(';')
      const at = pair.indexOf('=')
      const value = pair.slice(at + 1)
      if (value === '') this.cookies.delete(pair.slice(0, at))
      else this.cookies.set(pair.slice(0, at), value)
    }
    return response
  }

  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    return this.take(await fetch(url, { ...init, headers: { cookie: this.header } }))
  }
}
