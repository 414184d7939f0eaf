/** The keys of a pattern in Redis: strings, or hashes. Needs the package `ioredis`. */
import { isUtf8 } from 'node:buffer'
import { RedisLink } from '../clients/redis/link.ts'
import { isExposed, type RedisTarget, type RedisTargetOptions } from '../clients/redis/target.ts'
import type {
  KeysQuery,
  PageQuery,
  RowWrite,
  Source,
  SourceCallOptions,
  SourceCheckpoint,
  SourceDescription,
  SourcePage,
  SourceRow,
  SourceValue,
  WriteOutcome,
  WriteRequest,
} from '../src/source.ts'
import { toSourceError } from './redis/failure.ts'
import { cursorOf, formatPosition, START } from './redis/position.ts'
import { READ, WRITE } from './redis/scripts.ts'
import { clusterError, type GivenLibrary, loadLibrary, targetOf } from './redis/target.ts'
import { argument, toValue } from './redis/values.ts'
import { invalid, sourceClosed, sourceError } from './shared/errors.ts'
import {
  assertCheckpointName,
  assertGoesOn,
  checkedName,
  checkQuery,
  checkWrite,
  isKeysQuery,
} from './shared/requests.ts'

export type { RedisTargetOptions } from '../clients/redis/target.ts'

export interface RedisSourceOptions extends RedisTargetOptions {
  /** As reports and checkpoints call it: `[A-Za-z0-9][A-Za-z0-9_.-]{0,99}` */
  readonly name: string
  /** Which keys, as SCAN matches them: 'session:*'. */
  readonly pattern: string
  /** Your own copy of ioredis. */
  readonly lib?: GivenLibrary
}

/** The column of keys that are strings. */
const VALUE = 'value'
/** The column that gives the name of the key itself, for what is bound to it. */
const KEY = '$key'
/** One hash for all sources of a database. */
const CHECKPOINTS = 'keywright:checkpoints'
/** Keys that one step of SCAN looks at, at least. */
const STEP = 1000
/** Rows that one script reads or writes. */
const AT_ONCE = 1000
/** After so many steps a page is given even if it is not full, so that a rare pattern is no endless call. */
const MOST_STEPS = 20

/**
 * The keys that match a pattern. A string has one column, `value`; a hash has its fields; of both `$key` is the name of
 * the key. Times to live stay as they are. A key that is there all the time is on at least one page; while Redis
 * resizes its table it may be on two.
 *
 * Throws ERR_ARGUMENT_INVALID and ERR_CONFIG_INVALID for options that cannot be; calls throw ERR_SOURCE_INVALID (also
 * for Redis Cluster), _UNAVAILABLE, _DENIED, _FAILED, ERR_DEPENDENCY_MISSING, ERR_ABORTED and ERR_CLOSED.
 */
export default function redisSource(options: RedisSourceOptions): Source {
  return new RedisSource(options)
}

class RedisSource implements Source {
  readonly name: string
  readonly checkpoints: NonNullable<Source['checkpoints']>
  readonly #pattern: string
  readonly #target: RedisTarget
  readonly #link: RedisLink
  #closed = false

  constructor({ lib, name, pattern, ...target }: RedisSourceOptions) {
    this.name = checkedName(name)
    if (typeof pattern !== 'string' || pattern === '') {
      throw invalid(
        '"pattern" of a Redis source matches nothing',
        'pass a pattern as SCAN takes it: session:*',
      )
    }
    this.#pattern = pattern
    this.#target = targetOf(this.name, target)
    this.#link = new RedisLink({ target: this.#target, library: () => loadLibrary(lib) })
    this.checkpoints = {
      read: async (checkpoint) => {
        assertCheckpointName(checkpoint)
        const text = await this.#ask(() => this.#link.command('HGET', CHECKPOINTS, this.#place(checkpoint)))
        return typeof text === 'string' ? text : undefined
      },
      remove: async (checkpoint) => {
        assertCheckpointName(checkpoint)
        await this.#ask(() => this.#link.command('HDEL', CHECKPOINTS, this.#place(checkpoint)))
      },
    }
  }

