/**
 * Rotates the master key of a key file, `count` times or until it is killed, and writes each new version and a wrap
 * under it as a line of JSON. Arguments: path, root key in hex, count.
 */
import { writeSync } from 'node:fs'
import fileProvider from '../../providers/file.ts'
import { canonicalBytes } from '../../src/crypto/canonical.ts'

const [path = '', hex = '', count = '0'] = process.argv.slice(2)
const entries = { keyring: 'pii', version: '1' }
const context = { bytes: canonicalBytes(entries), entries }
const provider = fileProvider({ path, rootSecret: { bytes: Buffer.from(hex, 'hex'), kind: 'key' } })
await provider.describeMasterKey()
writeSync(1, '"ready"\n')
for (let done = 0; done < Number(count); done++) {
  const master = await provider.rotateMasterKey?.()
  const wrapped = await provider.wrapKey(new Uint8Array(32), context)
  const ciphertext = Buffer.from(wrapped.ciphertext).toString('base64')
  writeSync(1, `${JSON.stringify({ rotated: master?.version, wrapped: { ...wrapped, ciphertext } })}\n`)
}
