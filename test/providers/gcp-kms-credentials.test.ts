import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyProvider } from '../../src/provider.ts'
import { type GcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { sameBytes } from '../conformance/provider.ts'
import { ALL, type Identities, startIdentities } from './gcp-kms/identities.ts'
import { context, openOn, refusal, skip } from './gcp-kms/kit.ts'

const key = new Uint8Array(64).fill(7)

describe.skipIf(skip)('credentials of Cloud KMS', () => {
  let identities: Identities
  let secure: GcpKmsFake
  beforeAll(async () => {
    identities = await startIdentities()
    secure = await startGcpKmsFake({ permissionsOf: identities.permissionsOf, tls: identities.tls })
  })
  afterAll(async () => {
    await secure.stop()
    await identities.stop()
  })

  const using = async (
    options: Parameters<typeof openOn>[1],
    run: (provider: KeyProvider) => Promise<void>,
  ): Promise<void> => {
    const opened = openOn(secure, { caCert: identities.caCert, ...options })
    try {
      await run(opened)
    } finally {
      await opened.close?.()
    }
  }

  it('the key of a service account signs its own tokens', async () => {
    const credentials = identities.serviceAccount(ALL)
    await using({ credentials, keyId: secure.makeKey() }, async (one) => {
      const wrapped = await one.wrapKey(key, context)
      expect(sameBytes(await one.unwrapKey(wrapped, context), key)).toBe(true)
      expect((await one.describeMasterKey()).server).toEqual({ tls: true })
    })
  })

  it('wrapping and unwrapping need no permission to read the key', async () => {
    const credentials = identities.serviceAccount(ALL.slice(0, 2))
    await using({ credentials, keyId: secure.makeKey() }, async (one) => {
      expect((await one.unwrapKey(await one.wrapKey(key, context), context)).length).toBe(64)
      const describe = await refusal(() => one.describeMasterKey())
      expect(describe).toMatchObject({ code: 'ERR_PROVIDER_DENIED' })
      expect(describe.hint).toContain('cloudkms.cryptoKeys.get')
      expect((await refusal(async () => one.rotateMasterKey?.())).hint).toContain(
        'cloudkms.cryptoKeys.update',
      )
    })
  })

  it('a rotation that may make a version but not make it primary changes nothing that counts', async () => {
    const id = secure.makeKey()
    const credentials = identities.serviceAccount(ALL.filter((one) => one !== 'cloudkms.cryptoKeys.update'))
    await using({ credentials, keyId: id }, async (one) => {
      expect((await refusal(async () => one.rotateMasterKey?.())).code).toBe('ERR_PROVIDER_DENIED')
      expect((await one.wrapKey(key, context)).masterKeyVersion).toBe('1')
    })
  })

  it('a key file that was replaced is read anew when the old one is not accepted', async () => {
    const file = join(identities.folder, 'key.json')
    await writeFile(
      file,
      JSON.stringify({ ...identities.serviceAccount(ALL), client_email: 'gone@example.com' }),
    )
    await using({ keyFilename: file, keyId: secure.makeKey() }, async (one) => {
      expect((await refusal(() => one.wrapKey(key, context))).code).toBe('ERR_PROVIDER_UNAUTHENTICATED')
      await writeFile(file, JSON.stringify(identities.serviceAccount(ALL)))
      expect((await one.wrapKey(key, context)).masterKeyVersion).toBe('1')
    })
  })

  it('200 calls at once with a token that ended fetch one new token', async () => {
    const credentials = await identities.federated(ALL)
    await using({ credentials, keyId: secure.makeKey() }, async (one) => {
      const wrapped = await one.wrapKey(key, context)
      const before = identities.tokens
      identities.revokeTokens()
      const opened = await Promise.all(Array.from({ length: 200 }, () => one.unwrapKey(wrapped, context)))
      expect(opened.every((bytes) => sameBytes(bytes, key))).toBe(true)
      expect(identities.tokens - before).toBe(1)
    })
  })

  it.each([
    ['refuses', 'ERR_PROVIDER_UNAUTHENTICATED'],
    ['unreachable', 'ERR_PROVIDER_UNAVAILABLE'],
  ] as const)('a token service that %s is %s, and heals', async (broken, code) => {
    const credentials = await identities.federated(ALL)
    await using({ credentials, keyId: secure.makeKey() }, async (one) => {
      identities.broken = broken
      expect((await refusal(() => one.wrapKey(key, context))).code).toBe(code)
      identities.broken = undefined
      expect((await one.wrapKey(key, context)).masterKeyVersion).toBe('1')
    })
  })

  const files: [string, string | undefined][] = [
    ['is not there', undefined],
    ['is empty', ''],
    ['is no JSON', '{"private_key": "PRIVATE-STUFF'],
    ['is a list', '["PRIVATE-STUFF"]'],
    ['is of an unknown type', '{"type":"PRIVATE-STUFF"}'],
    ['lacks its key', '{"type":"service_account","client_email":"PRIVATE-STUFF"}'],
  ]
  it.each(files)('a credential file that %s is named, not shown', async (name, content) => {
    const file = join(identities.folder, `${name.replaceAll(' ', '-')}.json`)
    if (content !== undefined) await writeFile(file, content)
    await using({ keyFilename: file, keyId: secure.makeKey() }, async (one) => {
      const refused = await refusal(() => one.wrapKey(key, context))
      expect(refused.code).toBe('ERR_PROVIDER_UNAUTHENTICATED')
      expect(refused.hint).toContain('ENCRYPTION_GCP_KEY_FILE')
      expect(JSON.stringify(refused)).not.toContain('PRIVATE-STUFF')
    })
  })

  it('a certificate that nobody here trusts is refused with the setting that trusts it', async () => {
    const credentials = identities.serviceAccount(ALL)
    const opened = openOn(secure, { credentials, keyId: secure.makeKey() })
    const refused = await refusal(() => opened.wrapKey(key, context))
    expect(refused.code).toBe('ERR_PROVIDER_UNAVAILABLE')
    expect(refused.hint).toContain('ENCRYPTION_GCP_CACERT')
    await opened.close?.()
    await using({ caCert: '/nowhere/ca.pem', credentials, keyId: 'x' }, async (one) => {
      const missing = await refusal(() => one.wrapKey(key, context))
      expect(missing.text).toContain('/nowhere/ca.pem')
      expect(missing.hint).toContain('ENCRYPTION_GCP_CACERT')
    })
  })

  it('a TLS port that is asked in plain is unavailable', async () => {
    const plain = openOn({ endpoint: secure.endpoint.replace('https:', 'http:') }, { keyId: 'x' })
    expect((await refusal(() => plain.wrapKey(key, context))).code).toBe('ERR_PROVIDER_UNAVAILABLE')
    await plain.close?.()
  })
})
