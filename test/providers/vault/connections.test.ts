import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { VaultOptions } from '../../../providers/vault.ts'
import { type Gate, openGate } from './gate.ts'
import { expectRefused, openAt, unknownToken as token } from './kit.ts'

let gate: Gate
let folder: string
beforeAll(async () => {
  gate = await openGate()
  folder = await mkdtemp(join(tmpdir(), 'keywright-vault-tls-'))
})
afterAll(async () => {
  await gate.close()
  await rm(folder, { recursive: true })
})
beforeEach(() => gate.reset())

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('connections', () => {
  const name = [{ name: 'commonName', value: 'vault.example' }]
  const issue = (altNames: { type: 2 | 7; value?: string; ip?: string }[], more = {}) =>
    generate(name, {
      algorithm: 'sha256',
      keyType: 'ec',
      extensions: [{ name: 'subjectAltName', altNames }],
      ...more,
    })
  const key = { type: 'aes256-gcm96', latest_version: 1, keys: { 1: 1_700_000_000 } }
  type Made = Awaited<ReturnType<typeof generate>>
  let loopback: Made
  let named: Made
  let expired: Made
  let client: Made

  beforeAll(async () => {
    loopback = await issue([{ type: 7, ip: '127.0.0.1' }])
    named = await issue([{ type: 2, value: 'vault.example' }])
    const past = { notBeforeDate: new Date('2020-01-01'), notAfterDate: new Date('2020-02-01') }
    expired = await issue([{ type: 7, ip: '127.0.0.1' }], past)
    client = await issue([{ type: 2, value: 'client' }])
  })

  async function tlsGate({ cert, private: privateKey }: Made, more = {}): Promise<Gate> {
    const tls = await openGate({ tls: { cert, key: privateKey, ...more } })
    tls.script('/v1/auth/token/lookup-self', { status: 200, body: { data: {} } })
    tls.script('/v1/transit/keys/app', { status: 200, body: { data: key } })
    return tls
  }

  it('TLS with the CA file is trusted, and the description says so', async () => {
    await using tls = await tlsGate(loopback)
    const provider = openAt(tls.endpoint, { caCert: await file('ca.pem', loopback.cert) })
    expect((await provider.describeMasterKey()).server).toMatchObject({ tls: true })
  })

  it('a certificate for another name is trusted only under that name', async () => {
    await using tls = await tlsGate(named)
    const caCert = await file('named.pem', named.cert)
    const provider = openAt(tls.endpoint, { caCert, tlsServerName: 'vault.example' })
    expect((await provider.describeMasterKey()).version).toBe('1')
    const wrong = openAt(tls.endpoint, { caCert })
    const describe = () => wrong.describeMasterKey()
    await expectRefused(wrong, describe, 'ERR_CONFIG_INVALID', 'ENCRYPTION_VAULT_TLS_SERVER_NAME', [token])
    expect(tls.seen).toHaveLength(2)
  })

  it.each([
    ['self-signed without a CA file', () => loopback, () => undefined],
    ['of another CA', () => loopback, () => named],
    ['expired', () => expired, () => expired],
  ])('a certificate that is %s is refused, and nothing is sent', async (_, served, trusted) => {
    await using tls = await tlsGate(served())
    const ca = trusted()
    const options = ca === undefined ? {} : { caCert: await file('trusted.pem', ca.cert) }
    vi.stubEnv('VAULT_SKIP_VERIFY', 'true')
    try {
      const provider = openAt(tls.endpoint, options)
      const describe = () => provider.describeMasterKey()
      await expectRefused(provider, describe, 'ERR_CONFIG_INVALID', 'ENCRYPTION_VAULT_CACERT', [token])
    } finally {
      vi.unstubAllEnvs()
    }
    expect(tls.seen).toEqual([])
  })

  it('a client certificate is shown to a server that wants one', async () => {
    await using tls = await tlsGate(loopback, {
      ca: client.cert,
      requestCert: true,
      rejectUnauthorized: true,
    })
    const caCert = await file('mtls-ca.pem', loopback.cert)
    const clientCert = await file('client.pem', client.cert)
    const clientKey = await file('client.key', client.private)
    const provider = openAt(tls.endpoint, { caCert, clientCert, clientKey })
    expect((await provider.describeMasterKey()).version).toBe('1')
    const without = openAt(tls.endpoint, { caCert })
    const describe = () => without.describeMasterKey()
    await expectRefused(without, describe, 'ERR_PROVIDER_UNAUTHENTICATED', 'ENCRYPTION_VAULT_CLIENT_CERT', [
      token,
    ])
  })

  const files: readonly [string, () => Promise<Partial<VaultOptions>>, string][] = [
    ['no CA file', async () => ({ caCert: '/nowhere/ca.pem' }), 'ENCRYPTION_VAULT_CACERT'],
    [
      'a CA file without a certificate',
      async () => ({ caCert: await file('x', 'x') }),
      'ENCRYPTION_VAULT_CACERT',
    ],
    [
      'the key of another client certificate',
      async () => ({
        clientCert: await file('c.pem', client.cert),
        clientKey: await file('other.key', loopback.private),
      }),
      'ENCRYPTION_VAULT_CLIENT_CERT',
    ],
    [
      'no client key',
      async () => ({ clientCert: await file('c.pem', client.cert), clientKey: '/nowhere' }),
      'ENCRYPTION_VAULT_CLIENT_KEY',
    ],
  ]
  it.each(files)('%s: ERR_CONFIG_INVALID', async (_, options, hint) => {
    const provider = openAt('https://127.0.0.1:1', await options())
    const describe = () => provider.describeMasterKey()
    await expectRefused(provider, describe, 'ERR_CONFIG_INVALID', hint, [client.private, loopback.private])
  })

  it('https to a server that speaks http names the URL', async () => {
    const provider = openAt(gate.endpoint.replace('http:', 'https:'))
    await expectRefused(
      provider,
      () => provider.describeMasterKey(),
      'ERR_CONFIG_INVALID',
      'ENCRYPTION_VAULT_URL',
    )
  })

  it('a server that speaks something else is no Vault', async () => {
    const odd = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('220 smtp.example ESMTP\r\n'),
    )
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve))
    const { port } = odd.address() as { port: number }
    const provider = openAt(`http://127.0.0.1:${port}`)
    await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_PROVIDER_CORRUPTED', '_URL')
    await new Promise((resolve) => odd.close(resolve))
  })

  it('a name that does not resolve is unavailable, and the hint names the URL', async () => {
    const provider = openAt('https://vault.invalid:8200')
    await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_PROVIDER_UNAVAILABLE', '_URL', [
      token,
    ])
  })

  it('keeps connections, and closes them with the provider', async () => {
    gate.script('/v1/auth/token/lookup-self', { status: 200, body: { data: {} } })
    gate.script('/v1/transit/keys/app', { status: 200, body: { data: key } })
    const provider = openAt(gate.endpoint)
    for (let call = 0; call < 5; call++) await provider.describeMasterKey()
    const ports = new Set(gate.seen.map(({ port }) => port))
    expect(ports.size).toBe(1)
    await provider.close?.()
    await vi.waitFor(() => expect(gate.connections()).toBe(0))
  })
})
