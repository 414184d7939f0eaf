/** Bodies of a Fastify API: bound to who is logged in, so that one user's body does not open for another. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify, { type FastifyRequest } from 'fastify'
import { open } from 'keywright'
import { decryptRequest, encryptResponse } from 'keywright/integrations/fastify'
import { httpBodies } from 'keywright/integrations/http'

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

// One name for request and response lets a client send back what it was given.
const profile = { name: 'profile', paths: ['ssn', 'address.street'], keyType: 'pii' }
const row = (request: FastifyRequest): string => String(request.headers['x-user']) // of your authentication
const byUser = { ...profile, row }

const app = fastify()
app.put('/profile', { ...decryptRequest(kw, byUser), ...encryptResponse(kw, byUser) }, async (request) => {
  const { ssn } = request.body as { ssn: string }
  assert.equal(ssn, '078-05-1120')
  return request.body
})

const bodies = httpBodies(kw, { ...profile, row: 'ada' })
const payload = await bodies.encryptPaths({
  ssn: '078-05-1120',
  address: { street: 'St. James', city: 'London' },
})
const own = await app.inject({ method: 'PUT', url: '/profile', headers: { 'x-user': 'ada' }, payload })
console.log('answer:', own.body.replace(/(kw1\.[\w-]{8})[\w-]+/g, '$1…'))
assert.ok(!own.body.includes('078-05-1120') && own.body.includes('London'))
const { ssn } = await bodies.decryptPaths(own.json<{ ssn: string }>())
assert.equal(ssn, '078-05-1120')

const foreign = await app.inject({ method: 'PUT', url: '/profile', headers: { 'x-user': 'eve' }, payload })
console.log('sent by somebody else:', foreign.statusCode, foreign.json().code)
assert.equal(foreign.statusCode, 400)
await app.close()
