/** Who does the runs of a job: this thread, between turns of the event loop, or workers. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type ErrorCode, type ErrorDetails, KeywrightError } from '../../errors.ts'
import { type BlockJob, BlockRunner } from './blocks.ts'
import { stopped } from './fs-errors.ts'
import { BYTES, newCounters, STOP } from './shared-counters.ts'

/** The event loop waits for this thread at most so long. */
const TURN_MS = 8
const PROGRESS_MS = 100
/** A worker takes about 40 ms to start, in which one thread does so much. */
const MIN_BYTES_FOR_WORKERS = 64 * 2 ** 20

export interface CrewOptions {
  /** Threads beside this one; 0: this thread does it. */
  readonly workers: number
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes of plaintext that are done. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Does all runs of a job. Throws what a run throws, and ERR_ABORTED. */
export async function runBlocks(job: BlockJob, options: CrewOptions): Promise<void> {
  if (options.signal?.aborted) throw stopped()
  if (options.workers > 0 && job.plaintextBytes >= MIN_BYTES_FOR_WORKERS) await runInWorkers(job, options)
  else await runHere(job, options)
}

async function runHere(job: BlockJob, { signal, onBytes }: CrewOptions): Promise<void> {
  const runner = new BlockRunner(job)
  let bytes = 0
  let turnAt = performance.now()
  for (let index = 0; index < runner.runs; index++) {
    bytes += runner.run(index)
    if (performance.now() - turnAt < TURN_MS) continue
    onBytes?.(bytes)
    await nextTurn()
    if (signal?.aborted) throw stopped()
    turnAt = performance.now()
  }
  onBytes?.(bytes)
}

async function runInWorkers(job: BlockJob, { workers, signal, onBytes }: CrewOptions): Promise<void> {
  const shared = newCounters()
  const counters = new BigInt64Array(shared)
  const tell = (): void => onBytes?.(Number(Atomics.load(counters, BYTES)))
  const stop = (): void => void Atomics.store(counters, STOP, 1n)
  let told: { readonly failure: unknown } | undefined
  const timer = setInterval(() => {
    try {
      tell()
    } catch (failure) {
      told = { failure } // of the caller's own function: it ends the work, not the process
      stop()
    }
  }, PROGRESS_MS)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const crew = Array.from({ length: workers }, () => runWorker(job, shared))
    const failed = (await Promise.allSettled(crew)).find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', stop)
  }
  if (signal?.aborted) throw stopped()
  if (told !== undefined) throw told.failure
  tell()
}

interface SentError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  readonly details: ErrorDetails
}

function runWorker(job: BlockJob, shared: SharedArrayBuffer): Promise<void> {
  const program = new URL(
    import.meta.url.endsWith('.ts') ? './block-worker.ts' : './block-worker.js',
    import.meta.url,
  )
  const worker = new Worker(program, {
    workerData: { job, shared },
    execArgv: [], // those of the program may be for it alone, as --input-type is
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 },
  })
  return new Promise((resolve, reject) => {
    worker.once('message', ({ code, message, hint, details }: SentError) =>
      reject(new KeywrightError(code, message, { details, ...(hint === undefined ? {} : { hint }) })),
    )
    worker.once('error', (error) => reject(crashed(error)))
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(crashed({}))))
  })
}

/** `error` may be anything; its code tells what people need: ERR_WORKER_OUT_OF_MEMORY, ERR_MODULE_NOT_FOUND … */
function crashed(error: unknown): KeywrightError {
  const { code } = error as { readonly code?: unknown }
  const why = typeof code === 'string' && /^[A-Z_]{1,60}$/.test(code) ? ` (${code})` : ''
  return new KeywrightError('ERR_INTERNAL', `a file worker ended before its work was done${why}`, {
    hint: 'nothing was left half-written; try it without workers',
  })
}
