/** Bodies of an Express API: named places of a request decrypted on the way in, a whole export encrypted. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { open } from 'keywright'
import { decryptRequest, encryptResponse } from 'keywright/integrations/express'
import { httpBodies } from 'keywright/integrations/http'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// Set onError: clients learn no more than a code, and nothing else is logged.
const failures: unknown[] = []
const onError = (error: unknown): void => void failures.push(error)
const order = { name: 'orders.create', paths: { 'user.ssn': 'pii', 'items[*].card': 'financial_data' } }
const report = { name: 'orders.export', keyType: 'pii' }

const app = express()
app.post('/orders', decryptRequest(kw, { ...order, onError }), (request, response) => {
  response.json({ last4: request.body.user.ssn.slice(-4), cards: request.body.items.length })
})
app.get('/export', encryptResponse(kw, { ...report, onError }), (_, response) => {
  response.type('text/csv').send('email\nada@example.org\n')
})
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

// The other side has the keys as well, and names its bodies alike: what is between sees ciphertext.
const plain = { user: { name: 'Ada', ssn: '078-05-1120' }, items: [{ id: 7, card: '4111 1111 1111 1111' }] }
const body = await httpBodies(kw, order).encryptPaths(plain)
console.log('sent:', JSON.stringify(body).replace(/(kw1\.[\w-]{8})[\w-]+/g, '$1…'))
const post = (what: unknown): Promise<Response> => {
  const headers = { 'content-type': 'application/json' }
  return fetch(`${url}/orders`, { method: 'POST', headers, body: JSON.stringify(what) })
}
assert.deepEqual(await (await post(body)).json(), { last4: '1120', cards: 1 })

const answer = await fetch(`${url}/export`)
const type = answer.headers.get('content-type')
const { body: csv } = await httpBodies(kw, report).decrypt(Buffer.from(await answer.arrayBuffer()), type)
console.log('received:', type, '→', JSON.stringify(csv.toString()))
assert.equal(csv.toString(), 'email\nada@example.org\n')

// Plain text where a ciphertext should be is refused, and so is a value of another place.
const refused = await post(plain)
console.log('in clear:', refused.status, await refused.json())
assert.deepEqual([refused.status, failures.length], [400, 1])
server.close()
