/** Rows in memory, for tests and examples: the same contract, nothing kept. */
import type {
  KeysQuery,
  PageQuery,
  Source,
  SourceCallOptions,
  SourceDescription,
  SourceRow,
  SourceValue,
  WriteOutcome,
  WriteRequest,
} from '../src/source.ts'
import { sourceClosed, sourceError } from './shared/errors.ts'
import { formatKey } from './shared/keys.ts'
import {
  assertCheckpointName,
  assertGoesOn,
  assertParts,
  checkedName,
  checkQuery,
  checkWrite,
  isKeysQuery,
} from './shared/requests.ts'

/** A row by the names of its columns. */
export type MemoryRow = Readonly<Record<string, SourceValue>>

export interface MemorySourceOptions {
  /** @default 'memory' */
  readonly name?: string
  /** The columns that tell rows apart, all text. @default ['id'] */
  readonly key?: readonly string[]
  /** @default none */
  readonly rows?: Iterable<MemoryRow>
}

/** A source whose rows the test may look at and change, as an application would. */
export interface MemorySource extends Source {
  /** Adds a row, or takes the place of the one with its key. */
  put(row: MemoryRow): void
  /** Whether there was such a row. */
  remove(key: string): boolean
  /** All rows, in the order of their keys. */
  rows(): readonly MemoryRow[]
}

/** A new source. Throws ERR_ARGUMENT_INVALID for a name that cannot be, ERR_SOURCE_INVALID for a row without key. */
export default function memorySource(options: MemorySourceOptions = {}): MemorySource {
  return new Rows(options)
}

class Rows implements MemorySource {
  readonly name: string
  readonly checkpoints: NonNullable<Source['checkpoints']>
  readonly #key: readonly string[]
  readonly #rows = new Map<string, MemoryRow>()
  readonly #checkpoints = new Map<string, string>()
  #closed = false

  constructor({ key = ['id'], name = 'memory', rows = [] }: MemorySourceOptions) {
    this.name = checkedName(name)
    this.#key = [...key]
    for (const row of rows) this.put(row)
    this.checkpoints = {
      read: async (checkpoint) => {
        this.#assertOpen()
        assertCheckpointName(checkpoint)
        return this.#checkpoints.get(checkpoint)
      },
      remove: async (checkpoint) => {
        this.#assertOpen()
        assertCheckpointName(checkpoint)
        this.#checkpoints.delete(checkpoint)
      },
    }
  }

  put(row: MemoryRow): void {
    const texts = this.#key.map((column) => row[column])
    if (!texts.every((text) => typeof text === 'string')) {
      throw sourceError('ERR_SOURCE_INVALID', this.name, {
        says: 'was given a row without its key',
        hint: `give each row a text in ${this.#key.join(', ')}, or name other columns as "key"`,
      })
    }
    this.#rows.set(formatKey(texts, texts.length), copied(row))
  }

  remove(key: string): boolean {
    return this.#rows.delete(key)
  }

  rows(): readonly MemoryRow[] {
    return this.#sorted().map((key) => copied(this.#rows.get(key) ?? {}))
  }

  async describe({ signal }: SourceCallOptions = {}): Promise<SourceDescription> {
    this.#assertOpen()
    assertGoesOn(this.name, signal)
    const warnings = ['the rows are in memory only']
    return { location: 'memory:', rows: this.#rows.size, warnings }
  }

  async read(query: PageQuery | KeysQuery) {
    this.#assertOpen()
    checkQuery(this.name, query)
    const { columns } = query
    if (isKeysQuery(query)) {
      return { rows: query.keys.filter((key) => this.#rows.has(key)).map((key) => this.#row(key, columns)) }
    }
    const { after, limit, until } = query
    const keys = this.#sorted().filter(
      (key) => (after === undefined || key > after) && (until === undefined || key <= until),
    )
    const rows = keys.slice(0, limit).map((key) => this.#row(key, columns))
    const last = rows.at(-1)
    return last === undefined || keys.length <= limit ? { rows } : { rows, next: last.key }
  }

  async write(request: WriteRequest): Promise<readonly WriteOutcome[]> {
    this.#assertOpen()
    checkWrite(this.name, request)
    const { checkpoint, columns, rows } = request
    const outcomes = rows.map(({ from, key, to }): WriteOutcome => {
      const row = this.#rows.get(key)
      if (row === undefined) return 'gone'
      if (!columns.every((column, at) => isSame(row[column] ?? null, from[at] ?? null))) return 'changed'
      const changes = Object.fromEntries(columns.map((column, at) => [column, to[at] ?? null]))
      this.#rows.set(key, copied({ ...row, ...changes }))
      return 'written'
    })
    if (checkpoint !== undefined) this.#checkpoints.set(checkpoint.name, checkpoint.text)
    return outcomes
  }

  async split(parts: number, { signal }: SourceCallOptions = {}): Promise<readonly string[]> {
    this.#assertOpen()
    assertParts(parts)
    assertGoesOn(this.name, signal)
    const keys = this.#sorted()
    const step = Math.max(1, Math.ceil(keys.length / parts))
    return keys.filter((_, at) => (at + 1) % step === 0 && at + 1 < keys.length).slice(0, parts - 1)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw sourceClosed(this.name)
  }

  #sorted(): string[] {
    return [...this.#rows.keys()].sort()
  }

  #row(key: string, columns: readonly string[]): SourceRow {
    const row = copied(this.#rows.get(key) ?? {})
    return { key, values: columns.map((column) => row[column] ?? null) }
  }
}

function isSame(a: SourceValue, b: SourceValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return a === b
}

/** A copy that shares no bytes. */
function copied(row: MemoryRow): MemoryRow {
  const entries = Object.entries(row)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof Uint8Array ? Uint8Array.from(value) : value]),
  )
}
