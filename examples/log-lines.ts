/** A log whose lines are encrypted and chained: what was changed, removed or moved is found. */
import assert from 'node:assert/strict'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'keywright'
import { decryptLine, encryptLine, lineLog } from 'keywright/integrations/log-lines'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

const file = join(folder.path, 'payments.log')
const log = lineLog(kw, { path: file, log: 'payments' })
await log.append('paid 10 EUR') // on the disk when it resolves
const head = await log.append(['paid 20 EUR', 'paid 30 EUR'])
for await (const { position, text } of log.read()) console.log(position, text)

// Note the head elsewhere now and then: whoever can write to the log and the file beside it can cut both.
const whole = await log.verify({ expected: head })
assert.deepEqual([whole.ok, whole.lines], [true, 3])

// Somebody removes the payment in the middle.
const [first, , third] = (await readFile(file, 'utf8')).split('\n')
await writeFile(file, `${first}\n${third}\n`)
const { ok, ...found } = await log.verify({ expected: head })
console.log('after a line was removed:', found)
assert.equal(ok, false)

// Lines that go elsewhere, to a queue or a service, one by one.
const line = await encryptLine(kw, 'paid 40 EUR', { log: 'payments', position: 4 })
assert.equal(await decryptLine(kw, line, { log: 'payments', position: 4 }), 'paid 40 EUR')
await assert.rejects(decryptLine(kw, line, { log: 'payments', position: 5 }), {
  code: 'ERR_DECRYPTION_FAILED',
})
