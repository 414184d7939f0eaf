/** The sealed master keys under one name of a Redis: reads them when they changed, refuses to go back, adds versions. */
import type { KeyObject } from 'node:crypto'
import { RedisFailure } from '../../clients/redis/failure.ts'
import { type RedisLink, redisScript } from '../../clients/redis/link.ts'
import { KeywrightError } from '../../src/provider.ts'
import { assertNotAborted } from '../local/call.ts'
import { deriveSealingKey, type Kdf, type KdfOptions, newKdf } from '../local/kdf.ts'
import { masterKeyIdOf } from '../local/key-file-io.ts'
import {
  addMasterKeyVersion,
  createMasterKeyset,
  formatKeyFile,
  type MasterKeyset,
  openSealedKeyset,
  parseKeyFile,
} from '../local/master-keyset.ts'
import type { HeldRootSecret } from '../local/root-secret.ts'
import { redisError } from './errors.ts'

export interface RedisMasterKeysSettings {
  readonly link: RedisLink
  /** The Redis key that holds the master keys. */
  readonly key: string
  readonly root: HeldRootSecret
  /** Make a master key when there is none at the first use. */
  readonly create: boolean
  readonly checkIntervalMs: number
  readonly kdf?: KdfOptions | undefined
  /** Runs before anything is written. Throws when the server is no place for keys. */
  readonly assertFit: () => Promise<void>
}

/** The master keys as they were read. */
export interface OpenedMasterKeys {
  readonly keyset: MasterKeyset
  readonly masterKeyId: string
  readonly text: string
  readonly seal: { readonly kdf: Kdf; readonly key: KeyObject }
}

/** Each loser adds its version to what the winner wrote. */
const ROTATE_ATTEMPTS = 50

