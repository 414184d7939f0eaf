/** The options of the Redis provider, checked: they come from code, from a policy document or from the environment. */

import { parseRedisTarget, type RedisTarget, TARGET_OPTIONS, withQuery } from '../../clients/redis/target.ts'
import { flag, milliseconds, RedisTargetError } from '../../clients/redis/values.ts'
import { KeywrightError } from '../../src/provider.ts'

/** Checked options, with all defaults. */
export interface RedisSettings {
  readonly target: RedisTarget
  /** The Redis key that holds the master keys. */
  readonly key: string
  readonly pinnedVersion: string | undefined
  readonly allowEviction: boolean
  readonly requirePersistence: boolean
  readonly checkIntervalMs: number
}

const OWN_OPTIONS = [
  'keyId',
  'keyVersion',
  'namespace',
  'allowEviction',
  'requirePersistence',
  'checkIntervalMs',
] as const
const KNOWN: readonly string[] = [...TARGET_OPTIONS, ...OWN_OPTIONS]

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const NAMESPACE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/
const VERSION = /^[1-9]\d{0,14}$/

/**
 * Checks options; those in the query of the URL count where the option itself is not given.
 *
 * @throws KeywrightError ERR_CONFIG_INVALID naming option and environment variable, never the value.
 */
export function parseOptions(options: Readonly<Record<string, unknown>>): RedisSettings {
  try {
    const unknown = Object.keys(options).find((option) => option !== 'url' && !KNOWN.includes(option))
    if (unknown !== undefined) {
      throw new RedisTargetError('', 'an option does not exist', `the options are url, ${KNOWN.join(', ')}`)
    }
    const given = withQuery(options, KNOWN)
    if (given['url'] === undefined && given['sentinels'] === undefined && !Array.isArray(given['cluster'])) {
      throw new RedisTargetError('url', 'there is no URL', 'write redis://user:password@host:6379/0')
    }
    return settingsOf(given)
  } catch (error) {
    if (!(error instanceof RedisTargetError)) throw error
    throw invalid(error)
  }
}

function settingsOf(given: Readonly<Record<string, unknown>>): RedisSettings {
  const keyId = named('keyId', given['keyId'] ?? 'default', NAME)
  const namespace = named('namespace', given['namespace'] ?? 'keywright', NAMESPACE)
  const version = given['keyVersion']
  return {
    target: parseRedisTarget(given),
    key: masterKeyName(namespace, keyId),
    pinnedVersion: version === undefined ? undefined : named('keyVersion', String(version), VERSION),
    allowEviction: flag('allowEviction', given['allowEviction'] ?? false),
    requirePersistence: flag('requirePersistence', given['requirePersistence'] ?? false),
    checkIntervalMs: milliseconds('checkIntervalMs', given['checkIntervalMs'] ?? 1_000, 0),
  }
}

/** In braces stands what Redis Cluster hashes: all keys of a namespace are in one slot. */
function masterKeyName(namespace: string, keyId: string): string {
  return `{${namespace}}:master:${keyId}`
}

/** The environment variable of an option. */
function variableOf(option: string): string {
  const snake = option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  return option === 'keyId' || option === 'keyVersion' ? `ENCRYPTION_${snake}` : `ENCRYPTION_REDIS_${snake}`
}

function named(option: string, value: unknown, form: RegExp): string {
  if (typeof value === 'string' && form.test(value)) return value
  const hint =
    form === VERSION
      ? 'pass a whole number from 1'
      : 'use letters, digits, ".", "_" and "-", a letter or digit first'
  throw new RedisTargetError(option, `"${option}" has a form that is not allowed`, hint)
}

function invalid({ hint, message, option }: RedisTargetError): KeywrightError {
  const where = option === '' ? hint : `${variableOf(option)}: ${hint}`
  return new KeywrightError('ERR_CONFIG_INVALID', `the redis provider: ${message}`, {
    hint: where,
    ...(option === '' ? {} : { details: { option, variable: variableOf(option) } }),
  })
}
