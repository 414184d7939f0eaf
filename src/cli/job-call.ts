/** What commands that run jobs share: their options, the line that tells how far they are, and the report file. */
import { lstat } from 'node:fs/promises'
import { replaceFile } from '../files/atomic.ts'
import type { JobOptions, JobProgress } from '../jobs/job.ts'
import type { KeyReport } from '../jobs/key-log.ts'
import type { KeySelection } from '../jobs/selection.ts'
import { type Call, wrongUse } from './call.ts'
import { cannotWrite } from './io.ts'
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

const PERIOD_MS = 200
const BAR_WIDTH = 20

/** 'add  ██████░░░░  120 of 400 keys, 35/s', five times a second at most. */
function progressOf({ output }: Call): (progress: JobProgress) => void {
  let shownAt = performance.now()
  return ({ step, done, total, rate }) => {
    const now = performance.now()
    if (!output.showsStatus || now - shownAt < PERIOD_MS) return
    shownAt = now
    const filled = Math.floor((done / Math.max(total, 1)) * BAR_WIDTH)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
    const places = (number: number): string => Math.round(number).toLocaleString('en-US')
    void output.status(
      `${step.padEnd(6)}  ${bar}  ${places(done)} of ${places(total)} keys, ${places(rate)}/s`,
    )
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
