/** Runs a worker again and again, killed with -9 in the middle, until it comes to its end. */
import { join } from 'node:path'
import { Worker } from '../race/support/worker.ts'
import type { Installation } from './lab.ts'
import type { Line, Order } from './worker.ts'

const SCRIPT = join(import.meta.dirname, 'worker.ts')

/** How it ended, and how many of the kills met it at work. */
export interface Ended {
  readonly outcome: string
  readonly written: number
  readonly hits: number
}

/** Kills it after 1, 2, 3 … pages of its own, `kills` times. */
export async function killedUntilDone(of: Installation, order: Order, kills: number): Promise<Ended> {
  let hits = 0
  for (let run = 1; ; run++) {
    const worker = new Worker(SCRIPT, of, order)
    if (run <= kills) {
      await Promise.race([worker.line(run - 1).catch(() => undefined), worker.ended])
      worker.kill()
    }
    const { signal } = await worker.ended
    if (signal === 'SIGKILL') hits++
    const last = worker.lines.at(-1) as Line | undefined
    if (last?.[0] === 'done') return { outcome: last[1], written: last[2], hits }
    if (run > kills) throw new Error('the worker ended without a result')
  }
}