  async describe({ signal }: SourceCallOptions = {}): Promise<SourceDescription> {
    assertGoesOn(this.name, signal)
    const { isReplica } = await this.#server()
    const { location } = this.#target
    const all =
      this.#pattern === '*' ? Number(await this.#ask(() => this.#link.command('DBSIZE'))) : undefined
    const warnings = [
      isReplica && `${location} is a replica: nothing can be written there`,
      isExposed(this.#target) &&
        `the connection to ${location} is not encrypted: what it carries can be read`,
    ].filter((warning) => typeof warning === 'string')
    return {
      location: `${location} keys ${this.#pattern}`,
      ...(all === undefined ? {} : { rows: all }),
      warnings,
    }
  }

  async read(query: PageQuery | KeysQuery): Promise<SourcePage> {
    checkQuery(this.name, query)
    const { columns } = query
    if (isKeysQuery(query)) return { rows: await this.#rows(query.keys, columns) }
    if (query.until !== undefined) {
      throw invalid(
        'a Redis source has no ranges to end at',
        'leave "until" out: it gives no positions to split by',
      )
    }
    const { run } = await this.#server()
    const { cursor, keys } = await this.#scan(cursorOf(query.after, run), query)
    const rows = await this.#rows(keys, columns)
    if (cursor !== START) return { rows, next: formatPosition({ run, cursor }) }
    // Restarted in the middle of this page: what looks like the end was that of another order.
    const { run: now } = await this.#server()
    return now === run ? { rows } : { rows, next: formatPosition({ run: now, cursor: START }) }
  }

  async write(request: WriteRequest): Promise<readonly WriteOutcome[]> {
    checkWrite(this.name, request)
    const { checkpoint, columns, rows } = request
    for (const { to } of rows) this.#assertKept(columns, to)
    const outcomes: WriteOutcome[] = []
    // Redis serves nobody else while a script runs. The checkpoint comes with the last rows.
    for (let at = 0; at === 0 || at < rows.length; at += AT_ONCE) {
      assertGoesOn(this.name, request.signal)
      const isLast = at + AT_ONCE >= rows.length
      const mark = isLast ? checkpoint : undefined
      outcomes.push(...(await this.#write(columns, rows.slice(at, at + AT_ONCE), mark)))
    }
    return outcomes
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link.close()
  }

  async #write(
    columns: readonly string[],
    rows: readonly RowWrite[],
    checkpoint: SourceCheckpoint | undefined,
  ): Promise<WriteOutcome[]> {
    const mark = checkpoint === undefined ? ['', ''] : [this.#place(checkpoint.name), checkpoint.text]
    const values = rows.flatMap(({ from, to }) =>
      columns.flatMap((_, at) => [argument(from[at] ?? null), argument(to[at] ?? null)]),
    )
    const keys = [...rows.map(({ key }) => key), CHECKPOINTS]
    const args = [columns.length, ...mark, ...columns, ...values]
    const found = await this.#ask(() => this.#link.script(WRITE, keys, args))
    return (found as number[]).map((outcome) => OUTCOMES[outcome] ?? 'changed')
  }

  /** Keys until there are enough, each once. */
  async #scan(from: string, { limit, signal }: PageQuery): Promise<{ cursor: string; keys: string[] }> {
    const keys = new Set<string>()
    let cursor = from
    for (let step = 0; step < MOST_STEPS && keys.size < limit; step++) {
      assertGoesOn(this.name, signal)
      const count = Math.max(STEP, limit - keys.size)
      const args = ['SCAN', cursor, 'MATCH', this.#pattern, 'COUNT', count] as const
      const reply = (await this.#ask(() => this.#link.bytes(...args))) as [Buffer, Buffer[]]
      for (const key of reply[1]) keys.add(this.#keyText(key))
      cursor = String(reply[0])
      if (cursor === START) break
    }
    keys.delete(CHECKPOINTS)
    return { cursor, keys: [...keys] }
  }

  async #rows(keys: readonly string[], columns: readonly string[]): Promise<SourceRow[]> {
    const rows: SourceRow[] = []
    for (let at = 0; at < keys.length; at += AT_ONCE) {
      rows.push(...(await this.#some(keys.slice(at, at + AT_ONCE), columns)))
    }
    return rows
  }

  async #some(keys: readonly string[], columns: readonly string[]): Promise<SourceRow[]> {
    const fields = columns.filter((column) => column !== KEY)
    // HMGET wants a field; a row without columns is only asked for whether it is there.
    const asked = fields.length === 0 ? [VALUE] : fields
    const reply = await this.#ask(() => this.#link.bytes('EVAL', READ, keys.length, ...keys, ...asked))
    return (reply as unknown[]).flatMap((row, at) => {
      if (!Array.isArray(row)) return []
      const key = keys[at] as string
      const [kind, ...values] = row as [Buffer, ...(Buffer | null)[]]
      this.#assertKind(String(kind), fields)
      const found = new Map(fields.map((field, place) => [field, toValue(values[place])]))
      return [{ key, values: columns.map((column) => (column === KEY ? key : (found.get(column) ?? null))) }]
    })
  }

  /** What a column means is decided by the type of the key: one that has none of them must not look empty. */
  #assertKind(kind: string, fields: readonly string[]): void {
    const isString = kind === 'string'
    if (kind === 'hash' || (isString && fields.every((field) => field === VALUE))) return
    throw sourceError('ERR_SOURCE_INVALID', this.name, {
      says: isString
        ? 'matches keys that are strings, which have no fields'
        : 'matches keys that are neither strings nor hashes',
      hint: 'narrow "pattern"; the one column of a string is called "value"',
    })
  }

  /** Nothing that is there must be dropped because its value became null. */
  #assertKept(columns: readonly string[], to: readonly SourceValue[]): void {
    if (columns.includes(KEY)) {
      throw sourceError('ERR_COLUMN_UNSUITABLE', this.name, {
        says: `has a column ${KEY} that cannot be written`,
        hint: 'it is the name of the key',
      })
    }
    if (!to.includes(null) || !columns.includes(VALUE)) return
    throw invalid('a value of a Redis string cannot be null', 'leave the row out')
  }

  #keyText(key: Buffer): string {
    if (isUtf8(key)) return String(key)
    throw sourceError('ERR_SOURCE_INVALID', this.name, {
      says: 'matches a key whose name is not UTF-8',
      hint: 'narrow "pattern": such keys cannot be written here',
    })
  }

  /** Of a node of a cluster, SCAN would tell the keys of that node alone. */
  async #server(): Promise<{ run: string; isReplica: boolean }> {
    const info = String(await this.#ask(() => this.#link.command('INFO')))
    const value = (name: string): string => new RegExp(`^${name}:(\\w+)`, 'm').exec(info)?.[1] ?? ''
    if (value('cluster_enabled') === '1') throw clusterError(this.name)
    const run = value('run_id')
    if (run !== '') return { run, isReplica: value('role') === 'slave' }
    throw sourceError('ERR_SOURCE_INVALID', this.name, {
      says: 'does not tell when it was restarted (run_id of INFO)',
      hint: 'after a restart keys would be left out unnoticed: connect to Redis itself, not to a proxy',
    })
  }

  /** Checkpoints of two sources on one database do not meet. */
  #place(checkpoint: string): string {
    return `${this.name}:${checkpoint}`
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#closed) throw sourceClosed(this.name)
    try {
      return await ask()
    } catch (error) {
      if (this.#closed) throw sourceClosed(this.name)
      throw toSourceError(error, this.name)
    }
  }
}

const OUTCOMES: Readonly<Record<number, WriteOutcome>> = { 1: 'written', 2: 'changed', 3: 'gone' }
