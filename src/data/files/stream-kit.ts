/** What encrypting and decrypting streams share. */
import type { Transform } from 'node:stream'
import { KeywrightError } from '../../errors.ts'
import { stopped } from './fs-errors.ts'

/** A stream takes bytes, or text as UTF-8 as every writable does. */
export function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  throw new KeywrightError('ERR_VALUE_TYPE', 'a chunk of the stream is no bytes', {
    hint: 'write Buffers, Uint8Arrays or strings',
  })
}

/** Ends a stream with ERR_ABORTED when its signal says so. */
export function destroyOnAbort(stream: Transform, signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  const stop = (): void => void stream.destroy(stopped())
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  stream.once('close', () => signal.removeEventListener('abort', stop))
}
