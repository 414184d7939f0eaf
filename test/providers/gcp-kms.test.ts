import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../src/compose.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { type GcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { freePort, scratchFolder } from '../../src/testing/native/process.ts'
import { type ProviderHarness, runProviderConformance } from '../conformance/provider.ts'
import { ALL, type Identities, startIdentities } from './gcp-kms/identities.ts'
import { context, openOn, primaryOf, skip } from './gcp-kms/kit.ts'

let identities: Identities
/** Over TLS, with tokens and permissions. */
let secure: GcpKmsFake
/** As the emulator kit starts it. */
let plain: GcpKmsFake
let silent: Server

if (skip === undefined) {
  beforeAll(async () => {
    identities = await startIdentities()
    const { permissionsOf, tls } = identities
    secure = await startGcpKmsFake({ permissionsOf, tls })
    plain = await startGcpKmsFake()
    silent = createServer().listen(0, '127.0.0.1')
  })
  afterAll(async () => {
    silent.close()
    await Promise.all([secure.stop(), plain.stop(), identities.stop()])
  })
}

let keyId = ''

async function openSecure(id: string, permissions: readonly string[] = ALL): Promise<KeyProvider> {
  const credentials = await identities.federated(permissions)
  return openOn(secure, { caCert: identities.caCert, credentials, keyId: id })
}

const secureHarness: ProviderHarness = {
  async open() {
    secure.service.faults.clear()
    keyId = secure.makeKey()
    return [await openSecure(keyId), await openSecure(secure.makeKey())]
  },
  reopen: () => openSecure(keyId),
  async openBroken() {
    const name = `late-${keyId}`
    return { provider: await openSecure(name), repair: async () => void secure.makeKey({}, name) }
  },
  async disable() {
    primaryOf(secure, keyId).state = 'DISABLED'
  },
  async enable() {
    primaryOf(secure, keyId).state = 'ENABLED'
  },
  async delete() {
    secure.service.keys.scheduleDestruction(primaryOf(secure, keyId))
  },
  async openPinned(keyVersion) {
    const credentials = await identities.federated(ALL)
    return openOn(secure, { caCert: identities.caCert, credentials, keyId, keyVersion })
  },
  openUnknown: () => openSecure('no-such-key'),
  openDenied: () => openSecure(keyId, []),
  openUnreachable: async () => openOn({ endpoint: `http://127.0.0.1:${await freePort()}` }, { keyId }),
  async openHanging() {
    const address = silent.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { caCert } = identities
    const credentials = await identities.federated(ALL)
    return openOn({ endpoint: `https://localhost:${port}` }, { caCert, credentials, keyId })
  },
  async openThrottled() {
    secure.service.faults.inject('throttle')
    return openSecure(keyId)
  },
  async openExpiring() {
    return { provider: await openSecure(keyId), expire: async () => identities.revokeTokens() }
  },
  secrets: () => identities.secrets,
}

describe.skipIf(skip)('Cloud KMS over TLS, with tokens', () => {
  runProviderConformance('gcp-kms', secureHarness)
})

/** The same on an HSM key, as an emulator without TLS: what needs identities is above. */
const hsmHarness: ProviderHarness = {
  async open() {
    const make = (): string => plain.makeKey({ protectionLevel: 'HSM' })
    keyId = make()
    const first = openOn(plain, { keyId })
    await first.wrapKey(new Uint8Array(1), context) // by which it learns of the HSM
    return [first, openOn(plain, { keyId: make() })]
  },
  reopen: async () => openOn(plain, { keyId }),
  openPinned: async (keyVersion) => openOn(plain, { keyId, keyVersion }),
}

describe.skipIf(skip)('Cloud KMS, key in an HSM, without TLS', () => {
  runProviderConformance('gcp-kms (HSM)', hsmHarness, [
    {
      reason: 'done over TLS with tokens',
      tests: [
        'works after a failed start',
        'a disabled master key refuses, an enabled one serves again',
        'a deleted master key has its code',
        'an unknown master key has its code',
        'a missing permission has its code',
        'an unreachable server fails with its code',
        'a hanging server ends with the signal',
        'throttled, then served',
        'credentials that expire are renewed',
      ],
    },
  ])
})

describe.skipIf(skip)('by environment', () => {
  it('open() makes key ring and key, encrypts, and decrypts in a new process', async () => {
    const folder = await scratchFolder('gcp-kms')
    const env = {
      ...plain.env,
      ENCRYPTION_GCP_KEYRING: 'another-ring',
      ENCRYPTION_KEY_ID: 'made-by-open',
      ENCRYPTION_KEY_STORE_URL: `sqlite:${folder.path}/keys.db`,
      ENCRYPTION_AUDIT_PATH: 'off',
    }
    const first = await open({ environment: env, create: true })
    const token = await first.encrypt('pii', 'a@example.com')
    await first.close()
    const second = await open({ environment: env })
    expect(await second.decrypt(token)).toBe('a@example.com')
    await second.close()
    await folder.remove()
  })

  it('takes the key by its full name, and the project from GOOGLE_CLOUD_PROJECT', async () => {
    const folder = await scratchFolder('gcp-kms')
    const { ENCRYPTION_GCP_ENDPOINT = '', ENCRYPTION_KEY_ID = '' } = plain.env
    const common = {
      ENCRYPTION_AUDIT_PATH: 'off',
      ENCRYPTION_GCP_ENDPOINT,
      ENCRYPTION_KEY_STORAGE_BACKEND: 'gcp_kms',
      GOOGLE_CLOUD_PROJECT: 'keywright-test',
    }
    const environments = [
      { ENCRYPTION_KEY_ID: plain.resource(ENCRYPTION_KEY_ID), GOOGLE_CLOUD_PROJECT: 'project-of-the-app' },
      { ENCRYPTION_KEY_ID, ENCRYPTION_GCP_KEYRING: 'keywright', ENCRYPTION_GCP_LOCATION: 'global' },
    ]
    for (const [index, environment] of environments.entries()) {
      const url = { ENCRYPTION_KEY_STORE_URL: `sqlite:${folder.path}/${index}.db` }
      const opened = await open({ environment: { ...common, ...url, ...environment }, create: true })
      const token = await opened.encrypt('pii', 'x')
      expect(await opened.decrypt(token)).toBe('x')
      await opened.close()
    }
    await folder.remove()
  })
})
