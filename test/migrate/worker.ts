/** Migrates or goes back until it is killed: node worker.ts <installation> <order>, JSON. Tells each page. */
import { writeSync } from 'node:fs'
import { FERNET, type Installation, NEW_FERNET, openInstallation } from './lab.ts'

/** What to do. */
export type Order = 'migrate' | 'reverse'

/** What it says: the rows that are settled, then what came of it. */
export type Line = readonly ['page', number] | readonly ['done', outcome: string, written: number]

const tell = (line: Line): void => {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

const [installation, order] = process.argv.slice(2).map((text) => JSON.parse(text)) as [Installation, Order]
const keywright = await openInstallation(installation)
const options = {
  fernetKeys: [NEW_FERNET, FERNET],
  batch: 20,
  takeOver: true,
  onProgress: ({ done }: { readonly done: number }) => tell(['page', done]),
}
const { counts, outcome } =
  order === 'migrate'
    ? await keywright.jobs.migrate(options)
    : await keywright.jobs.reverseMigration({ ...options, to: 'plain', undoEncryption: true })
tell(['done', outcome, counts.written])
await keywright.close()
