/** Where the server of a source is, and the client that reaches it. */
import type { RedisLibrary } from '../../clients/redis/link.ts'
import {
  parseRedisTarget,
  type RedisTarget,
  type RedisTargetOptions,
  TARGET_OPTIONS,
  withQuery,
} from '../../clients/redis/target.ts'
import { RedisTargetError } from '../../clients/redis/values.ts'
import { KeywrightError } from '../../src/source.ts'
import { sourceError } from '../shared/errors.ts'
import { toSourceError } from './failure.ts'

/** A copy of ioredis, or what gives one. */
export type GivenLibrary = RedisLibrary | (() => RedisLibrary | Promise<RedisLibrary>)

/** Checked options. Throws ERR_CONFIG_INVALID naming the option, never its value; ERR_SOURCE_INVALID for a cluster. */
export function targetOf(name: string, options: RedisTargetOptions): RedisTarget {
  try {
    const known: readonly string[] = ['url', ...TARGET_OPTIONS]
    if (!Object.keys(options).every((option) => known.includes(option))) {
      throw new RedisTargetError(
        '',
        'an option does not exist',
        `the options are pattern, ${known.join(', ')}`,
      )
    }
    const target = parseRedisTarget(withQuery({ ...options }, TARGET_OPTIONS))
    if (target.kind === 'cluster') throw clusterError(name)
    return target
  } catch (error) {
    if (!(error instanceof RedisTargetError)) throw error
    throw sourceError('ERR_CONFIG_INVALID', name, {
      says: `is misconfigured: ${error.message}`,
      hint: error.hint,
    })
  }
}

/** Redis Cluster: SCAN would tell the keys of one node alone. */
export function clusterError(name: string): KeywrightError {
  return toSourceError(new Error('MOVED'), name)
}

/** The given library, else the installed one. Throws ERR_DEPENDENCY_MISSING. */
export async function loadLibrary(lib: GivenLibrary | undefined): Promise<RedisLibrary> {
  if (lib !== undefined) return typeof lib === 'function' ? lib() : lib
  try {
    return (await import('ioredis')) as unknown as RedisLibrary
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'cannot import ioredis', {
      hint: 'npm install ioredis, or pass the module as the "lib" option',
    })
  }
}
