/** What commands that run jobs share: their options, the line that tells how far they are, and the report file. */
import { lstat } from 'node:fs/promises'
import { replaceFile } from '../files/atomic.ts'
import type { JobOptions, JobProgress } from '../jobs/job.ts'
import type { KeyReport } from '../jobs/key-log.ts'
import type { KeySelection } from '../jobs/selection.ts'
import { type Call, wrongUse } from './call.ts'
import { cannotWrite } from './io.ts'
import { Cadence } from './progress.ts'
import { progressText } from './progress-bar.ts'
import { count } from './text.ts'
import { parseCount } from './values.ts'

/** So many failed keys are told one by one. */
const MOST_FAILURES = 20

/** Which keys, as `--key-type`, `--tenant` and `--keyring` say. */
export function selectionOf({ options }: Call): KeySelection {
  const names = ['keyType', 'tenant', 'keyring'] as const
  return Object.fromEntries(
    names.flatMap((name) => (options.text(name) === undefined ? [] : [[name, options.text(name)]])),
  )
}

/** How to run it. Ctrl-C stops it between two keys. */
export function jobOptionsOf(call: Call): JobOptions {
  const { io, options } = call
  const concurrency = parseCount('concurrency', options.text('concurrency'))
  const reason = options.text('reason')
  return {
    signal: io.signal,
    takeOver: options.flag('takeOver'),
    onProgress: progressOf(call),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** 'add  ██████░░░░  120 of 400 keys, 35/s' */
function progressOf({ output }: Call): (progress: JobProgress) => void {
  const cadence = new Cadence(output)
  return ({ step, done, total, rate }) => {
    if (!cadence.isDue()) return
    void output.status(progressText({ title: step.padEnd(6), done, total, noun: 'keys', rate }))
    void output.event({ progress: { step, done, total, rate: Math.round(rate) } })
  }
}

/** The file of --report. Throws ERR_ARGUMENT_INVALID for one that exists: a report is never written over. */
export async function reportFile({ options }: Call): Promise<{ write(report: object): Promise<void> }> {
  const path = options.text('report')
  if (path === undefined) return { write: async () => undefined }
  if ((await lstat(path).catch(() => undefined)) !== undefined) throw exists()
  return {
    async write(report) {
      const text = `${JSON.stringify(report, undefined, 2)}\n`
      await replaceFile(path, text, { mode: 0o600, exclusive: true }).catch((error: unknown) => {
        throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? exists() : cannotWrite('the report', error)
      })
    },
  }
}

const exists = () =>
  wrongUse('the file of --report exists', 'name another one: a report is never written over')

/** Warns of keys that failed, the first of them by name. */
export async function warnOfFailures({ output }: Call, keys: readonly KeyReport[]): Promise<void> {
  const failed = keys.filter(({ failure }) => failure !== undefined)
  for (const { keyId, keyring, version, failure } of failed.slice(0, MOST_FAILURES))
    await output.warn(`key ${keyId} (${keyring} version ${version}) was not brought further (${failure})`)
  const more = failed.length - MOST_FAILURES
  if (more > 0)
    await output.warn(`and ${count(more, 'key')} more`, 'the report has them all: --json, --report')
}
