/** Fields of pino's log lines: encrypted where they are logged, readable again for whoever has the keys. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'keywright'
import { decryptFields, encryptedFields } from 'keywright/integrations/pino'
import { pino } from 'pino'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// It is pino's own redact: the syntax is pino's, and child loggers have it too.
const fields = { log: 'api', paths: ['user.email', '*.ssn', 'err.message', 'err.stack'] }
const lines: string[] = []
const destination = { write: (line: string) => lines.push(line) } // without it: standard output
const logger = pino(await encryptedFields(kw, { ...fields, censored: ['password'] }), destination)

logger.info({ user: { email: 'ada@example.org', ssn: '078-05-1120' }, password: 'x' }, 'signed in')
logger.child({ request: 7 }).error(new Error('no card of 4111 1111 1111 1111'), 'payment failed')
for (const line of lines) console.log(line.trimEnd().replace(/(kw1\.[\w-]{8})[\w-]+/g, '$1…'))

const text = lines.join('')
for (const secret of ['ada@example.org', '078-05-1120', '"x"', '4111']) assert.ok(!text.includes(secret))

// Values are bound to the log's name and their field.
const plain = await decryptFields(kw, lines[0] ?? '', fields)
assert.deepEqual(plain['user'], { email: 'ada@example.org', ssn: '078-05-1120' })
console.log('read again:', plain['user'])

// The text of messages is not looked into: put personal data into fields.
logger.info('login of grace@example.com')
assert.ok(lines.at(-1)?.includes('grace@example.com'))
