/** The tasks of the key lifecycle by name, and what each of them reports. */
import { KeywrightError } from '../../errors.ts'
import type { KeyManager } from '../../keys/manager.ts'
import type { ValueParts } from '../values/reencrypt.ts'

/** In the order in which one run goes through them; 'rotate' is for one key type and only made when it is asked for. */
export const LIFECYCLE_TASKS = [
  'rotate',
  'rotate-due',
  'rewrap',
  'reencrypt',
  'census',
  'cleanup',
  'report',
] as const
export type LifecycleTask = (typeof LIFECYCLE_TASKS)[number]

/** What one run does when nothing is said. */
export const ALL_TASKS: readonly LifecycleTask[] = LIFECYCLE_TASKS.filter((task) => task !== 'rotate')

/** Options of one run. */
export interface LifecycleOptions {
  /** @default everything but 'rotate' */
  readonly tasks?: readonly LifecycleTask[]
  /** Only this key type; 'rotate' needs it. @default all */
  readonly keyType?: string
  /** Rows a page of a re-encryption, from 1 to 10,000. @default 1_000 */
  readonly batch?: number
  /** Worker threads of a re-encryption, from 1 to 64. @default none */
  readonly workers?: number
  /** Rows a second of a re-encryption. @default as fast as it goes */
  readonly rate?: number
  /** With 'rotate': although it is not due. @default false */
  readonly force?: boolean
  /** For the audit log. */
  readonly reason?: string
  /** Stops it: what is under way ends in order and goes on with the next run. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: LifecycleEvent) => void
}

/** What a run tells. */
export type LifecycleEvent =
  | { readonly event: 'begun'; readonly task: LifecycleTask }
  /** Rows of one place so far, of about so many. */
  | {
      readonly event: 'progress'
      readonly task: LifecycleTask
      readonly place: string
      readonly done: number
      readonly total?: number
    }
  | { readonly event: 'ended'; readonly task: LifecycleTask; readonly step: LifecycleStep }

/**
 * 'done'; 'nothing due'; 'incomplete': some of it failed, the rest is done; 'failed'; 'running elsewhere': another
 * process is at it; 'stopped': by the signal.
 */
export type StepOutcome = 'done' | 'nothing due' | 'incomplete' | 'failed' | 'running elsewhere' | 'stopped'

/** What became of one task. */
export interface LifecycleStep {
  readonly task: LifecycleTask
  readonly outcome: StepOutcome
  /** One line for people. */
  readonly summary: string
  /** What failed, each with its code. */
  readonly failures: readonly StepFailure[]
  /** What the task itself reports, for programs. */
  readonly details: Readonly<Record<string, unknown>>
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly finishedAt: string
}

export interface StepFailure {
  /** 'pii/acme', 'key 4711', or empty for the task as a whole. */
  readonly what: string
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** Whether the same may succeed later without anything being changed. */
  readonly retryable: boolean
}

/** What a task gives back. */
export type TaskResult = Pick<LifecycleStep, 'summary' | 'details'> & {
  readonly outcome?: 'done' | 'nothing due'
  readonly failures?: readonly StepFailure[]
}

/** What tasks work with. */
export interface LifecycleParts extends ValueParts {
  readonly keys: KeyManager
}

/** A task. Throws what concerns all of it. */
export type RunTask = (parts: LifecycleParts, options: LifecycleOptions) => Promise<TaskResult>

/** A failure as a report has it: an error that is not ours is told by its class alone. */
export function stepFailure(what: string, error: unknown): StepFailure {
  const known = error instanceof KeywrightError ? error : unexpected(error)
  const { code, hint, message, retryable } = known
  return { what, code, message, retryable, ...(hint === undefined ? {} : { hint }) }
}

function unexpected(error: unknown): KeywrightError {
  const name = error instanceof Error ? error.constructor.name : typeof error
  return new KeywrightError('ERR_INTERNAL', `unexpected ${name}`, {
    hint: 'this is a fault of Keywright: please report it',
  })
}

/** Does `work` with each of `items`; one that fails does not keep the others from it, but a stop does. */
export async function eachOf<T>(
  items: readonly T[],
  { signal }: LifecycleOptions,
  nameOf: (item: T) => string,
  work: (item: T) => Promise<void>,
): Promise<StepFailure[]> {
  const failures: StepFailure[] = []
  for (const item of items) {
    if (signal?.aborted === true) throw stopped()
    try {
      await work(item)
    } catch (error) {
      failures.push(stepFailure(nameOf(item), error))
    }
  }
  return failures
}

/** '1 key', '3 keys' */
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

export const stopped = (): KeywrightError =>
  new KeywrightError('ERR_ABORTED', 'the run was stopped', {
    hint: 'what is done stays done; the next run goes on',
  })
