/** A cache behind Keyv, in any of its stores. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Keyv } from 'keyv'
import { open } from 'keywright'
import { encryptedKeyv } from 'keywright/integrations/keyv'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

const store = new Map<string, unknown>() // or @keyv/redis, @keyv/postgres, …
const cache = encryptedKeyv(kw, new Keyv({ store, namespace: 'users', ttl: 60_000 }))
// Keyv tells failures of its store by this event, and then answers as for a miss.
cache.on('error', (error) => console.warn(error.message))

await cache.set('1', { name: 'Ada' })
assert.deepEqual(await cache.get('1'), { name: 'Ada' })

const [[key, stored] = ['', '']] = [...store]
console.log(key, '→', JSON.stringify(stored).replace(/(kw1\.[\w-]{8})[\w-]+/, '$1…'))
assert.ok(!JSON.stringify(stored).includes('Ada'))

// Values are bound to namespace and key: swapped by somebody who can write to the store, they do not open.
await cache.set('2', { name: 'Grace' })
store.set(key, store.get(key.replace('1', '2')))
assert.equal(await cache.get('1'), undefined)
console.log('the value of another user:', await cache.get('1'))
