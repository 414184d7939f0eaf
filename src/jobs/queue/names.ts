/** Names in Redis. */
import { KeywrightError } from '../../errors.ts'
import type { KeyStore } from '../../store.ts'

const PREFIX = /^[a-z0-9][a-z0-9_-]{0,49}$/

/** The two queues: re-encryptions, and the ranges they consist of. */
export type QueueName = 'flows' | 'ranges'

export interface QueueNames {
  /** What all keys in Redis begin with. */
  readonly prefix: string
  /** A queue as BullMQ names it in other jobs. */
  qualified(queue: QueueName): string
  /** The key with the plan of a flow. */
  plan(flow: string): string
  /** The key with the report of a flow, until its job has it. */
  report(flow: string): string
  /** The key that says that a flow was cancelled. */
  cancelled(flow: string): string
}

/**
 * The names for one key store: jobs of another installation on the same Redis are never taken for its own. Throws
 * ERR_ARGUMENT_INVALID for a prefix that cannot be one.
 */
export async function queueNames(
  store: Pick<KeyStore, 'describe'>,
  given = 'keywright',
): Promise<QueueNames> {
  if (!PREFIX.test(given)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the prefix of the work queue is not usable', {
      hint: 'use lower case letters, digits, "-" and "_": --queue-prefix staging',
    })
  }
  const { installation } = await store.describe()
  const prefix = `${given}-${installation.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 16)}`
  return {
    prefix,
    qualified: (queue) => `${prefix}:${queue}`,
    plan: (flow) => `${prefix}:plan:${flow}`,
    report: (flow) => `${prefix}:report:${flow}`,
    cancelled: (flow) => `${prefix}:cancelled:${flow}`,
  }
}

/** The id of a range's job. */
export const rangeId = (flow: string, number: number): string => `${flow}.${number}`
