/** Files and streams: encrypted in segments, readable in parts, in constant memory. */
import assert from 'node:assert/strict'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtempDisposable, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { open } from 'keywright'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const at = (name: string): string => join(folder.path, name)
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path: at('master.keys'), create: true, environment: {} })

await writeFile(at('scan.pdf'), 'page 1\n'.repeat(200_000))
// The context is what the file is bound to: whoever decrypts names the same patient.
const context = { patient: '4711' }
const { plaintextBytes, encryptedBytes } = await kw.files.encryptFile(at('scan.pdf'), at('scan.kwf'), {
  keyType: 'pii',
  context,
})
console.log(`${plaintextBytes} bytes became ${encryptedBytes}`)

await kw.files.decryptFile(at('scan.kwf'), at('copy.pdf'), { context })
assert.deepEqual(await readFile(at('copy.pdf')), await readFile(at('scan.pdf')))

// Random access decrypts the segments that hold the part, and no others: range requests, seeking in a video.
await using reader = await kw.files.openRandomAccess(at('scan.kwf'), { context })
const part = await reader.read(700_000, 6)
console.log('bytes 700000-700005:', part.toString())
assert.equal(part.toString(), 'page 1')

// A stream, here from a file to a file; an upload or an object store works alike.
const seal = await kw.files.encryptStream({ keyType: 'pii', context, compression: 'zstd' })
await pipeline(createReadStream(at('scan.pdf')), seal, createWriteStream(at('upload.kwf')))
console.log('compressed first:', (await stat(at('upload.kwf'))).size, 'bytes')
await kw.files.decryptFile(at('upload.kwf'), at('upload.pdf'), { context })
assert.deepEqual(await readFile(at('upload.pdf')), await readFile(at('scan.pdf')))

// A file that was cut is refused, and nothing is left of the attempt.
await truncate(at('scan.kwf'), encryptedBytes - 100)
await assert.rejects(kw.files.decryptFile(at('scan.kwf'), at('cut.pdf'), { context }), {
  code: 'ERR_DECRYPTION_FAILED',
})
await assert.rejects(stat(at('cut.pdf')), { code: 'ENOENT' })
