/** Streams of Node between generators. */
import { pipeline, Readable, type Transform } from 'node:stream'
import { promisify } from 'node:util'

/** What `transform` makes of the chunks. A failure on either side ends both. */
export async function* through(
  chunks: AsyncIterable<Uint8Array>,
  transform: Transform,
): AsyncGenerator<Uint8Array> {
  const piped = promisify(pipeline)(Readable.from(chunks, { objectMode: false }), transform)
  piped.catch(() => undefined) // reading the transform tells it
  yield* transform as AsyncIterable<Uint8Array>
  await piped
}
