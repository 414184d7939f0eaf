/** The command line as a process of its own, as a shell starts it: real streams, real signals. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Env } from './bad-input-kit.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Program {
  readonly child: ChildProcess
  /** What it has printed so far. */
  readonly out: () => string
  readonly ended: Promise<Ended>
}

export interface ProgramOptions {
  readonly cwd: string
  readonly env: Env
  readonly stdin?: string
  /** Options of Node itself. */
  readonly node?: readonly string[]
}

const running = new Set<ChildProcess>()

/** For `afterEach`: ends what a failed test has left. */
export function endPrograms(): void {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
}

export function startProgram(
  argv: readonly string[],
  { cwd, env, node = [], stdin = '' }: ProgramOptions,
): Program {
  const child = spawn(process.execPath, [...node, MAIN, ...argv], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, ...env },
  })
  running.add(child)
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => undefined) // it may end without reading
  child.stdin.end(stdin)
  const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8')
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code) => {
      running.delete(child)
      resolve({ code, out: text(out), err: text(err) })
    }),
  )
  return { child, out: () => text(out), ended }
}
