/** The command line as a function: arguments and streams in, exit code out. */
import { setTimeout as delay } from 'node:timers/promises'
import { KeywrightError } from '../errors.ts'
import { Interrupted, type Io, OutputClosed } from './io.ts'
import { Output } from './output.ts'
import { runProgram } from './program.ts'
import { HelpShown } from './usage.ts'

/** So long work may take to end in order after it was interrupted. A second Ctrl-C does not wait for it. */
const GRACE_MS = 5_000

/**
 * Runs one command. Resolves to the exit code: 0 done, 1 failed, 2 wrong use or configuration, 130 or 143 stopped by
 * a signal. Never rejects.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const end = argv.indexOf('--')
  const flags = end < 0 ? argv : argv.slice(0, end) // wrong use is to be told in the form asked for, too
  const output = new Output(io, {
    json: flags.includes('--json'),
    quiet: flags.includes('--quiet') || flags.includes('-q'),
  })
  const undo = new Set<() => void>()
  const ending = new Set<Promise<unknown>>()
  const ignore = (): void => undefined // `write` reports what goes wrong; unheard, the event would be thrown
  io.stdout.on('error', ignore)
  io.stderr.on('error', ignore)
  try {
    const onInterrupt = (step: () => void) => {
      undo.add(step)
      return { done: () => undo.delete(step) }
    }
    const orderly = <T>(work: Promise<T>): Promise<T> => {
      ending.add(work)
      return work.finally(() => ending.delete(work))
    }
    return await interruptible(io.signal, runProgram(argv, { io, output, onInterrupt, orderly }))
  } catch (error) {
    if (error instanceof Interrupted) await inOrder(ending)
    for (const step of undo) attempt(step)
    return await report(error, output)
  } finally {
    io.stdout.off('error', ignore)
    io.stderr.off('error', ignore)
  }
}

async function inOrder(ending: ReadonlySet<Promise<unknown>>): Promise<void> {
  if (ending.size === 0) return
  const given = new AbortController()
  const all = Promise.allSettled(ending)
  await Promise.race([all, delay(GRACE_MS, undefined, { signal: given.signal }).catch(() => undefined)])
  given.abort()
}

/** What is to be undone may be done already. */
function attempt(step: () => void): void {
  try {
    step()
  } catch {
    // nothing is left to undo, or nothing that can be done about it on the way out
  }
}

function interruptible<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new Interrupted(signal.reason))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

async function report(error: unknown, output: Output): Promise<number> {
  if (error instanceof HelpShown) return error.exitCode
  if (error instanceof OutputClosed) return 0
  await output.status('')
  if (error instanceof Interrupted) {
    await output.note('stopped')
    return error.exitCode
  }
  const known = error instanceof KeywrightError ? error : unexpected(error)
  await output.error(known)
  return known.exitCode
}

/** The message of an error that is not ours may hold anything, a value too; where it was thrown is enough to find it. */
function unexpected(error: unknown): KeywrightError {
  const name = error instanceof Error ? error.constructor.name : typeof error
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const place = /\(?(?:file:\/\/)?[^\s()]*[/\\]((?:src|providers|stores)[/\\][^\s()]+)\)?/.exec(
    stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
  )?.[1]
  return new KeywrightError(
    'ERR_INTERNAL',
    `unexpected ${name}${place === undefined ? '' : ` at ${place}`}`,
    {
      hint: 'this is a fault of Keywright: please report it with the command (without its values)',
    },
  )
}
