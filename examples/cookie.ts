/** Cookies that hold their data, encrypted: with Hono, and with node:http. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { open } from 'keywright'
import { honoCookie } from 'keywright/integrations/hono-cookie'
import { nodeCookie } from 'keywright/integrations/node-cookie'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// Hono. `__Host-`: only HTTPS, only this host. An old value is refused although the browser kept it.
const cart = honoCookie<{ items: string[] }>(kw, 'cart', { hostPrefix: true, maxAgeSeconds: 3600 })
const app = new Hono()
app.use(cart)
app.post('/cart/:item', async (c) => {
  const items = [...(cart.of(c).value?.items ?? []), c.req.param('item')]
  await cart.of(c).set({ items })
  return c.json(items)
})
const first = await app.request('/cart/tea', { method: 'POST' })
const setCookie = first.headers.get('set-cookie') ?? ''
console.log(setCookie.replace(/(kw1\.[\w-]{8})[\w-]+/, '$1…'))
const cookie = setCookie.split(';')[0] ?? ''
const second = await app.request('/cart/milk', { method: 'POST', headers: { cookie } })
assert.deepEqual(await second.json(), ['tea', 'milk'])

// A changed cookie is no cookie.
const changed = { cookie: `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'Q' : 'A'}` }
const forged = await app.request('/cart/gold', { method: 'POST', headers: changed })
assert.deepEqual(await forged.json(), ['gold'])

// node:http, and Express alike.
const visits = nodeCookie<number>(kw, 'visits')
const server = createServer(async (request, response) => {
  const own = await visits(request, response)
  await own.set((own.value ?? 0) + 1) // before the first write or end
  response.end(`visit ${own.value}`)
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const visit = await fetch(url)
assert.equal(await visit.text(), 'visit 1')
const again = await fetch(url, { headers: { cookie: visit.headers.get('set-cookie')?.split(';')[0] ?? '' } })
assert.equal(await again.text(), 'visit 2')
console.log('and with node:http: visit 2')
server.close()
