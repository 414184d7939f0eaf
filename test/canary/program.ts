/** The command line as a process of its own, with everything that it prints. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { COMPILE_CACHE } from '../race/support/worker.ts'

export const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')

export interface Printed {
  readonly code: number | null
  readonly output: Buffer
}

export interface ProgramOptions {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
}

/** Runs a script to its end; resolves to exit code, standard output and standard error. */
export async function runScript(
  script: string,
  args: readonly string[],
  { cwd, environment, input = '' }: ProgramOptions,
): Promise<Printed> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...environment,
    },
  })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stdin.on('error', () => undefined) // it may end without reading
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('close', resolve).once('error', reject),
  )
  return { code, output: Buffer.concat(chunks) }
}
