/** Bodies as a whole, up to a limit. */
import { Readable } from 'node:stream'
import { tooLarge } from './problem.ts'

/** Reads a Node stream. What is beyond the limit is read and dropped, so that the answer can still be sent. */
export function collectNode(stream: Readable, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (stream.readableEnded || stream.destroyed) {
      reject(new Error('the body was read before, by a body parser that kept nothing of it'))
      return
    }
    const chunks: Buffer[] = []
    let bytes = 0
    const stop = (): void => {
      stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    }
    const onData = (chunk: Buffer | string): void => {
      const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      bytes += buffer.length
      if (bytes <= limit) {
        chunks.push(buffer)
        return
      }
      stop()
      stream.resume()
      reject(tooLarge(limit))
    }
    const onEnd = (): void => {
      stop()
      resolve(Buffer.concat(chunks))
    }
    const onError = (error: Error): void => {
      stop()
      reject(error)
    }
    const onClose = (): void => onError(new Error('the body ended early'))
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}

/** Reads a Web stream. */
export async function collectWeb(stream: ReadableStream<Uint8Array> | null, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stream ?? []) {
    bytes += chunk.length
    if (bytes > limit) throw tooLarge(limit) // leaving the loop cancels the stream
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Whatever a framework takes for a body. */
export async function collectAny(body: unknown, limit: number): Promise<Buffer> {
  if (body instanceof Readable) return collectNode(body, limit)
  if (body instanceof Response) return collectWeb(body.body, limit)
  if (body instanceof ReadableStream) return collectWeb(body, limit)
  const bytes =
    typeof body === 'string'
      ? Buffer.from(body)
      : body instanceof Uint8Array
        ? Buffer.from(body)
        : Buffer.from('')
  if (bytes.length > limit) throw tooLarge(limit)
  return bytes
}
