/** How one file is gone through: by blocks at fixed positions, or where lengths are not known, by a stream. */
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { KeywrightError } from '../../errors.ts'
import { runBlocks } from './block-crew.ts'
import type { BlockEnd, BlockJob } from './blocks.ts'
import { stopped } from './fs-errors.ts'
import type { TargetOption, WorkOptions } from './options.ts'
import { SourceFile } from './source-file.ts'
import { TargetFile } from './target-file.ts'

const CHUNK_BYTES = 256 * 1024
const MAX_WORKERS = 64

/** Throws ERR_ARGUMENT_INVALID and, when it is to stop before it begins, ERR_ABORTED. */
export function assertWork({ workers = 0, signal }: WorkOptions): void {
  if (!Number.isInteger(workers) || workers < 0 || workers > MAX_WORKERS) {
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      `workers is not a whole number from 0 to ${MAX_WORKERS}`,
      {
        hint: '0 works on this thread, 2 is right for large files on most machines',
      },
    )
  }
  if (signal?.aborted) throw stopped()
}

const onBytesOf = (path: string, total: number, { onProgress }: WorkOptions) =>
  onProgress === undefined
    ? undefined
    : (bytes: number): void => onProgress({ path, bytes, total, files: bytes === total ? 1 : 0 })

/** Goes through the blocks of two files. */
export async function byBlocks(
  source: SourceFile,
  target: TargetFile,
  streams: { readonly input?: BlockEnd['stream']; readonly output?: BlockEnd['stream'] },
  plaintextBytes: number,
  options: WorkOptions,
): Promise<void> {
  const end = ({ fd, path }: { fd: number; path: string }, stream: BlockEnd['stream']): BlockEnd =>
    stream === undefined ? { fd, path } : { fd, path, stream }
  const job: BlockJob = {
    input: end(source, streams.input),
    output: end(target, streams.output),
    plaintextBytes,
  }
  const onBytes = onBytesOf(source.path, plaintextBytes, options)
  await runBlocks(job, { workers: options.workers ?? 0, signal: options.signal, onBytes })
}

/** Sends a whole file through a stream, to `position` of the target. Resolves to the bytes that were written. */
export async function byStream(
  source: SourceFile,
  target: TargetFile,
  transform: Transform,
  position: number,
  options: WorkOptions,
): Promise<number> {
  let written = 0
  const onBytes = onBytesOf(source.path, source.size, options)
  await pipeline(chunksOf(source, onBytes), transform, async (output: AsyncIterable<Buffer>) => {
    for await (const chunk of output) {
      await target.write(chunk, position + written)
      written += chunk.length
    }
  })
  return written
}

/** The bytes of a file, for a stream. Throws as `SourceFile`, and ERR_FILE_CHANGED at the end. */
export async function* readChunks(path: string, onBytes?: (bytes: number) => void): AsyncGenerator<Buffer> {
  const source = await SourceFile.open(path)
  try {
    yield* chunksOf(source, onBytes)
    await source.assertUnchanged()
  } finally {
    await source.close()
  }
}

/** Writes a stream into a new file, which appears when the stream has ended. Only its owner may read it. */
export async function writeChunks(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  { force = false }: TargetOption,
): Promise<number> {
  const target = await TargetFile.create(path, { force })
  try {
    let written = 0
    for await (const chunk of chunks) {
      await target.write(chunk, written)
      written += chunk.length
    }
    await target.commit()
    return written
  } finally {
    await target.discard()
  }
}

async function* chunksOf(
  source: SourceFile,
  onBytes: ((bytes: number) => void) | undefined,
): AsyncGenerator<Buffer> {
  let done = 0
  while (done < source.size) {
    const chunk = await source.read(done, Math.min(CHUNK_BYTES, source.size - done))
    if (chunk.length === 0) return await source.assertUnchanged() // it became shorter
    done += chunk.length
    onBytes?.(done)
    yield chunk
  }
}

/**
 * Makes `output` from `source`, or leaves everything as it was. `make` writes; `done` comes when the file is in its
 * place.
 */
export async function replaceTarget<T>(
  source: SourceFile,
  output: string,
  force: boolean,
  make: (target: TargetFile) => Promise<T>,
): Promise<T> {
  const target = await TargetFile.create(output, { force })
  try {
    const made = await make(target)
    await target.commit(source.stats, () => source.assertUnchanged())
    return made
  } finally {
    await target.discard()
  }
}
