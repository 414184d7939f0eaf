/** Servers as child processes: started on a free port, watched until they answer, ended with their parent. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KeywrightError } from '../../errors.ts'

const SETPRIV = '/usr/bin/setpriv'
const POLL_MS = 25
const GRACE_MS = 5000
const LOG_CHARACTERS = 20_000
const START_MS = 60_000

export interface ServerCommand {
  /** For messages: 'OpenBao'. */
  readonly title: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** The whole environment of the process, beside PATH. */
  readonly env?: Readonly<Record<string, string>>
  /** User id and group id to run as. */
  readonly user?: { readonly uid: number; readonly gid: number }
  /** Whether it answers. A rejection counts as no. */
  readonly ready: () => Promise<boolean>
  /** @default 60_000 */
  readonly timeoutMs?: number | undefined
  /** @default SIGTERM */
  readonly stopSignal?: NodeJS.Signals
}

export interface ServerProcess {
  readonly pid: number
  /** The last of what it printed. */
  logs(): string
  /** Sends a signal: SIGSTOP and SIGCONT make it hang and go on. */
  kill(signal: NodeJS.Signals): void
  /** Ends it and waits for the end. Twice is harmless. */
  stop(): Promise<void>
}

/** Starts a server and waits until it is ready. Throws ERR_EMULATOR_UNAVAILABLE with the last lines it printed. */
export async function startServer(server: ServerCommand): Promise<ServerProcess> {
  const child = launch(server)
  const output = collect(child)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    child.ref() // whoever waits for the end must not end before it
    child.kill(server.stopSignal ?? 'SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
    await ended
    clearTimeout(timer)
  }
  const deadline = Date.now() + (server.timeoutMs ?? START_MS)
  while (!(await server.ready().catch(() => false))) {
    const over = child.pid === undefined || child.exitCode !== null || child.signalCode !== null
    if (!over && Date.now() < deadline) {
      await delay(POLL_MS)
      continue
    }
    await stop()
    const what = over ? 'ended before it answered' : 'did not answer in time'
    throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `${server.title} ${what}`, {
      hint: `its last words: ${output().slice(-600).trim() || 'none'}`,
    })
  }
  return { pid: child.pid ?? 0, logs: output, kill: (signal) => child.kill(signal), stop }
}

/** The kernel ends the server with its parent, however that ends; elsewhere at least with an orderly exit. */
function launch(server: ServerCommand): ChildProcess {
  const tied = process.platform === 'linux' && existsSync(SETPRIV)
  const identity = server.user
    ? [`--reuid=${server.user.uid}`, `--regid=${server.user.gid}`, '--clear-groups']
    : []
  const [command, args] = tied
    ? [SETPRIV, [...identity, '--pdeathsig', 'KILL', server.command, ...server.args]]
    : [server.command, [...server.args]]
  const child = spawn(command, args, {
    cwd: server.cwd,
    env: { PATH: process.env['PATH'], ...server.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(tied ? {} : server.user),
  })
  const end = (): void => void child.kill('SIGKILL')
  process.prependOnceListener('exit', end) // before its folder is removed
  child.once('exit', () => process.removeListener('exit', end))
  child.unref()
  return child
}

function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-LOG_CHARACTERS)
    })
    // A server that is left running must not keep the process that started it.
    if (stream !== null && 'unref' in stream) (stream as unknown as { unref(): void }).unref()
  }
  child.once('error', (error) => {
    text += String(error.message)
  })
  return () => text
}

/** A port of the loopback interface that nobody listens on now. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** Folders that are still there. One listener for all: Node warns of many. */
const folders = new Set<string>()

function removeFolders(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true })
}

/** A folder for what a server writes. It goes with the process at the latest, where that exits by itself. */
export async function scratchFolder(name: string): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `keywright-${name}-`))
  if (folders.size === 0) process.once('exit', removeFolders)
  folders.add(path)
  const remove = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true, maxRetries: 5 })
    folders.delete(path)
    if (folders.size === 0) process.removeListener('exit', removeFolders)
  }
  return { path, remove }
}

/** Whether an HTTP server answers at `url` with a status below 500. */
export async function answers(url: string): Promise<boolean> {
  const { status } = await fetch(url, { signal: AbortSignal.timeout(1000) })
  return status < 500
}
