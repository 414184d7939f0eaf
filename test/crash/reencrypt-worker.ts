/**
 * Re-encrypts a SQLite table from a process of its own; prints how many rows are done after each page.
 * node reencrypt-worker.ts <folder> <rows a page>
 */
import { openPeople } from './reencrypt-people.ts'

const [folder = '', batch = ''] = process.argv.slice(2)
const keywright = await openPeople(folder)
await keywright.jobs.reencrypt({
  batch: Number(batch),
  takeOver: true, // the one before was killed
  onProgress: ({ done }) => process.stdout.write(`${done}\n`),
})
await keywright.close()
