/** A folder with its names, and how it opens with the master key alone when the key store is lost. */
import assert from 'node:assert/strict'
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, recoverFolder } from 'keywright'
import fileProvider from 'keywright/providers/file'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const at = (...names: string[]): string => join(folder.path, ...names)
await mkdir(at('plain', 'letters'), { recursive: true })
await writeFile(at('plain', 'letters', 'babbage.txt'), 'Dear Mr. Babbage')
await writeFile(at('plain', 'notes.txt'), 'Note G')

{
  // Keys made on the spot. An application says `await open()`, and its environment or policy the rest.
  await using kw = await open({ backend: 'file', path: at('master.keys'), create: true, environment: {} })
  const options = {
    keyType: 'pii',
    names: 'encrypt', // random names in one flat folder
    recoverable: true, // each file carries its wrapped key
  } as const
  const { done } = await kw.files.encryptFolder(at('plain'), at('safe'), options)
  console.log(done, 'files encrypted:', (await readdir(at('safe'))).join(', '))

  // Run again it goes on where it was: after a crash, or every night.
  await writeFile(at('plain', 'new.txt'), 'Note H')
  const again = await kw.files.encryptFolder(at('plain'), at('safe'), options)
  assert.deepEqual([again.done, again.current], [1, 2])

  // Which key is under which file stands in the headers; no key is needed to read them.
  const active = await kw.keys.active('pii')
  for await (const { keyId } of kw.files.listEncryptedFiles(at('safe'))) assert.equal(keyId, active?.id)

  const back = await kw.files.decryptFolder(at('safe'), at('back'))
  assert.equal(back.failed, 0)
  assert.equal(await readFile(at('back', 'letters', 'babbage.txt'), 'utf8'), 'Dear Mr. Babbage')
}

// The key store is gone. Whoever holds the master key opens what is `recoverable`.
const provider = fileProvider({ path: at('master.keys') })
const recovered = await recoverFolder(at('safe'), at('recovered'), { provider })
console.log(recovered.done, 'files recovered without the key store')
assert.equal(await readFile(at('recovered', 'notes.txt'), 'utf8'), 'Note G')
