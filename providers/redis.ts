/** Master keys in Redis, sealed under a root secret: shared by all processes that reach it. */

import { type RedisLibrary, RedisLink } from '../clients/redis/link.ts'
import type { RedisTargetOptions } from '../clients/redis/target.ts'
import {
  type CallOptions,
  importLib,
  type KeyProvider,
  KeywrightError,
  type LibImport,
  type MasterKeyDescription,
  type PrivilegePolicy,
  type ProviderOperation,
  type ProviderSettings,
} from '../src/provider.ts'
import type { KdfOptions } from './local/kdf.ts'
import { rootSecretMissing } from './local/key-file-io.ts'
import { localProvider, type MasterKey, type MasterKeySource } from './local/local-provider.ts'
import { holdRootSecret, parseRootSecret, type RootSecret } from './local/root-secret.ts'
import { redisErrorCode } from './redis/errors.ts'
import { type RedisFitness, redisFitness } from './redis/fitness.ts'
import { type OpenedMasterKeys, RedisMasterKeys } from './redis/master-keys.ts'
import { parseOptions, type RedisSettings } from './redis/options.ts'
import { untilAborted } from './redis/until-aborted.ts'

export type { RedisTargetOptions } from '../clients/redis/target.ts'

export interface RedisProviderOptions extends RedisTargetOptions {
  /** Instance name, stored with every wrap. @default 'redis' */
  readonly name?: string
  /** What the master keys are sealed with. Redis never holds unsealed ones. */
  readonly rootSecret: RootSecret
  /** Name of the master key. @default 'default' */
  readonly keyId?: string
  /** Wraps under this version in place of the current one. Such a provider does not rotate. */
  readonly keyVersion?: string
  /** Begins the name of the Redis key, in braces, which keep it in one slot of a cluster. @default 'keywright' */
  readonly namespace?: string
  /** Makes the master key when there is none at the first use. @default false */
  readonly create?: boolean
  /** Wraps also where the server may drop keys when its memory is short. @default false */
  readonly allowEviction?: boolean
  /** Refuses to wrap where the server has no append-only file, or nobody may check. @default false */
  readonly requirePersistence?: boolean
  /** A wrap asks the server when the last answer is older, in milliseconds. @default 1_000 */
  readonly checkIntervalMs?: number
  /** Cost of the key derivation from a password when the master key is made. */
  readonly kdf?: KdfOptions
  /** Your own copy of ioredis. */
  readonly lib?: LibImport<RedisLibrary>
}

const NAME = 'redis'

/**
 * The Redis provider. It connects with the first call, and again with the next call after the connection broke. Calls
 * throw KeywrightError: ERR_PROVIDER_UNAVAILABLE, _UNAUTHENTICATED, _DENIED, _STANDBY (a replica), _THROTTLED, _FAILED,
 * ERR_MASTER_KEY_NOT_FOUND, ERR_MASTER_KEY_UNSUITABLE (a server that may drop keys), ERR_KEY_FILE_EMPTY, _TRUNCATED,
 * _CORRUPT, _UNSEALED, _FOREIGN, _ROLLED_BACK (what is stored is a key file), ERR_ROOT_SECRET_WRONG, ERR_UNWRAP_FAILED.
 *
 * @throws KeywrightError ERR_CONFIG_INVALID, ERR_ROOT_SECRET_MISSING, ERR_ROOT_SECRET_INVALID at once.
 */
export default function redisProvider(options: RedisProviderOptions): KeyProvider {
  const { create = false, kdf, lib, name = NAME, rootSecret, ...rest } = options
  if (rootSecret === undefined) throw rootSecretMissing('Redis holds master keys sealed only')
  const settings = parseOptions(rest)
  // A copy that cannot be loaded is reported as one that is missing.
  const load = async () => (typeof lib === 'function' ? lib() : (lib ?? import('ioredis')))
  const library = () => importLib<RedisLibrary>('ioredis', undefined, load)
  const link = new RedisLink({ target: settings.target, library })
  const fitness = redisFitness(link, settings)
  const { checkIntervalMs, key } = settings
  const root = holdRootSecret(rootSecret)
  const keys = new RedisMasterKeys({
    assertFit: fitness.assert,
    checkIntervalMs,
    create,
    kdf,
    key,
    link,
    root,
  })
  return abortable(localProvider(name, sourceOf(keys, settings, fitness, link)), link, fitness)
}

export { redisProvider }

