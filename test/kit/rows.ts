/** A table in memory as a source, with hooks for what an application and the network do meanwhile. */
import { KeywrightError } from '../../src/errors.ts'
import type {
  KeysQuery,
  PageQuery,
  RowWrite,
  Source,
  SourceCheckpoint,
  SourcePage,
  SourceRow,
  SourceValue,
  WriteOutcome,
  WriteRequest,
} from '../../src/source.ts'

export type Row = Record<string, SourceValue>

/** Rows by key, in the order of their keys; shared by all sources opened on them. */
export class Table {
  readonly rows = new Map<string, Row>()
  readonly checkpoints = new Map<string, string>()
  /** Runs before each call of a source and may change rows, fail or wait. */
  before: ((call: 'read' | 'write', request: PageQuery | KeysQuery | WriteRequest) => unknown) | undefined
  /** Runs after a write took effect, before its caller hears of it: a connection that is lost there. */
  after: ((request: WriteRequest) => unknown) | undefined
  writes = 0
  open = 0

  set(key: string, row: Row): void {
    this.rows.set(key, row)
  }

  get(key: string): Row {
    return this.rows.get(key) as Row
  }

  /** A source on the rows; with `transactions` it keeps checkpoints itself. */
  source(name: string, { transactions = true } = {}): Source {
    this.open++
    const source: Source = {
      name,
      describe: async () => ({ location: `memory:${name}`, rows: this.rows.size, warnings: [] }),
      read: async (query: PageQuery | KeysQuery): Promise<SourcePage> => {
        query.signal?.throwIfAborted()
        if (!transactions && 'until' in query && query.until !== undefined) throw noRanges()
        await this.before?.('read', query)
        return 'keys' in query ? this.#byKeys(query) : this.#page(query)
      },
      write: async (request) => {
        await this.before?.('write', request)
        const outcomes = this.#write(request)
        await this.after?.(request)
        return outcomes
      },
      split: async (parts) => {
        const keys = this.#keys()
        const cuts = Array.from(
          { length: parts - 1 },
          (_, at) => keys[Math.floor(((at + 1) * keys.length) / parts)],
        )
        return [...new Set(cuts.filter((key) => key !== undefined))]
      },
      close: async () => {
        this.open--
      },
    }
    // As Redis: neither transactions nor ranges.
    const { split: _, ...scanned } = source
    if (!transactions) return scanned
    return {
      ...source,
      checkpoints: {
        read: async (checkpoint) => this.checkpoints.get(checkpoint),
        remove: async (checkpoint) => {
          this.checkpoints.delete(checkpoint)
        },
      },
    }
  }

  #keys(): string[] {
    return [...this.rows.keys()].sort()
  }

  #page({ columns, after, until, limit }: PageQuery): SourcePage {
    const keys = this.#keys().filter(
      (key) => (after === undefined || key > after) && (until === undefined || key <= until),
    )
    const page = keys.slice(0, limit)
    const rows = page.map((key) => this.#row(key, columns))
    const next = page.at(-1)
    return keys.length > limit && next !== undefined ? { rows, next } : { rows }
  }

  #byKeys({ columns, keys }: KeysQuery): SourcePage {
    return { rows: keys.filter((key) => this.rows.has(key)).map((key) => this.#row(key, columns)) }
  }

  #row(key: string, columns: readonly string[]): SourceRow {
    const row = this.get(key)
    return { key, values: columns.map((column) => row[column] ?? null) }
  }

  #write({ columns, rows, checkpoint }: WriteRequest): WriteOutcome[] {
    this.writes++
    const outcomes = rows.map((row) => this.#one(columns, row))
    if (checkpoint !== undefined) this.#keep(checkpoint)
    return outcomes
  }

  #one(columns: readonly string[], { key, from, to }: RowWrite): WriteOutcome {
    const row = this.rows.get(key)
    if (row === undefined) return 'gone'
    if (!columns.every((column, at) => sameValue(row[column] ?? null, from[at] as SourceValue)))
      return 'changed'
    this.rows.set(key, {
      ...row,
      ...Object.fromEntries(columns.map((column, at) => [column, to[at] as SourceValue])),
    })
    return 'written'
  }

  #keep({ name, text }: SourceCheckpoint): void {
    this.checkpoints.set(name, text)
  }
}

const sameValue = (a: SourceValue, b: SourceValue): boolean =>
  a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)

const noRanges = (): KeywrightError =>
  new KeywrightError('ERR_ARGUMENT_INVALID', 'this source knows no ranges', { hint: 'leave "until" out' })

/** What a source throws whose connection was lost. */
export const connectionLost = (): KeywrightError =>
  new KeywrightError('ERR_SOURCE_UNAVAILABLE', 'the connection was lost', { hint: 'try again' })
