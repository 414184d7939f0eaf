/** Connections of a store: each call takes one from the pool, and a broken one never goes back. */
import { storeClosed } from '../shared/record.ts'
import { isUsableAfter, storeError, toStoreError } from './errors.ts'
import type { PgClient, PgConnection, PgPool, PgPoolClient, TextRow } from './lib.ts'

/** Runs one statement. `timeoutMs` replaces how long its answer is waited for. */
export type Run = (
  text: string,
  values?: readonly unknown[],
  timeoutMs?: number,
) => Promise<readonly TextRow[]>

export interface DatabaseOptions {
  readonly pool: PgPool
  /** A pool that was passed in is not ended. */
  readonly ownsPool: boolean
  /** For messages, without credentials. */
  readonly location: string
  readonly readOnly: boolean
  /** How long an answer is waited for, in ms: longer than the server works on it. */
  readonly answerMs: number
  /** Makes a connection beside the pool, not yet connected; absent where a pool was passed in that cannot. */
  readonly newClient: (() => PgClient) | undefined
}

// Values as they stand in the protocol, whatever parsers the application has set for its own queries.
const TEXT_TYPES = { getTypeParser: () => (value: string) => value }
const ignore = (): void => undefined

export class Database {
  readonly location: string
  readonly readOnly: boolean
  readonly newClient: (() => PgClient) | undefined
  readonly #pool: PgPool
  readonly #ownsPool: boolean
  readonly #answerMs: number
  /** The store and its audit sinks, which are closed by themselves. */
  #users = 1

  constructor(options: DatabaseOptions) {
    this.location = options.location
    this.readOnly = options.readOnly
    this.newClient = options.newClient
    this.#pool = options.pool
    this.#ownsPool = options.ownsPool
    this.#answerMs = options.answerMs
    // An idle connection that breaks is reported here; without a listener that would end the process.
    this.#pool.on('error', ignore)
  }

  /** One statement, which is a transaction of its own. */
  query: Run = (text, values, timeoutMs) => this.#withClient((run) => run(text, values, timeoutMs))

  /** Runs `work` as one transaction: all of it or nothing, committed when it resolves. */
  transaction<T>(work: (run: Run) => Promise<T>, mode = 'ISOLATION LEVEL READ COMMITTED'): Promise<T> {
    return this.#withClient(async (run) => {
      await run(`BEGIN ${mode}`)
      try {
        const result = await work(run)
        await run('COMMIT')
        return result
      } catch (error) {
        if (isUsableAfter(error)) await run('ROLLBACK')
        throw error
      }
    })
  }

  /** The same for a caller who takes step after step. `end` gives the connection back. */
  async snapshot(): Promise<{ run: Run; end(): Promise<void> }> {
    const client = await this.#take()
    const run = this.#runner(client)
    let isSound = false
    const end = async (): Promise<void> => {
      isSound = await run('ROLLBACK').then(
        () => true,
        () => false,
      )
      this.#giveBack(client, isSound)
    }
    try {
      await run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    } catch (error) {
      this.#giveBack(client, false)
      throw toStoreError(error, this.location)
    }
    return { run, end }
  }

  /** Throws ERR_STORE_READ_ONLY when the store was opened so. */
  assertWritable(): void {
    if (!this.readOnly) return
    throw storeError('ERR_STORE_READ_ONLY', this.location, {
      says: 'was opened read-only',
      hint: 'open the store without readOnly',
    })
  }

  /** One more user, who calls `leave` once. */
  join(): void {
    this.#users++
  }

  /** Ends the pool with its last user, when what is under way is done. */
  async leave(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    if (this.#ownsPool) await this.#pool.end()
    else this.#pool.removeListener('error', ignore)
  }

  async #withClient<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const client = await this.#take()
    let isSound = false
    try {
      const result = await work(this.#runner(client))
      isSound = true
      return result
    } catch (error) {
      isSound = isUsableAfter(error)
      throw toStoreError(error, this.location)
    } finally {
      this.#giveBack(client, isSound)
    }
  }

  async #take(): Promise<PgPoolClient> {
    if (this.#users <= 0) throw storeClosed(this.location)
    try {
      const client = await this.#pool.connect()
      client.on('error', ignore) // the call under way fails with it, too
      return client
    } catch (error) {
      throw toStoreError(error, this.location)
    }
  }

  #giveBack(client: PgPoolClient, isSound: boolean): void {
    // A listener on a connection that is thrown away stays: what it still reports must not end the process.
    if (isSound) client.removeListener('error', ignore)
    client.release(!isSound)
  }

  #runner(client: PgConnection): Run {
    return async (text, values = [], timeoutMs = this.#answerMs) => {
      const { rows } = await client.query({ text, values, query_timeout: timeoutMs, types: TEXT_TYPES })
      return (rows ?? []) as readonly TextRow[] // several statements in one go have no rows of their own
    }
  }
}
