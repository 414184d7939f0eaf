/**
 * Moves keys until it is killed: node move-worker.ts <place>, JSON. Says that it is ready, waits for its order, and
 * tells what came of it.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openPlace, type Place } from '../race/support/place.ts'

/** To the worker. */
export type MoveOrder = readonly [job: 'move' | 'rollback', from: string, to: string]

/** From the worker: 'busy' with each key, then what came of it. */
export type MoveLine =
  | readonly ['ready']
  | readonly ['busy', step: string]
  | readonly ['done', outcome: string]

function tell(line: MoveLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

const keywright = await openPlace(JSON.parse(process.argv[2] ?? '') as Place)
await keywright.jobs.planMove({ from: 'old', to: 'fresh' }).catch(() => undefined) // what it needs is loaded
tell(['ready'])
for await (const line of createInterface({ input: process.stdin })) {
  const [job, from, to] = JSON.parse(line) as MoveOrder
  // Whoever held the lease before was killed by the one who gives the orders.
  const options = {
    from,
    to,
    takeOver: true,
    onProgress: ({ step }: { step: string }) => tell(['busy', step]),
  }
  const { outcome } =
    job === 'move'
      ? await keywright.jobs.move({ ...options, windowMs: 0 })
      : await keywright.jobs.rollbackMove(options)
  tell(['done', outcome])
  break
}
await keywright.close()
process.stdin.destroy() // open, it would keep the process alive
