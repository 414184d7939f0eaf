/**
 * How far work on one place is. The checkpoint of a page is written with the page's rows where the source has
 * transactions, else before them in the key store; it counts as if nobody interferes. So the page that it names last
 * may not be settled when the process is killed: whoever resumes does that page once more without counting it. Every
 * row is done then, and the counts are those of a run that was never stopped.
 */
import { KeywrightError } from '../../errors.ts'
import type { Source, SourceCheckpoint } from '../../source.ts'
import type { DocumentStore } from '../../store.ts'
import { noCounts, parseCounts, type ValueCounts } from './counts.ts'

/** What a checkpoint says. */
export interface Position {
  /** Where the page begins that may not be settled; absent for the first page. */
  readonly after?: string
  /** Where that page ends and the next one begins; absent after the last page. */
  readonly next?: string
  /** Up to `next`. */
  readonly counts: ValueCounts
}

/** Whose checkpoint it is. */
export interface CheckpointOwner {
  /** The checkpoint's name: see `checkpointName`. */
  readonly name: string
  /** 'reencrypt' */
  readonly kind: string
  /** The task's digest. */
  readonly digest: string
  /** The columns that are counted. */
  readonly columns: readonly string[]
}

interface Kept extends Position {
  readonly v: 1
  readonly kind: string
  readonly digest: string
}

const VERSION = 1

/** 'jobs/data/reencrypt/users'; capitals are written as ':u', which no name contains. */
export function checkpointName(kind: string, place: string, part?: string): string {
  const names = part === undefined ? [kind, place] : [kind, place, part]
  return `jobs/data/${names.map(lower).join('/')}`
}

/** A name of a source or place in the alphabet of document names. */
export const lower = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `:${letter.toLowerCase()}`)

/** Where checkpoints of a source are kept: beside its rows, or in the key store. */
export abstract class Checkpoints {
  abstract read(name: string): Promise<string | undefined>
  /** Keeps it, or gives it back to be written with the rows. */
  abstract save(checkpoint: SourceCheckpoint): Promise<SourceCheckpoint | undefined>
  abstract remove(name: string): Promise<void>

  /** Without either nothing is kept: work begins anew when it was stopped. */
  static of(source: Source, documents: DocumentStore | undefined): Checkpoints {
    return source.checkpoints === undefined ? new InDocuments(documents) : new InSource(source.checkpoints)
  }
}

class InSource extends Checkpoints {
  readonly #source: NonNullable<Source['checkpoints']>

  constructor(source: NonNullable<Source['checkpoints']>) {
    super()
    this.#source = source
  }

  read(name: string): Promise<string | undefined> {
    return this.#source.read(name)
  }

  async save(checkpoint: SourceCheckpoint): Promise<SourceCheckpoint> {
    return checkpoint
  }

  remove(name: string): Promise<void> {
    return this.#source.remove(name)
  }
}

class InDocuments extends Checkpoints {
  readonly #documents: DocumentStore | undefined
  /** As last read or written, by name. */
  readonly #revisions = new Map<string, number>()

  constructor(documents: DocumentStore | undefined) {
    super()
    this.#documents = documents
  }

  async read(name: string): Promise<string | undefined> {
    const found = await this.#documents?.read(name)
    this.#revisions.set(name, found?.revision ?? 0)
    return found?.text
  }

  async save({ name, text }: SourceCheckpoint): Promise<undefined> {
    if (this.#documents === undefined) return
    const revision = (this.#revisions.get(name) ?? 0) + 1
    if (!(await this.#documents.write({ name, text, revision }))) {
      // A write whose answer was lost may have been made all the same.
      const found = await this.#documents.read(name)
      if (found?.text !== text || found.revision !== revision) throw takenOver()
    }
    this.#revisions.set(name, revision)
  }

  async remove(name: string): Promise<void> {
    const found = await this.#documents?.read(name)
    if (found !== undefined) await this.#documents?.remove(name, found.revision)
  }
}

/** The text of a checkpoint. */
export function checkpointOf(owner: CheckpointOwner, position: Position): SourceCheckpoint {
  const kept: Kept = { v: VERSION, kind: owner.kind, digest: owner.digest, ...position }
  return { name: owner.name, text: JSON.stringify(kept) }
}

/** What a checkpoint says; undefined for anything that is none. */
function readCheckpoint(text: string, columns: readonly string[]): Kept | undefined {
  try {
    const kept = JSON.parse(text) as Partial<Kept> | null
    const { v, kind, digest, after, next } = kept ?? {}
    const isPosition = [after, next].every((at) => at === undefined || typeof at === 'string')
    if (v !== VERSION || typeof kind !== 'string' || typeof digest !== 'string' || !isPosition)
      return undefined
    const counts = parseCounts(kept?.counts, columns)
    if (counts === undefined) return undefined
    const position = { ...(after === undefined ? {} : { after }), ...(next === undefined ? {} : { next }) }
    return { v, kind, digest, counts, ...position }
  } catch {
    return undefined
  }
}

/**
 * Where work goes on; `resumed` tells whether an earlier run did not come to its end. Throws ERR_CHECKPOINT_FOREIGN for
 * the checkpoint of work that did something else.
 */
export async function resume(
  checkpoints: Checkpoints,
  owner: CheckpointOwner,
  restart: boolean,
): Promise<{ readonly position: Position; readonly resumed: boolean }> {
  const text = await checkpoints.read(owner.name)
  if (text === undefined || restart) return { position: { counts: noCounts(owner.columns) }, resumed: false }
  const kept = readCheckpoint(text, owner.columns)
  if (kept?.digest !== owner.digest) throw foreign(owner)
  return { position: kept, resumed: true }
}

function foreign({ name, kind }: CheckpointOwner): KeywrightError {
  return new KeywrightError(
    'ERR_CHECKPOINT_FOREIGN',
    `"${name}" is the checkpoint of another "${kind}" job that has not come to its end`,
    {
      hint: 'finish that job by running it with the options it had, or begin anew with --restart: what is done stays done',
      details: { checkpoint: name },
    },
  )
}

function takenOver(): KeywrightError {
  return new KeywrightError('ERR_JOB_RUNNING', 'another job on the same place has taken over', {
    hint: 'let it go on: it continues where this one was',
  })
}
