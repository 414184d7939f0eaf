/**
 * Which tasks ran when: a document in the key store that all processes share, written by compare-and-set. Whoever leads
 * writes it first; one that was held up and still believes to lead fails at its next write, before it does anything.
 */
import { randomUUID } from 'node:crypto'
import { KeywrightError } from '../../errors.ts'
import type { DocumentStore } from '../../store.ts'

const NAME = 'jobs/lifecycle/runs'
const VERSION = 1

/** The last run of one task. Times are ms since the epoch. */
export interface TaskRun {
  /** Since when it is scheduled, or for which date it ran last: dates up to here are settled. */
  readonly settledAt: number
  /** When it began last. */
  readonly startedAt?: number
  readonly finishedAt?: number
  /** What became of it. */
  readonly outcome?: string
  /** The code of the error, for a run that failed. */
  readonly code?: string
  /** Whether the same run may succeed when it is made again. */
  readonly retryable?: boolean
}

interface Kept {
  readonly v: typeof VERSION
  readonly leader: string
  readonly tasks: Readonly<Record<string, TaskRun>>
}

/** What is known of all runs, for a report. */
export async function readRuns(documents: DocumentStore): Promise<Readonly<Record<string, TaskRun>>> {
  return parse((await documents.read(NAME))?.text)
}

/** The document in the hands of the process that leads. */
export class RunLog {
  readonly #documents: DocumentStore
  readonly #leader = randomUUID()
  readonly #tasks: Map<string, TaskRun>
  #revision: number

  private constructor(documents: DocumentStore, tasks: Readonly<Record<string, TaskRun>>, revision: number) {
    this.#documents = documents
    this.#tasks = new Map(Object.entries(tasks))
    this.#revision = revision
  }

  /** Takes the document over; tasks that it does not know are scheduled from `now` on. Throws ERR_JOB_RUNNING. */
  static async claim(documents: DocumentStore, tasks: readonly string[], now: number): Promise<RunLog> {
    const found = await documents.read(NAME)
    const log = new RunLog(documents, parse(found?.text), found?.revision ?? 0)
    for (const task of tasks) if (!log.#tasks.has(task)) log.#tasks.set(task, { settledAt: now })
    await log.#write()
    return log
  }

  of(task: string): TaskRun {
    return this.#tasks.get(task) ?? { settledAt: 0 }
  }

  /** Notes what became of a task, or that it begins. Throws ERR_JOB_RUNNING when somebody else leads by now. */
  async note(task: string, run: TaskRun): Promise<void> {
    this.#tasks.set(task, run)
    await this.#write()
  }

  async #write(): Promise<void> {
    const kept: Kept = { v: VERSION, leader: this.#leader, tasks: Object.fromEntries(this.#tasks) }
    const [text, revision] = [JSON.stringify(kept), this.#revision + 1]
    if (!(await this.#documents.write({ name: NAME, text, revision }))) {
      // A write whose answer was lost may have been made all the same.
      const found = await this.#documents.read(NAME)
      if (found?.text !== text || found.revision !== revision) throw notLeading()
    }
    this.#revision = revision
  }
}

function parse(text: string | undefined): Readonly<Record<string, TaskRun>> {
  try {
    const kept = JSON.parse(text ?? 'null') as Partial<Kept> | null
    if (kept?.v !== VERSION || typeof kept.tasks !== 'object') return {}
    return Object.fromEntries(Object.entries(kept.tasks).filter(([, run]) => Number.isFinite(run?.settledAt)))
  } catch {
    return {} // what nobody can read is begun anew: no run is lost by it, at most one is made twice
  }
}

const notLeading = (): KeywrightError =>
  new KeywrightError('ERR_JOB_RUNNING', 'another process has taken over the schedule', {
    hint: 'it goes on there; this one waits for its turn',
  })
