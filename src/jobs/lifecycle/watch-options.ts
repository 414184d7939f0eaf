/** What is to run when, and what watching tells. */
import { KeywrightError } from '../../errors.ts'
import type { RunLifecycleOptions } from './lifecycle.ts'
import { parseSchedule, type Schedule } from './schedule.ts'
import {
  LIFECYCLE_TASKS,
  type LifecycleEvent,
  type LifecycleOptions,
  type LifecycleStep,
  type LifecycleTask,
} from './task.ts'

/** Everything that is due, every night. */
const DEFAULT_SCHEDULES: Readonly<Record<string, string>> = { run: '0 3 * * *' }

/** Options of watchLifecycle. */
export interface WatchLifecycleOptions
  extends Pick<LifecycleOptions, 'batch' | 'workers' | 'rate' | 'reason'> {
  /**
   * Cron expressions by task: 'run' for all that is due, a task's name, or with a key type: 'rotate:pii',
   * 'reencrypt:pii'. @default { run: '0 3 * * *' }
   */
  readonly schedules?: Readonly<Record<string, string>>
  /** @default 'UTC' */
  readonly timeZone?: string
  /** Ends it in order: the page that is under way is finished, the lease is given back. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: WatchEvent) => void
}

/** What watching tells. */
export type WatchEvent =
  /** This process runs the tasks now. */
  | { readonly event: 'leading'; readonly next: Readonly<Record<string, string>> }
  /** Another one does; this one takes over when that ends. */
  | { readonly event: 'standby' }
  /** A task begins; `missed` dates before this one are made up for with it. */
  | { readonly event: 'started'; readonly task: string; readonly at: string; readonly missed: number }
  | {
      readonly event: 'finished'
      readonly task: string
      readonly outcome: string
      readonly next?: string
      readonly steps: readonly LifecycleStep[]
    }
  | { readonly event: 'step'; readonly task: string; readonly step: LifecycleEvent }
  /** The key store cannot be reached, or refused; it is tried again. */
  | { readonly event: 'trouble'; readonly code: string; readonly message: string }
  | { readonly event: 'stopped' }

/** A task with its dates. */
export interface PlannedTask {
  readonly name: string
  readonly schedule: Schedule
  readonly run: Pick<RunLifecycleOptions, 'tasks' | 'keyType'>
}

/** Throws ERR_ARGUMENT_INVALID for a task that does not exist, and for a schedule that is not understood. */
export function planTasks({
  schedules = DEFAULT_SCHEDULES,
  timeZone = 'UTC',
}: WatchLifecycleOptions): readonly PlannedTask[] {
  return Object.entries(schedules).map(([name, expression]) => {
    const [task = '', keyType, more] = name.split(':')
    const isAll = task === 'run' && keyType === undefined
    const isTask = LIFECYCLE_TASKS.includes(task as LifecycleTask) && keyType !== '' && more === undefined
    if (!isAll && (!isTask || (task === 'rotate' && keyType === undefined))) {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'there is no such task to schedule', {
        hint: `write run, ${LIFECYCLE_TASKS.join(', ')}, with a key type as rotate:pii: --schedule 'rotate-due=0 3 * * *'`,
      })
    }
    const tasks = isAll ? {} : { tasks: [task as LifecycleTask] }
    return {
      name,
      schedule: parseSchedule(name, expression, timeZone),
      run: { ...tasks, ...(keyType === undefined ? {} : { keyType }) },
    }
  })
}
