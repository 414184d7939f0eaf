/** Running `child.ts` in processes of its own, also as a user who is not root. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SqliteStoreOptions } from '../../../stores/sqlite.ts'

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
const NOBODY = 65_534

/** Root may read and write everything, so what depends on file modes runs as nobody. */
export const UNPRIVILEGED = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}

/** Whether file modes can be tested here at all, and if not, why. */
export function whyNotUnprivileged(): string | undefined {
  if (process.getuid === undefined) return 'no file modes on this system'
  const probe = spawnSync(
    process.execPath,
    ['-e', "require('fs').accessSync(process.argv[1])", CHILD],
    UNPRIVILEGED,
  )
  return probe.status === 0 ? undefined : 'the repository cannot be read by user nobody'
}

export interface Outcome {
  readonly answer?: unknown
  readonly code?: string
  readonly text?: string
}

export function startChild(
  command: string,
  options: SqliteStoreOptions,
  numbers: readonly number[] = [],
  user: { uid?: number; gid?: number } = {},
): ChildProcess {
  const flags = ['--experimental-strip-types', '--no-warnings']
  const given = [command, JSON.stringify(options), ...numbers.map(String)]
  return spawn(process.execPath, [...flags, CHILD, ...given], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...user,
  })
}

/** Runs a command to its end. */
export async function runChild(...started: Parameters<typeof startChild>): Promise<Outcome> {
  const child = startChild(...started)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
  return JSON.parse(text) as Outcome
}

/**
 * Copies a file that a store of this process has open. `cp` does it, because closing a file here would drop SQLite's
 * own locks on it.
 */
export function copyOpenFile(from: string, to: string): void {
  const { status } = spawnSync('cp', [from, to])
  if (status !== 0) throw new Error(`cp ${from} failed`)
}
