/** Writing into the streams of tar-stream, which tell when they have room, but not when a write is done. */

/** The part of such a stream that is needed here. */
interface Target {
  write(chunk: Uint8Array): boolean
  on(event: 'drain' | 'close' | 'error', listener: () => void): unknown
  off(event: 'drain' | 'close' | 'error', listener: () => void): unknown
}

/** Writes and waits until there is room for more. Throws when the stream is closed meanwhile. */
export async function feed(stream: Target, chunk: Uint8Array): Promise<void> {
  if (stream.write(chunk)) return
  await new Promise<void>((resolve, reject) => {
    const end = (settle: () => void) => (): void => {
      stream.off('drain', onDrain)
      stream.off('close', onClose)
      stream.off('error', onError)
      settle()
    }
    const closed = (): void => reject(new Error('the archive was closed'))
    const onDrain = end(resolve)
    const onClose = end(closed)
    const onError = end(closed)
    stream.on('drain', onDrain)
    stream.on('close', onClose)
    stream.on('error', onError)
  })
}
