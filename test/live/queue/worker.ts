/** A worker as a process: prints its events as lines, runs until SIGTERM. */
import { openWorld, type World } from './world.ts'

const [, , world = '', options = '{}'] = process.argv
const at = JSON.parse(world) as World
const keywright = await openWorld(at)
const tell = (event: unknown): void => void process.stdout.write(`${JSON.stringify(event)}\n`)
const worker = await keywright.jobs.work({
  redis: at.redis,
  prefix: at.prefix,
  ...(JSON.parse(options) as object),
  onEvent: tell,
})
process.once('SIGTERM', async () => {
  await worker.close()
  await keywright.close()
  tell({ event: 'closed' })
  process.exit(0)
})
