/** Child processes that talk in lines: each runs a .ts file, prints one JSON value per line and takes lines. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** Where child processes keep what Node compiled of our files. */
export const COMPILE_CACHE = join(import.meta.dirname, '../../../node_modules/.cache/keywright-compile')

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const running = new Set<Worker>()

/** Kills what a failed test has left behind. */
export async function endWorkers(): Promise<void> {
  const left = [...running]
  for (const worker of left) worker.kill()
  await Promise.all(left.map((worker) => worker.ended))
}

export class Worker {
  /** Everything it printed so far. */
  readonly lines: unknown[] = []
  readonly ended: Promise<Ending>
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiting = new Set<() => void>()
  #over = false

  constructor(script: string, ...args: readonly unknown[]) {
    this.#child = spawn(process.execPath, [script, ...args.map((arg) => JSON.stringify(arg))], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // A killed process writes no cache, one that ends well does: later ones start in half the time.
      env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: COMPILE_CACHE },
    })
    this.#child.stdin.on('error', () => undefined) // it was killed while we wrote
    running.add(this)
    const output = createInterface({ input: this.#child.stdout })
    output.on('line', (line) => {
      this.lines.push(JSON.parse(line))
      this.#wake()
    })
    this.ended = Promise.all([once(this.#child, 'exit'), once(output, 'close')]).then(([[code, signal]]) => {
      running.delete(this)
      this.#over = true
      this.#wake()
      return { code, signal }
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  send(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  /** The line after the first `index` ones. Rejects when the process ends without having printed it. */
  async line(index: number): Promise<unknown> {
    while (this.lines.length <= index) {
      if (this.#over) throw new Error(`the process ended after ${this.lines.length} lines`)
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    return this.lines[index]
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/**
 * Runs a script in `count` processes that begin their work at the same moment: each prints "ready", waits for a
 * line, and prints its result. Resolves to the results.
 */
export async function together<T>(script: string, count: number, ...args: readonly unknown[]): Promise<T[]> {
  const workers = Array.from({ length: count }, (_, number) => new Worker(script, number, ...args))
  await Promise.all(workers.map((worker) => worker.line(0)))
  for (const worker of workers) worker.send('go')
  return Promise.all(
    workers.map(async (worker) => {
      const result = await worker.line(1)
      await worker.ended
      return result as T
    }),
  )
}
