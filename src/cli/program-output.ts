/** What another program prints, as bytes. */
import { spawn } from 'node:child_process'
import { type Environment, rootSecretVariables } from '../config/environment.ts'
import { KeywrightError } from '../errors.ts'
import { type Io, write } from './io.ts'

/**
 * Runs a program without a shell. Its words on standard error come out on ours. Throws ERR_INPUT_INVALID at the end when it
 * could not be started or did not end well; it is ended when nobody reads on.
 */
export async function* outputOf(program: readonly string[], io: Io): AsyncGenerator<Uint8Array> {
  const [command = '', ...args] = program
  const child = spawn(command, args, {
    env: withoutSecrets(io.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: io.signal,
  })
  const ended = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(`could not be started (${(error as NodeJS.ErrnoException).code})`))
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : outcome(code, signal)))
  })
  child.stderr.on('data', (text: Buffer) => void write(io.stderr, text).catch(() => undefined))
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>
  } finally {
    if (child.exitCode === null && !child.stdout.readableEnded) child.kill('SIGTERM')
    await ended
  }
  const failure = await ended
  if (failure !== undefined) throw failed(failure)
}

/** It is not to learn what opens our keys. */
function withoutSecrets(environment: Environment): Environment {
  const secrets: readonly string[] = rootSecretVariables(environment)
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !secrets.includes(name)))
}

const outcome = (code: number | null, signal: string | null): string =>
  code === null ? `was ended by ${signal}` : `ended with exit code ${code}`

/** Its arguments may hold a password: none of them is repeated. */
const failed = (how: string): KeywrightError =>
  new KeywrightError('ERR_INPUT_INVALID', `the program behind "--" ${how}: there is no backup`, {
    hint: 'its words above say why; try it alone first',
  })