function sourceOf(
  keys: RedisMasterKeys,
  { pinnedVersion }: RedisSettings,
  fitness: RedisFitness,
  link: RedisLink,
): MasterKeySource {
  async function find(id: string, version: string): Promise<MasterKey> {
    const known = await keys.known()
    if (id !== known.masterKeyId)
      throw notFound(`another master key than that of ${keys.location} wrapped this`)
    // Another process may have added the version since the keys were read.
    const found = pick(known, version) ?? pick(await keys.reload(), version)
    if (found !== undefined) return found
    throw notFound(`there is no such master key version: ${keys.location}`)
  }
  return {
    async current(isDescription) {
      // What is there stays readable on a server that may lose it; nothing new comes to depend on it.
      await (isDescription ? fitness.look() : fitness.assert())
      const { keyset, masterKeyId } = await keys.fresh(isDescription)
      return find(masterKeyId, pinnedVersion ?? String(keyset.current))
    },
    find,
    warnings: fitness.warnings,
    close() {
      keys.close()
      link.close()
    },
    ...(pinnedVersion === undefined ? { rotate: (signal) => keys.rotate(signal) } : {}),
  }
}

function pick(opened: OpenedMasterKeys, version: string): MasterKey | undefined {
  const found = opened.keyset.versions.find((known) => String(known.version) === version)
  return found && { createdAt: found.createdAt, id: opened.masterKeyId, key: found.key, version }
}

/** The id of the wrap is stored data, so it is not repeated. */
function notFound(message: string): KeywrightError {
  return new KeywrightError('ERR_MASTER_KEY_NOT_FOUND', message, {
    hint: 'let ENCRYPTION_KEY_ID, ENCRYPTION_REDIS_URL and ENCRYPTION_REDIS_NAMESPACE name the master key that made the wrap, or restore Redis',
  })
}

/** `local` with calls that end when their signal says so, and with what the server tells of itself. */
function abortable(local: KeyProvider, link: RedisLink, fitness: RedisFitness): KeyProvider {
  async function describeMasterKey(options?: CallOptions): Promise<MasterKeyDescription> {
    const master = await untilAborted(options, () => local.describeMasterKey(options))
    const time = await untilAborted(options, () => timeOf(link))
    const version = fitness.found()?.version
    const server = { ...(version === undefined ? {} : { version }), ...(time === undefined ? {} : { time }) }
    return { ...master, server: { ...server, tls: link.target.tls } }
  }
  const { rewrapKey, rotateMasterKey } = local
  return {
    ...local,
    wrapKey: (key, context, options) => untilAborted(options, () => local.wrapKey(key, context, options)),
    unwrapKey: (wrapped, context, options) =>
      untilAborted(
        options,
        () => local.unwrapKey(wrapped, context, options),
        (key) => key.fill(0),
      ),
    describeMasterKey,
    errorCode: redisErrorCode,
    ...(rewrapKey && {
      rewrapKey: (wrapped, context, options) =>
        untilAborted(options, () => rewrapKey(wrapped, context, options)),
    }),
    ...(rotateMasterKey && {
      rotateMasterKey: (options) => untilAborted(options, () => rotateMasterKey(options)),
    }),
  }
}

/** The clock of the server; `undefined` where it may not be asked. */
async function timeOf(link: RedisLink): Promise<number | undefined> {
  const [seconds, micros] = (await link.command('TIME').catch(() => [])) as unknown[]
  return seconds === undefined ? undefined : Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

/** The provider by configuration. Throws as the factory does. */
export async function configure(settings: ProviderSettings): Promise<KeyProvider> {
  const { create, name, options, rootSecret } = settings
  if (rootSecret === undefined) throw rootSecretMissing(`Redis ("${name}") holds master keys sealed only`)
  parseOptions(options) // what only code may pass is refused here
  return redisProvider({ ...options, create, name, rootSecret: parseRootSecret(rootSecret) })
}

/** What the ACL user needs. */
export const permissions: Readonly<Partial<Record<ProviderOperation, string>>> = {
  wrap: '+get +info, read access to the key',
  unwrap: '+get, read access to the key',
  describe: '+get +info +config|get +time, read access to the key',
  rotate: '+get +set +evalsha +eval +info, read and write access to the key',
  rewrap: '+get +info, read access to the key',
}

/** ACL rules: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/ */
export function leastPrivilege({ options }: ProviderSettings): PrivilegePolicy {
  const { key, target } = parseOptions({ url: 'redis://localhost', ...options })
  const connect = `+client|setname +select +time +info +config|get${target.kind === 'cluster' ? ' +cluster|slots' : ''}`
  return {
    title: 'Redis ACL: a user that wraps and unwraps, and one that also makes and rotates the master key',
    format: 'shell',
    text: [
      `ACL SETUSER keywright on '><password>' resetkeys resetchannels -@all '%R~${key}' ${connect} +get`,
      `ACL SETUSER keywright-admin on '><password>' resetkeys resetchannels -@all '~${key}' ${connect} +get +set +eval +evalsha`,
    ].join('\n'),
  }
}
