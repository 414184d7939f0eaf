/** The options of the Redis store, checked: they come from code or from the query of a URL. */

import { parseRedisTarget, type RedisTarget, TARGET_OPTIONS, withQuery } from '../../clients/redis/target.ts'
import { flag, RedisTargetError } from '../../clients/redis/values.ts'
import { KeywrightError } from '../../src/store.ts'
import { STORE_URL } from './errors.ts'

/** Checked options, with all defaults. */
export interface RedisStoreSettings {
  readonly target: RedisTarget
  readonly namespace: string
  readonly allowEviction: boolean
  readonly requirePersistence: boolean
}

const KNOWN: readonly string[] = [...TARGET_OPTIONS, 'namespace', 'allowEviction', 'requirePersistence']

const NAMESPACE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/

/** @throws KeywrightError ERR_CONFIG_INVALID naming the option, never the value. */
export function parseOptions(options: Readonly<Record<string, unknown>>): RedisStoreSettings {
  try {
    const unknown = Object.keys(options).some((option) => option !== 'url' && !KNOWN.includes(option))
    if (unknown)
      throw new RedisTargetError('', 'an option does not exist', `the options are url, ${KNOWN.join(', ')}`)
    const given = withQuery(options, KNOWN)
    return {
      target: parseRedisTarget(given),
      namespace: namespaceOf(given['namespace'] ?? 'keywright'),
      allowEviction: flag('allowEviction', given['allowEviction'] ?? false),
      requirePersistence: flag('requirePersistence', given['requirePersistence'] ?? false),
    }
  } catch (error) {
    if (!(error instanceof RedisTargetError)) throw error
    const { hint, message, option } = error
    throw new KeywrightError('ERR_CONFIG_INVALID', `the redis store: ${message}`, {
      hint: `${STORE_URL}: ${hint}`,
      ...(option === '' ? {} : { details: { option, variable: STORE_URL } }),
    })
  }
}

function namespaceOf(value: unknown): string {
  if (typeof value === 'string' && NAMESPACE.test(value)) return value
  const hint = 'use letters, digits, ".", "_", ":" and "-", a letter or digit first'
  throw new RedisTargetError('namespace', '"namespace" has a form that is not allowed', hint)
}
