/** Makes and restores backups until it is killed: node crash-worker.ts <what>, JSON. Says when it is at work. */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openPlace, type Place } from '../race/support/place.ts'

/** To the worker: what it is to do, over and over. */
export interface CrashWork {
  readonly place: Place
  readonly job: 'create' | 'restore'
  readonly backups: string
  /** The folder to back up, or the backup to restore. */
  readonly from: string
  /** Where to restore to. */
  readonly to: string
}

const work = JSON.parse(process.argv[2] ?? '') as CrashWork
const { backups } = await openPlace(work.place)
const tell = (line: unknown): void => void writeSync(1, `${JSON.stringify(line)}\n`)

const once = async (): Promise<void> => {
  if (work.job === 'create')
    await backups.create({ to: work.backups, name: 'tree', source: { folder: work.from } })
  else await backups.restore({ from: work.from, to: work.to, force: true })
}

await once() // what it needs is loaded
tell('ready')
for await (const _ of createInterface({ input: process.stdin })) break
for (let round = 0; ; round++) {
  tell(round)
  await once()
}
