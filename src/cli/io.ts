/** What the command line has of the outside world, passed in so that tests run it in their own process. */
import type { Readable, Writable } from 'node:stream'
import type { Environment } from '../config/environment.ts'
import { KeywrightError } from '../errors.ts'

type Terminal = { readonly isTTY?: boolean }

export interface Io {
  readonly stdin: Readable & Terminal
  readonly stdout: Writable & Terminal
  readonly stderr: Writable & Terminal
  readonly env: Environment
  /** Of Node and what is built into it. */
  readonly versions: { readonly node: string; readonly openssl: string }
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Aborted by Ctrl-C; its reason is the name of the signal. */
  readonly signal: AbortSignal
}

/** Nobody reads standard output any more (`| head`): a reason to stop, not a failure. */
export class OutputClosed extends Error {}

/** The user stopped the program. */
export class Interrupted extends Error {
  readonly exitCode: 130 | 143

  /** `signal`: 'SIGINT' unless it was 'SIGTERM'. */
  constructor(signal: unknown = 'SIGINT') {
    super('interrupted')
    this.exitCode = signal === 'SIGTERM' ? 143 : 130
  }
}

/** Writes and waits until the stream has taken it, so that memory stays bounded and nothing is lost at the exit. */
export function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error === null || error === undefined) resolve()
      else reject(isClosed(error) ? new OutputClosed() : cannotWrite('the output', error))
    })
  })
}

/** A full disk, a folder that is gone. Not the fault of whoever gave the command, so no wrong use. */
export function cannotWrite(what: string, error: unknown): KeywrightError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException
  return new KeywrightError('ERR_OUTPUT_FAILED', `cannot write ${what} (${code})`, {
    hint: 'check the folder, its mode and the space on the disk',
  })
}

const isClosed = (error: Error): boolean =>
  'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')

/** A person sits there and can be asked: input and messages are both on a terminal. */
export function isInteractive(io: Io): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true && !Object.hasOwn(io.env, 'CI')
}
