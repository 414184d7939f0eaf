/** When tasks are due: cron expressions, worked out from a date that is passed in. No timer is set here. */
import { Cron } from 'croner'
import { KeywrightError } from '../../errors.ts'

/** The dates of one cron expression. */
export interface Schedule {
  /** As it was given. */
  readonly expression: string
  /** The first date after `ms`; undefined when there is none any more. Milliseconds since the epoch. */
  next(ms: number): number | undefined
}

/** A date is no schedule: croner takes one for a single run. */
const FIELDS = /^(@\w+|\S+(\s+\S+){4,5})$/

/**
 * A cron expression of five fields (six with seconds), or a nickname as @daily, in a time zone. Throws
 * ERR_ARGUMENT_INVALID.
 */
export function parseSchedule(task: string, expression: string, timeZone: string): Schedule {
  const text = expression.trim()
  let cron: Cron
  try {
    if (!FIELDS.test(text)) throw new TypeError('no cron expression')
    cron = new Cron(text, { paused: true, timezone: timeZone })
    cron.nextRun(new Date(0)) // the time zone is looked at only now
  } catch {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `the schedule of "${task}" is not understood`, {
      hint: `write five fields as '0 3 * * *' (six with seconds) and a time zone as Europe/Vienna: --schedule '${task}=0 3 * * *'`,
      details: { task },
    })
  }
  return { expression: text, next: (ms) => cron.nextRun(new Date(ms))?.getTime() }
}
