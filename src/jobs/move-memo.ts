/**
 * What of a move cannot be read from the wraps: when its window began, and whether its last step has. Kept as a
 * document of the store. A store without documents forgets it between two runs; no key depends on it.
 */
import { KeywrightError } from '../errors.ts'
import type { DocumentStore, KeyStore } from '../store.ts'
import type { KeySelection, Selection } from './selection.ts'

/** ms since the epoch throughout. */
export interface MoveMemory {
  readonly from: string
  readonly to: string
  readonly selection: KeySelection
  readonly startedAt: number
  /** When the last of its keys came to prefer the new provider. */
  readonly preferredAt?: number
  /** When old wraps began to be removed: from then on there is no way back but another move. */
  readonly removingSince?: number
  readonly finishedAt?: number
  readonly rolledBackAt?: number
}

const PREFIX = 'jobs/move/'

const nameOf = (from: string, to: string, selection: Selection): string =>
  `${PREFIX}${from}:${to}:${selection.id}`

export class MoveMemo {
  readonly #documents: DocumentStore | undefined
  readonly #name: string
  #revision: number
  #memory: MoveMemory

  private constructor(
    documents: DocumentStore | undefined,
    name: string,
    revision: number,
    memory: MoveMemory,
  ) {
    this.#documents = documents
    this.#name = name
    this.#revision = revision
    this.#memory = memory
  }

  /** What is known of this move; a new one where nothing is. */
  static async open(
    { documents }: KeyStore,
    from: string,
    to: string,
    selection: Selection,
    now: number,
  ): Promise<MoveMemo> {
    const name = nameOf(from, to, selection)
    const found = await documents?.read(name)
    const fresh: MoveMemory = { from, to, selection: selection.filter, startedAt: now }
    return new MoveMemo(documents, name, found?.revision ?? 0, parse(found?.text) ?? fresh)
  }

  /** Whether it is remembered from one run to the next. */
  get lasts(): boolean {
    return this.#documents !== undefined
  }

  get memory(): MoveMemory {
    return this.#memory
  }

  /** It was stored before. */
  get isKnown(): boolean {
    return this.#revision > 0
  }

  get isOver(): boolean {
    return this.#memory.finishedAt !== undefined || this.#memory.rolledBackAt !== undefined
  }

  /** A move that is over begins anew. */
  async begin(now: number): Promise<void> {
    const { from, to, selection } = this.#memory
    if (this.isOver) this.#memory = { from, to, selection, startedAt: now }
    await this.note({})
  }

  /** Takes down what has changed, without the member `dropped`. */
  async note(change: Partial<MoveMemory>, dropped?: 'preferredAt'): Promise<void> {
    const entries = Object.entries({ ...this.#memory, ...change }).filter(([name]) => name !== dropped)
    this.#memory = Object.fromEntries(entries) as unknown as MoveMemory
    if (this.#documents === undefined) return
    const document = { name: this.#name, text: JSON.stringify(this.#memory), revision: this.#revision + 1 }
    if (!(await this.#documents.write(document))) throw somebodyElse()
    this.#revision++
  }
}

/** Forgets the opposite move of the same keys: to move back is to give it up. */
export async function forgetOpposite(
  { documents }: KeyStore,
  from: string,
  to: string,
  selection: Selection,
): Promise<void> {
  const name = nameOf(to, from, selection)
  const found = await documents?.read(name)
  if (found !== undefined) await documents?.remove(name, found.revision)
}

/** Moves that have begun and are neither finished nor rolled back. */
export async function movesUnderWay({ documents }: KeyStore): Promise<MoveMemory[]> {
  const found = (await documents?.list(PREFIX)) ?? []
  return found
    .flatMap(({ text }) => parse(text) ?? [])
    .filter(({ finishedAt, rolledBackAt }) => finishedAt === undefined && rolledBackAt === undefined)
}

/** Undefined for what was not written by this program: the move then begins anew. */
function parse(text: string | undefined): MoveMemory | undefined {
  if (text === undefined) return undefined
  try {
    const memory = JSON.parse(text) as Partial<MoveMemory> | null
    const { from, to, selection, startedAt } = memory ?? {}
    const { preferredAt = 0, removingSince = 0, finishedAt = 0, rolledBackAt = 0 } = memory ?? {}
    const times = [startedAt, preferredAt, removingSince, finishedAt, rolledBackAt]
    const whole = [from, to].every((name) => typeof name === 'string') && typeof selection === 'object'
    return whole && times.every(Number.isFinite) ? (memory as MoveMemory) : undefined
  } catch {
    return undefined
  }
}

function somebodyElse(): KeywrightError {
  return new KeywrightError('ERR_JOB_RUNNING', 'somebody else goes on with the same move', {
    hint: 'wait until it has come to its end, then run this again',
  })
}
