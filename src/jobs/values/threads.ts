/** Worker threads for the cryptography: this thread does the I/O, they get ciphertexts and key objects. */
import { fileURLToPath } from 'node:url'
import type { Piscina } from 'piscina'
import { parseCiphertext, toText } from '../../crypto/ciphertext.ts'
import { KeywrightError } from '../../errors.ts'
import type { Batch, BatchResult } from './batch.ts'
import type { BatchRunner } from './crypter.ts'
import { type PackedBatch, type PackedResult, pack, reencryptPacked, unpack } from './thread.ts'

const MAX_THREADS = 64
/** Batches that a thread has before it: it never waits for this thread to hand it the next one. */
const BATCHES_AHEAD = 3

/** Starts threads, from 1 to 64. Throws ERR_ARGUMENT_INVALID. */
export async function startThreads(workers: number): Promise<BatchRunner> {
  if (!Number.isInteger(workers) || workers < 1 || workers > MAX_THREADS) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"workers" is not a number from 1 to ${MAX_THREADS}`, {
      hint: 'it is how many threads do the cryptography; leave it out to use none',
    })
  }
  const { Piscina } = await import('piscina')
  const thread = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js'
  const pool = new Piscina<PackedBatch, PackedResult>({
    filename: fileURLToPath(new URL(thread, import.meta.url)),
    name: reencryptPacked.name,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: BATCHES_AHEAD,
    env: {}, // a thread needs none, and what it does not have it cannot lose
  })
  return new Threads(pool, workers)
}

class Threads implements BatchRunner {
  readonly pagesAtOnce: number
  readonly #pool: Piscina<PackedBatch, PackedResult>

  constructor(pool: Piscina<PackedBatch, PackedResult>, workers: number) {
    this.pagesAtOnce = workers * BATCHES_AHEAD
    this.#pool = pool
  }

  async run({ rows, values, ...batch }: Batch): Promise<BatchResult> {
    const packed = {
      ...batch,
      values: pack(values.map(textOf)),
      rows: rows === undefined ? undefined : pack(rows),
    }
    const result = await this.#pool.run(packed)
    const made = unpack(result.values)
    return { ...result, values: made.map((text, at) => likeValue(text, values[at] as string | Uint8Array)) }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

const textOf = (value: string | Uint8Array): string =>
  typeof value === 'string' ? value : toText(Buffer.from(value.buffer, value.byteOffset, value.byteLength))

function likeValue(text: string, value: string | Uint8Array): string | Uint8Array | undefined {
  if (text === '') return undefined
  return typeof value === 'string' ? text : parseCiphertext(text)
}
