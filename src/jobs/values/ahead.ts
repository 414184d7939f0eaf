/** Pages read and transformed ahead of their turn, so that I/O and cryptography overlap. Bounded in number. */
import type { SourcePage } from '../../source.ts'
import type { PreparedChunk } from './chunk.ts'

/** A page that is ready to be written. */
export interface Step extends PreparedChunk {
  /** Where it begins; undefined for the first page. */
  readonly after: string | undefined
}

export interface AheadOptions {
  read(after: string | undefined): Promise<SourcePage>
  prepare(page: SourcePage): Promise<PreparedChunk>
  /** Pages on their way beside the one that is being written; 0: one after the other. */
  readonly ahead: number
  /** Where the first page begins. */
  readonly from: string | undefined
}

/** A page with where it begins; undefined behind the end. */
interface Read {
  readonly after: string | undefined
  readonly page: SourcePage
}

export class PagesAhead {
  readonly #options: AheadOptions
  readonly #queue: Promise<Step | undefined>[] = []
  /** The last page that was asked for. */
  #last: Promise<Read | undefined> | undefined

  constructor(options: AheadOptions) {
    this.#options = options
  }

  /** The next page; undefined behind the last one. Those after it are on their way when it resolves. */
  async next(): Promise<Step | undefined> {
    const next = this.#queue.shift() ?? this.#begin()
    while (this.#queue.length < this.#options.ahead) this.#queue.push(this.#begin())
    return next
  }

  /** Waits until nothing is on its way any more. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#queue)
  }

  #begin(): Promise<Step | undefined> {
    const read = this.#last === undefined ? this.#read(this.#options.from) : this.#following(this.#last)
    this.#last = read
    const step = this.#step(read)
    step.catch(() => undefined) // met when its turn comes
    return step
  }

  async #following(last: Promise<Read | undefined>): Promise<Read | undefined> {
    const next = (await last)?.page.next
    return next === undefined ? undefined : this.#read(next)
  }

  async #read(after: string | undefined): Promise<Read> {
    return { after, page: await this.#options.read(after) }
  }

  async #step(reading: Promise<Read | undefined>): Promise<Step | undefined> {
    const read = await reading
    if (read === undefined) return undefined
    await undefined // whoever reads the page after this one sends its request first
    return { after: read.after, ...(await this.#options.prepare(read.page)) }
  }
}
