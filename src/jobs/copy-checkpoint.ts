/** What a copy has done so far, kept in the target: it tells a continued copy from a new one, and keeps two apart. */
import { randomUUID } from 'node:crypto'
import { KeywrightError } from '../errors.ts'
import type { DocumentStore } from '../store.ts'
import type { Difference } from './copy-pairs.ts'

const NAME = 'jobs/copy-store'

/** Records a copy changed in the target. */
export interface CopyCounts {
  readonly inserted: number
  /** That had an older revision in the target. */
  readonly updated: number
  /** That were alike but for their usage. */
  readonly usageRaised: number
}

interface Kept extends CopyCounts {
  readonly v: 1
  readonly run: string
  /** Location of the source. */
  readonly from: string
}

const NONE: CopyCounts = { inserted: 0, updated: 0, usageRaised: 0 }

export class CopyCheckpoint {
  /** An earlier run from the same source did not come to its end. */
  readonly resumed: boolean
  readonly #documents: DocumentStore | undefined
  readonly #run = randomUUID()
  readonly #from: string
  #revision: number
  #counts: CopyCounts

  private constructor(
    documents: DocumentStore | undefined,
    from: string,
    revision: number,
    earlier: CopyCounts | undefined,
  ) {
    this.#documents = documents
    this.#from = from
    this.#revision = revision
    this.resumed = earlier !== undefined
    this.#counts = earlier ?? NONE
  }

  /** Reads the one of an earlier run and writes one's own. Without documents nothing is kept. */
  static async open(
    documents: DocumentStore | undefined,
    { from }: { readonly from: string },
  ): Promise<CopyCheckpoint> {
    const found = await documents?.read(NAME)
    const kept = found === undefined ? undefined : parse(found.text)
    const earlier = kept?.from === from ? kept : undefined
    const checkpoint = new CopyCheckpoint(documents, from, found?.revision ?? 0, earlier)
    await checkpoint.write()
    return checkpoint
  }

  get counts(): CopyCounts {
    return this.#counts
  }

  /** Records changed so far. */
  get changes(): number {
    const { inserted, updated, usageRaised } = this.#counts
    return inserted + updated + usageRaised
  }

  count(mended: Difference): void {
    const { inserted, updated, usageRaised } = this.#counts
    this.#counts = {
      inserted: inserted + Number(mended === 'missing'),
      updated: updated + Number(mended === 'behind'),
      usageRaised: usageRaised + Number(mended === 'usage'),
    }
  }

  /** Throws ERR_JOB_RUNNING when another copy wrote its own meanwhile. */
  async write(): Promise<void> {
    if (this.#documents === undefined) return
    const revision = this.#revision + 1
    if (await this.#documents.write({ name: NAME, text: this.#text(), revision })) this.#revision = revision
    else throw taken()
  }

  async remove(): Promise<void> {
    await this.#documents?.remove(NAME, this.#revision)
  }

  /** Whether `documents` show what this run wrote: then they are the target's own. */
  async isIn(documents: DocumentStore): Promise<boolean> {
    return this.#documents !== undefined && (await documents.read(NAME))?.text === this.#text()
  }

  #text(): string {
    const { inserted, updated, usageRaised } = this.#counts
    const kept: Kept = { v: 1, run: this.#run, from: this.#from, inserted, updated, usageRaised }
    return JSON.stringify(kept)
  }
}

/** Undefined for what is no checkpoint of ours: the copy then counts from zero. */
function parse(text: string): Kept | undefined {
  try {
    const kept = JSON.parse(text) as Partial<Kept> | null
    const { v, run, from, inserted, updated, usageRaised } = kept ?? {}
    if (v !== 1 || typeof run !== 'string' || typeof from !== 'string') return undefined
    const sound = [inserted, updated, usageRaised].every((count) => Number.isSafeInteger(count))
    return sound ? (kept as Kept) : undefined
  } catch {
    return undefined
  }
}

function taken(): KeywrightError {
  return new KeywrightError('ERR_JOB_RUNNING', 'another copy into the same store has taken over', {
    hint: 'let it go on; what this one copied is counted by it',
  })
}
