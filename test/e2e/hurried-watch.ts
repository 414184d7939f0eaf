/** `lifecycle watch` under a clock that runs twenty times as fast as the machine's. Prints its events as lines. */
import { open, systemClock } from '../../src/index.ts'

const SPEED = 20
const begunAt = Date.now()

const keywright = await open({
  audit: false,
  clock: {
    now: () => begunAt + (Date.now() - begunAt) * SPEED,
    after: (ms, run) => systemClock.after(ms / SPEED, run),
  },
})
await keywright.jobs.watchLifecycle({
  schedules: { report: '*/10 * * * * *' },
  onEvent: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
})
