/** Bodies of a Hono API: whole ones, whatever they hold, and the keys of the tenant who asks. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Context, Hono } from 'hono'
import { open } from 'keywright'
import { decryptRequest, encryptResponse } from 'keywright/integrations/hono'
import { httpBodies } from 'keywright/integrations/http'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// Take the tenant from what has authenticated the request.
const report = { name: 'report', keyType: 'financial_data' }
const tenant = (c: Context): string => c.req.header('x-tenant') ?? ''
const options = { ...report, tenant, limit: 65_536 }

const app = new Hono()
app.post('/report', encryptResponse(kw, options), decryptRequest(kw, options), async (c) => {
  const { revenue } = await c.req.json<{ revenue: number }>()
  return c.json({ tax: revenue * 0.2 })
})

const ofAcme = httpBodies(kw, { ...report, tenant: 'acme' })
const { body, contentType } = await ofAcme.encrypt({ revenue: 1000 })
async function send(tenantName: string): Promise<Response> {
  const headers = { 'content-type': contentType, 'x-tenant': tenantName }
  return app.request('/report', { method: 'POST', headers, body: new Uint8Array(body) })
}
console.log('sent:', contentType, body.length, 'bytes')
const answer = await send('acme')
const type = answer.headers.get('content-type')
const plain = await ofAcme.decrypt(new Uint8Array(await answer.arrayBuffer()), type)
console.log('received:', plain.body.toString())
assert.deepEqual(JSON.parse(plain.body.toString()), { tax: 200 })

// Another tenant has other keys.
const refused = await send('umbrella')
console.log('another tenant:', refused.status, refused.headers.get('content-type'))
assert.equal(refused.status, 400)
