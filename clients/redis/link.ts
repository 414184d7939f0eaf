/**
 * A connection to Redis that is made when it is needed and made anew after it broke. Calls fail fast: nothing waits
 * in a queue for a server that is not there, and no script is sent twice, since what was sent may have been done.
 */
import { createHash } from 'node:crypto'
import { clientOptions, clusterOptions, sentinelOptions } from './client-options.ts'
import { CONNECTION_LOST, RedisFailure, toRedisFailure } from './failure.ts'
import type { RedisTarget } from './target.ts'

type Argument = string | number | Uint8Array

/** The part of a client of ioredis that is used here. */
export interface RedisClient {
  readonly status: string
  connect(): Promise<unknown>
  disconnect(): void
  call(command: string, ...args: Argument[]): Promise<unknown>
  callBuffer(command: string, ...args: Argument[]): Promise<unknown>
  pipeline(): RedisPipeline
  subscribe(channel: string): Promise<unknown>
  on(event: string, listener: (...values: unknown[]) => void): unknown
  /** Only a cluster has nodes. */
  nodes?(role: 'master'): RedisClient[]
}

interface RedisPipeline {
  call(command: string, ...args: Argument[]): unknown
  exec(): Promise<[error: Error | null, reply: unknown][] | null>
}

/** The part of ioredis that is used here. */
export interface RedisLibrary {
  readonly Redis: new (options: object) => RedisClient
  readonly Cluster: new (nodes: object[], options: object) => RedisClient
}

/** A command with its arguments. */
export type RedisCommand = readonly [name: string, ...args: Argument[]]

/** A Lua script. It may touch only the keys it is given. */
export interface RedisScript {
  readonly text: string
  readonly sha1: string
}

/** A script out of its text. */
export function redisScript(text: string): RedisScript {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}

export interface RedisLinkOptions {
  readonly target: RedisTarget
  readonly library: () => Promise<RedisLibrary>
}

/** Every member rejects with a {@link RedisFailure}, or with what `library` rejects with. */
export class RedisLink {
  readonly target: RedisTarget
  readonly #options: RedisLinkOptions
  #client: Promise<RedisClient> | undefined
  /** What `#client` resolved to last. */
  #current: RedisClient | undefined
  #closed = false

  /** Connects with the first call. */
  constructor(options: RedisLinkOptions) {
    this.target = options.target
    this.#options = options
  }

  /** Runs one command that may be run twice: where the connection had broken, it is sent again on a new one. */
  async command(...[name, ...args]: RedisCommand): Promise<unknown> {
    return this.#twice((client) => client.call(name, ...args))
  }

  /** The same; texts in its reply come as bytes. */
  async bytes(...[name, ...args]: RedisCommand): Promise<unknown> {
    return this.#twice((client) => client.callBuffer(name, ...args))
  }

  /** Sends commands together that may be run twice; their replies in order. Rejects when one of them failed. */
  async commands(commands: readonly RedisCommand[]): Promise<unknown[]> {
    return this.#twice((client) => sendTogether(client, commands))
  }

