/** Sessions of Express, encrypted before they reach their store, whichever it is. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import session from 'express-session'
import { open } from 'keywright'
import { encryptedSessionStore } from 'keywright/integrations/express-session'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

declare module 'express-session' {
  interface SessionData {
    login: string
  }
}

const store = new session.MemoryStore() // or RedisStore of connect-redis, or any other
const app = express()
app.use(
  session({
    // One that was changed or copied counts as none. While keys are unavailable requests fail: 503.
    store: encryptedSessionStore(kw, store, { onError: (error) => console.warn(error.code) }),
    secret: process.env['SESSION_SECRET'] ?? 'for development only',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 86_400_000, sameSite: 'lax' }, // and `secure: true` behind HTTPS
  }),
)
app.post('/login', (request, response) => {
  request.session.login = 'ada'
  response.end()
})
app.get('/', (request, response) => void response.end(request.session.login ?? 'nobody'))

const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const login = await fetch(`${url}/login`, { method: 'POST' })
const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
const answer = await (await fetch(url, { headers: { cookie } })).text()
console.log('who is it?', answer)
assert.equal(answer, 'ada')
assert.equal(await (await fetch(url)).text(), 'nobody')

// What the store holds: when the session ends, and ciphertext.
const sessions = await new Promise((done) => store.all?.((_, all) => done(all)))
const text = JSON.stringify(sessions)
console.log('in the store:', text.replace(/(kw1\.[\w-]{8})[\w-]+/g, '$1…'))
assert.ok(text.includes('kw1.') && !text.includes('ada'))
server.close()
