/** Child processes of the queue tests, which print one JSON value per line. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { COMPILE_CACHE } from '../../race/support/worker.ts'

export class Child {
  readonly lines: unknown[] = []
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  readonly #child: ChildProcessByStdio<null, Readable, null>
  readonly #waiting = new Set<() => void>()
  #over = false

  constructor(script: string, ...args: readonly unknown[]) {
    const path = join(import.meta.dirname, script)
    this.#child = spawn(process.execPath, [path, ...args.map((arg) => JSON.stringify(arg))], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: COMPILE_CACHE },
    })
    children.add(this)
    const output = createInterface({ input: this.#child.stdout })
    output.on('line', (line) => {
      this.lines.push(JSON.parse(line))
      this.#wake()
    })
    this.ended = Promise.all([once(this.#child, 'exit'), once(output, 'close')]).then(([[code, signal]]) => {
      children.delete(this)
      this.#over = true
      this.#wake()
      return { code, signal }
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The first line from the `from`th on that satisfies `wanted`. Rejects when the process ends without it. */
  async until(wanted: (line: unknown) => boolean, from = 0): Promise<unknown> {
    for (let at = from; ; ) {
      for (; at < this.lines.length; at++) if (wanted(this.lines[at])) return this.lines[at]
      if (this.#over) throw new Error(`the process ended; it said ${JSON.stringify(this.lines.slice(-5))}`)
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

const children = new Set<Child>()

/** Kills what a failed test has left. */
export async function endChildren(): Promise<void> {
  for (const child of children) {
    child.kill('SIGCONT')
    child.kill('SIGKILL')
  }
  await Promise.all([...children].map((child) => child.ended))
}

/** Whether a worker's line is this event. */
export const isEvent =
  (...names: readonly string[]) =>
  (line: unknown): boolean =>
    names.includes((line as { readonly event?: string }).event ?? '')
