/** The thread of a worker: takes the next run until there is none, or until somebody failed. */
import { parentPort, workerData } from 'node:worker_threads'
import { KeywrightError } from '../../errors.ts'
import { type BlockJob, BlockRunner } from './blocks.ts'
import { BYTES, NEXT, STOP } from './shared-counters.ts'

const { job, shared } = workerData as { job: BlockJob; shared: SharedArrayBuffer }
const counters = new BigInt64Array(shared)

try {
  const runner = new BlockRunner(job)
  while (Atomics.load(counters, STOP) === 0n) {
    const index = Number(Atomics.add(counters, NEXT, 1n))
    if (index >= runner.runs) break
    Atomics.add(counters, BYTES, BigInt(runner.run(index)))
  }
} catch (error) {
  Atomics.store(counters, STOP, 1n)
  // An error does not keep its class on the way; one that is not ours may hold anything.
  const known =
    error instanceof KeywrightError ? error : new KeywrightError('ERR_INTERNAL', 'a file worker failed')
  const { code, message, hint, details } = known
  parentPort?.postMessage({ code, message, hint, details })
}
