/** Whether a Redis may hold master keys: looked up before something depends on it, and again from time to time. */

import { evicts, inspectRedis, type RedisFindings, redisWarnings } from '../../clients/redis/inspect.ts'
import type { RedisLink } from '../../clients/redis/link.ts'
import { KeywrightError } from '../../src/provider.ts'
import { redisError } from './errors.ts'
import type { RedisSettings } from './options.ts'

/** Settings of a server may be changed while it runs. */
const LOOK_AGAIN_MS = 60_000

export interface RedisFitness {
  /** @throws KeywrightError ERR_MASTER_KEY_UNSUITABLE, and what asking the server throws. */
  assert(): Promise<void>
  /** Asks now. */
  look(): Promise<RedisFindings>
  /** From the last look. */
  found(): RedisFindings | undefined
  warnings(): string[]
}

export function redisFitness(link: RedisLink, settings: RedisSettings): RedisFitness {
  const { location } = link.target
  let found: RedisFindings | undefined
  let lookedAt = Number.NEGATIVE_INFINITY

  async function look(): Promise<RedisFindings> {
    try {
      found = await inspectRedis(link)
    } catch (error) {
      throw redisError(error, location)
    }
    lookedAt = performance.now()
    return found
  }

  return {
    look,
    async assert() {
      const known = performance.now() - lookedAt < LOOK_AGAIN_MS ? found : undefined
      const { eviction, persistence } = known ?? (await look())
      if (eviction !== undefined && !settings.allowEviction) {
        throw unsuitable(
          `${location} ${evicts(eviction)}`,
          'set maxmemory-policy noeviction there, or accept the loss with ENCRYPTION_REDIS_ALLOW_EVICTION=true',
        )
      }
      if (settings.requirePersistence && persistence !== 'append-only') {
        throw unsuitable(
          `${location} has no append-only file, or nobody could check (${persistence})`,
          'set appendonly yes there and allow INFO, or unset ENCRYPTION_REDIS_REQUIRE_PERSISTENCE',
        )
      }
    },
    found: () => found,
    warnings: () => (found === undefined ? [] : redisWarnings(link, found)),
  }
}

function unsuitable(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_MASTER_KEY_UNSUITABLE', message, { hint })
}
