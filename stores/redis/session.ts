/** An opened store: its connection, its names, and what every call of it does alike. */
import { randomUUID } from 'node:crypto'
import { evicts, inspectRedis, type RedisFindings } from '../../clients/redis/inspect.ts'
import {
  type RedisCommand,
  type RedisLibrary,
  RedisLink,
  type RedisScript,
} from '../../clients/redis/link.ts'
import type { KeywrightError } from '../../src/store.ts'
import { storeClosed } from '../shared/record.ts'
import { STORE_URL, storeError, toStoreError } from './errors.ts'
import { type StoreNames, storeNames } from './names.ts'
import type { RedisStoreSettings } from './options.ts'

export interface SessionOptions {
  readonly settings: RedisStoreSettings
  readonly library: () => Promise<RedisLibrary>
  readonly readOnly: boolean
}

export class Session {
  readonly location: string
  readonly names: StoreNames
  readonly link: RedisLink
  /** Stands in notices, so that nobody hears of what they did themselves. */
  readonly origin = randomUUID()
  /** Known once the store was found or made. */
  installation = ''
  readonly #options: SessionOptions
  #closed = false

  constructor(options: SessionOptions) {
    const { library, settings } = options
    const { namespace, target } = settings
    this.#options = options
    this.location = `${target.location} (namespace ${namespace})`
    this.names = storeNames(namespace)
    this.link = new RedisLink({ target, library })
  }

  /** The same store over a connection of its own, which lives on when this one is closed. */
  separate(): Session {
    const other = new Session(this.#options)
    other.installation = this.installation
    return other
  }

  /** @throws KeywrightError ERR_CLOSED */
  assertOpen(): void {
    if (this.#closed) throw storeClosed(this.location)
  }

  /** @throws KeywrightError ERR_CLOSED, ERR_STORE_READ_ONLY */
  assertWritable(): void {
    this.assertOpen()
    if (!this.#options.readOnly) return
    const hint = 'open the store without readOnly'
    throw storeError('ERR_STORE_READ_ONLY', this.location, 'was opened read-only', hint)
  }

  /** What `ask` resolves to; failures as errors of a store. */
  async ask<T>(ask: (link: RedisLink) => Promise<T>): Promise<T> {
    this.assertOpen()
    try {
      return await ask(this.link)
    } catch (error) {
      this.assertOpen() // closed meanwhile: that is the better reason
      throw toStoreError(error, this.location)
    }
  }

  /** Replies of commands that read, from a store that is still the one that was opened. */
  async read(...commands: RedisCommand[]): Promise<unknown[]> {
    // Asked for last: what was read before belongs to the store.
    const last = ['HGET', this.names.store, 'installation'] as const
    const replies = await this.ask((link) => link.commands([...commands, last]))
    if (replies.pop() !== this.installation) throw this.#gone()
    return replies
  }

  /** Runs a script that writes; the store's own key and the installation come first. */
  async write(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    this.assertWritable()
    const reply = await this.ask((link) =>
      link.script(script, [this.names.store, ...keys], [this.installation, ...args]),
    )
    if (reply === 'gone') throw this.#gone()
    return reply
  }

  /** What the server is like now. */
  inspect(): Promise<RedisFindings> {
    return this.ask(inspectRedis)
  }

  /** @throws KeywrightError ERR_CONFIG_INVALID for a server that may lose keys, unless that is allowed. */
  async assertFit(): Promise<void> {
    const { allowEviction, requirePersistence } = this.#options.settings
    const { eviction, persistence } = await this.inspect()
    if (eviction !== undefined && !allowEviction) {
      const hint = `set maxmemory-policy noeviction there, or accept the loss: ?allowEviction=true in ${STORE_URL}`
      throw storeError('ERR_CONFIG_INVALID', this.location, evicts(eviction), hint)
    }
    if (requirePersistence && persistence !== 'append-only') {
      const says = `has no append-only file, or nobody could check (${persistence})`
      const hint = `set appendonly yes there and allow INFO, or take requirePersistence out of ${STORE_URL}`
      throw storeError('ERR_CONFIG_INVALID', this.location, says, hint)
    }
  }

  /** Twice is harmless. */
  close(): void {
    this.#closed = true
    this.link.close()
  }

  #gone(): KeywrightError {
    return storeError(
      'ERR_STORE_MISSING',
      this.location,
      'was emptied or replaced while it was open',
      'restore Redis if that was a mistake, then start the program again',
    )
  }
}