  /** Runs a script, by its digest where the server knows it. */
  async script(script: RedisScript, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#run(async (client) => {
      try {
        return await client.call('evalsha', script.sha1, keys.length, ...keys, ...args)
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
        return client.call('eval', script.text, keys.length, ...keys, ...args)
      }
    })
  }

  /** Replies of each server that holds keys: of one, or of every master of a cluster. What it refuses is a failure in its place. */
  async everywhere(command: RedisCommand): Promise<unknown[]> {
    const [name, ...args] = command
    return this.#twice((client) => {
      const servers = client.nodes?.('master') ?? [client]
      return Promise.all(servers.map((server) => server.call(name, ...args).catch(refusalOf)))
    })
  }

  /** Calls `heard` with every message of a channel, and without one whenever messages may have been missed. */
  async subscribe(channel: string, heard: (message: string | undefined) => void): Promise<() => void> {
    const client = await this.#make(true)
    client.on('error', () => undefined) // it connects again by itself
    client.on('message', (_, message) => heard(String(message)))
    client.on('ready', () => {
      client.subscribe(channel).then(
        () => heard(undefined),
        () => undefined,
      )
    })
    client.connect().catch(() => undefined)
    return () => client.disconnect()
  }

  /** Ends the connection. Later calls reject. Twice is harmless. */
  close(): void {
    this.#closed = true
    this.#leave()
  }

  /** A connection may have broken while nobody used it, which only shows when something is sent. */
  async #twice<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    const before = this.#client
    try {
      return await this.#run(work)
    } catch (error) {
      const wasLost = error instanceof RedisFailure && error.reason === CONNECTION_LOST
      if (!wasLost || before === undefined) throw error
      return this.#run(work)
    }
  }

  async #run<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    const client = await this.#connected()
    try {
      return await work(client)
    } catch (error) {
      const failure = toRedisFailure(error)
      // A master that became a replica is left too, so that the next call asks the Sentinels again.
      const isDemoted = failure.kind === 'replica' && this.target.kind === 'sentinel'
      if ((isDemoted || failure.reason === CONNECTION_LOST) && this.#current === client) this.#leave()
      throw failure
    }
  }

  #leave(): void {
    this.#client?.then(
      (client) => client.disconnect(),
      () => undefined,
    )
    this.#client = undefined
    this.#current = undefined // who else was on it must not end the next one
  }

  async #connected(): Promise<RedisClient> {
    if (this.#closed) throw new RedisFailure('unreachable', 'closed')
    const before = this.#client
    const known = await before
    if (known?.status === 'ready') return known
    // Somebody else may have begun to connect while we looked.
    if (this.#client === before) {
      if (known !== undefined && known.status !== 'end') known.disconnect()
      this.#client = this.#connect()
    }
    return this.#client ?? this.#connected()
  }

  #connect(): Promise<RedisClient> {
    const attempt = this.#open()
    attempt.catch(() => {
      if (this.#client === attempt) this.#client = undefined
    })
    return attempt
  }

  async #open(): Promise<RedisClient> {
    const client = await this.#make(false)
    let cause: unknown
    let fault: unknown
    client.on('error', (error) => {
      cause = error // without a listener ioredis prints it
      fault = error
    })
    client.on('node error', (error) => {
      cause = error
    })
    const { connectTimeoutMs } = this.target
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new RedisFailure('unreachable', 'timeout')), connectTimeoutMs)
    })
    try {
      await Promise.race([client.connect(), late])
      // A database that is not there is no reason for ioredis not to use another one.
      if (fault !== undefined) throw fault
    } catch (error) {
      client.disconnect()
      throw toRedisFailure(cause ?? error)
    } finally {
      clearTimeout(timer)
    }
    if (this.#closed) client.disconnect()
    this.#current = client
    return client
  }

  /** A client that is not connected yet; password and certificates are read now. */
  async #make(reconnects: boolean): Promise<RedisClient> {
    const { target } = this
    const { Redis, Cluster } = await this.#options.library()
    const options = await clientOptions(target, reconnects)
    if (target.kind === 'server') return new Redis({ ...options, ...target.nodes[0], db: target.db })
    if (target.kind === 'sentinel') return new Redis({ ...options, ...sentinelOptions(target, options.tls) })
    return new Cluster([...target.nodes], { ...clusterOptions(target, reconnects), redisOptions: options })
  }
}

/** What a server refuses, as a failure; rejects when it is not there. */
function refusalOf(error: unknown): RedisFailure {
  const failure = toRedisFailure(error)
  if (failure.kind === 'unreachable') throw failure
  return failure
}

async function sendTogether(client: RedisClient, commands: readonly RedisCommand[]): Promise<unknown[]> {
  const pipeline = client.pipeline()
  for (const [name, ...args] of commands) pipeline.call(name, ...args)
  const replies = await pipeline.exec()
  if (replies === null) throw new RedisFailure('unreachable', CONNECTION_LOST)
  return replies.map(([error, reply]) => {
    if (error !== null) throw error
    return reply
  })
}