const REPLACE = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`)

export class RedisMasterKeys {
  /** Where the master keys are, for messages. */
  readonly location: string
  readonly #settings: RedisMasterKeysSettings
  #opened: OpenedMasterKeys | undefined
  #checkedAt = Number.NEGATIVE_INFINITY
  #derived: { readonly parameters: string; readonly key: KeyObject } | undefined
  #closed = false
  /** Loads run one after another, so that an older content never replaces a newer one. */
  #running: Promise<unknown> = Promise.resolve()
  #waiting: Promise<OpenedMasterKeys> | undefined

  /** The server is first asked by the first call. */
  constructor(settings: RedisMasterKeysSettings) {
    this.#settings = settings
    this.location = `${settings.key} in ${settings.link.target.location}`
  }

  /** What is in memory, for unwrapping: versions never change, and a lost server is no reason to stop reading. */
  async known(): Promise<OpenedMasterKeys> {
    return this.#opened ?? this.reload()
  }

  /**
   * What is in Redis, for wrapping: nothing is wrapped under a key that is not there any more. Asks when the last
   * answer is older than the interval, or now when `always`.
   */
  async fresh(always: boolean): Promise<OpenedMasterKeys> {
    const isRecent = performance.now() - this.#checkedAt < this.#settings.checkIntervalMs
    if (this.#opened !== undefined && !always && isRecent) return this.#opened
    return this.reload()
  }

  /** Asks after this call has begun, once for all who wait. */
  reload(): Promise<OpenedMasterKeys> {
    if (this.#waiting === undefined) {
      const load = this.#running.then(() => {
        this.#waiting = undefined
        return this.#load()
      })
      this.#waiting = load
      this.#running = load.catch(() => undefined)
    }
    return this.#waiting
  }

  /** Adds a master key version to what is there then, by compare-and-set. */
  async rotate(signal: AbortSignal | undefined): Promise<void> {
    for (let attempt = 0; attempt < ROTATE_ATTEMPTS; attempt++) {
      const { keyset, seal, text } = await this.fresh(true)
      const next = formatKeyFile(addMasterKeyVersion(keyset, Date.now()), seal)
      await this.#settings.assertFit()
      assertNotAborted(signal)
      if (await this.#replace(text, next)) {
        await this.reload() // new wraps use what was read back
        return
      }
    }
    throw new KeywrightError('ERR_PROVIDER_BUSY', `others rotate all the time: ${this.location}`, {
      hint: 'try again when they are done',
    })
  }

  /** Forgets the keys. */
  close(): void {
    this.#closed = true
    this.#opened = undefined
    this.#derived = undefined
  }

  async #replace(before: string, after: string): Promise<boolean> {
    const { key, link } = this.#settings
    return (await this.#asked(() => link.script(REPLACE, [key], [before, after]))) === 1
  }

  async #load(): Promise<OpenedMasterKeys> {
    const now = performance.now()
    this.#checkedAt = Number.NEGATIVE_INFINITY // a failure is looked at again by the next wrap
    const text = await this.#read()
    const before = this.#opened
    const opened = text === before?.text ? before : await this.#unseal(text)
    if (before !== undefined && opened !== before) this.#assertSuccessor(before.keyset, opened.keyset)
    if (this.#closed) return opened
    this.#opened = opened
    this.#checkedAt = now
    return opened
  }

  /**
   * Makes a master key only when this process has not seen one yet: one that went away is not replaced by another.
   */
  async #read(): Promise<string> {
    const found = await this.#get()
    if (found !== undefined) return found
    const { create, key, link } = this.#settings
    if (!create || this.#opened !== undefined) throw this.#missing()
    await this.#settings.assertFit()
    const text = formatKeyFile(createMasterKeyset(Date.now()), await this.#newSeal())
    await this.#asked(() => link.command('SET', key, text, 'NX')) // another process may be first: its key counts
    const made = await this.#get()
    if (made === undefined) throw this.#missing()
    return made
  }

  async #get(): Promise<string | undefined> {
    const { key, link } = this.#settings
    const value = await this.#asked(() => link.command('GET', key))
    return typeof value === 'string' ? value : undefined
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof RedisFailure) || error.kind !== 'wrong-type') {
        throw redisError(error, this.#settings.link.target.location)
      }
      throw new KeywrightError(
        'ERR_KEY_FILE_FOREIGN',
        `something else than a master key is at ${this.location}`,
        {
          hint: 'another program uses this name: change ENCRYPTION_REDIS_NAMESPACE or ENCRYPTION_KEY_ID',
        },
      )
    }
  }

  async #newSeal(): Promise<OpenedMasterKeys['seal']> {
    const { kdf: options, root } = this.#settings
    const kdf = newKdf(root.kind, options)
    return { kdf, key: await this.#sealingKey(kdf) }
  }

  async #unseal(text: string): Promise<OpenedMasterKeys> {
    const { root } = this.#settings
    const document = parseKeyFile(text, this.location)
    const { kdf } = document
    if (kdf === undefined) {
      // Else whoever can write to Redis could hand us master keys of their own.
      throw new KeywrightError('ERR_KEY_FILE_UNSEALED', `the master keys are not sealed: ${this.location}`, {
        hint: 'put a sealed key file there, or remove it and make a new master key if nothing was encrypted',
      })
    }
    const sealedWith = kdf.name === 'hkdf-sha256' ? 'root key' : 'password'
    if ((sealedWith === 'root key') !== (root.kind === 'key')) {
      throw new KeywrightError('ERR_ROOT_SECRET_WRONG', `sealed with a ${sealedWith}: ${this.location}`, {
        hint: `configure the ${sealedWith} with which it was made: ENCRYPTION_MASTER_${root.kind === 'key' ? 'PASSWORD' : 'KEY'}`,
      })
    }
    const key = await this.#sealingKey(kdf)
    const keyset = openSealedKeyset(document, key)
    if (keyset !== undefined)
      return { keyset, masterKeyId: masterKeyIdOf(keyset.id), seal: { kdf, key }, text }
    throw new KeywrightError(
      'ERR_ROOT_SECRET_WRONG',
      `wrong ${sealedWith} or damaged value: ${this.location}`,
      {
        hint: 'check ENCRYPTION_MASTER_KEY or ENCRYPTION_MASTER_PASSWORD; if it is right, restore Redis from a backup',
      },
    )
  }

  /** Deriving costs a tenth of a second, and the salt stays the same for the life of a master key. */
  async #sealingKey(kdf: Kdf): Promise<KeyObject> {
    const parameters = JSON.stringify(kdf)
    if (this.#derived?.parameters === parameters) return this.#derived.key
    const key = await deriveSealingKey(this.#settings.root, kdf)
    this.#derived = { key, parameters }
    return key
  }

  #assertSuccessor(before: MasterKeyset, after: MasterKeyset): void {
    if (after.id !== before.id) {
      throw new KeywrightError(
        'ERR_KEY_FILE_FOREIGN',
        `the master key was replaced by another: ${this.location}`,
        {
          details: { found: masterKeyIdOf(after.id), expected: masterKeyIdOf(before.id) },
          hint: 'restore Redis from a backup; to change master keys, move the data keys to another provider',
        },
      )
    }
    const kept = before.versions.every(({ key, version }) =>
      after.versions.some((other) => other.version === version && other.key.equals(key)),
    )
    if (after.generation >= before.generation && kept) return
    throw new KeywrightError('ERR_KEY_FILE_ROLLED_BACK', `Redis lost newer master keys: ${this.location}`, {
      details: { found: after.generation, expected: before.generation },
      hint: 'restore the latest state: a fail-over to a replica that was behind, or an old backup, lost versions',
    })
  }

  #missing(): KeywrightError {
    return new KeywrightError('ERR_MASTER_KEY_NOT_FOUND', `there is no master key: ${this.location}`, {
      hint: 'check ENCRYPTION_KEY_ID, ENCRYPTION_REDIS_URL and ENCRYPTION_REDIS_NAMESPACE, or restore Redis; only for a new installation make one with: keywright init',
    })
  }
}
