/** Backups: made and verified, and restored with the provider alone after the key store was lost. */
import assert from 'node:assert/strict'
import { mkdir, mkdtempDisposable, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, restoreBackup } from 'keywright'
import fileProvider from 'keywright/providers/file'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const at = (...names: string[]): string => join(folder.path, ...names)
await mkdir(at('uploads'))
await writeFile(at('uploads', 'contract.txt'), 'signed')

let newest = ''
{
  // Keys made on the spot. An application says `await open()`, and its environment or policy the rest.
  await using kw = await open({ backend: 'file', path: at('master.keys'), create: true, environment: {} })
  const job = { to: at('backups'), name: 'uploads', source: { folder: at('uploads') } }
  await kw.backups.create(job)
  await writeFile(at('uploads', 'contract.txt'), 'signed and sealed')
  const made = await kw.backups.create(job)
  console.log('made', made.id, 'with', made.files, 'file')

  // A list proves nothing; verify reads everything, and keeps nothing.
  assert.equal((await kw.backups.list(at('backups'))).length, 2)
  await kw.backups.verify({ from: made.path })

  // The newest one that is kept is read to its end first: while it is not good, nothing goes.
  const { removed } = await kw.backups.prune({ folder: at('backups'), keep: 1 })
  assert.equal(removed.length, 1)
  newest = made.path
}

// The disaster: key store and files are gone. What is left is the backup and the master key.
await rm(at('keys.db'))
await rm(at('uploads'), { recursive: true })
const provider = fileProvider({ path: at('master.keys') })
await restoreBackup({ provider, from: newest, to: at('restored') })
assert.equal(await readFile(at('restored', 'contract.txt'), 'utf8'), 'signed and sealed')
console.log('restored without the key store')
