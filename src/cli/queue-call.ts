/** Where the work queue is, for the commands that use it. */
import { variable } from '../config/environment.ts'
import type { QueueOptions } from '../jobs/queue/queue.ts'
import { readDuration } from '../policy/duration.ts'
import { type Call, wrongUse } from './call.ts'

/** Of --queue or ENCRYPTION_QUEUE_URL. Throws ERR_ARGUMENT_INVALID when there is neither. */
export function queueOptionsOf({ io, options }: Call): QueueOptions {
  const redis = options.text('queue') ?? variable(io.env, 'ENCRYPTION_QUEUE_URL')
  const prefix = options.text('queuePrefix')
  if (redis === undefined) {
    throw wrongUse(
      'the Redis of the work queue is not named',
      'set ENCRYPTION_QUEUE_URL, or pass --queue redis://…',
    )
  }
  return { redis, ...(prefix === undefined ? {} : { prefix }) }
}

/** A password on the command line can be seen by everybody on the machine. */
export async function warnOfPassword({ options, output }: Call): Promise<void> {
  if (!/^rediss?:\/\/[^/@]*:[^/@]+@/i.test(options.text('queue') ?? '')) return
  await output.warn(
    'the password in --queue is visible in the process list and in the history of the shell',
    'put the URL into ENCRYPTION_QUEUE_URL',
  )
}

/** A time of an option, in ms. Throws ERR_ARGUMENT_INVALID. */
export function parseSpan(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = readDuration(text)
  if (ms !== undefined) return ms
  throw wrongUse(`--${option} is not a time`, `write --${option} 30s`)
}
