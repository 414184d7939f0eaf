import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../providers/gcp-kms/crc32c.ts'
import { parseEndpoint } from '../../providers/gcp-kms/endpoint.ts'
import { keyName, parseKeyName, versionName, versionOf } from '../../providers/gcp-kms/names.ts'
import gcpKmsProvider, { configure, leastPrivilege, permissions } from '../../providers/gcp-kms.ts'
import { BACKENDS } from '../../providers/index.ts'
import { checksumOf } from '../../src/testing/fakes/gcp-kms/checksums.ts'
import { refusal, settings } from './gcp-kms/kit.ts'

const FULL = 'projects/my-project/locations/europe-west1/keyRings/app/cryptoKeys/master'
const PARTS = { keyRing: 'app', location: 'europe-west1', projectId: 'my-project' }

describe('CRC-32C', () => {
  // RFC 3720 appendix B.4, and the check value of the catalogue of parametrised CRCs.
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
  it.each([
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['32 zeroes', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['ascending', ascending, 0x46dd794e],
    ['descending', ascending.toReversed(), 0x113fdb5c],
    ['nothing', new Uint8Array(), 0],
  ])('of %s', (_, bytes, sum) => {
    expect(crc32c(bytes)).toBe(sum)
  })

  it('is that of the fake, which computes it another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(crc32c(bytes)).toBe(checksumOf(bytes).value)
      }),
    )
  })
})

describe('resource names', () => {
  it('a full name and its parts give the same key, and a version its number back', () => {
    expect(keyName(parseKeyName({ keyId: FULL }))).toBe(FULL)
    expect(keyName(parseKeyName({ keyId: 'master', ...PARTS }))).toBe(FULL)
    expect(versionOf(FULL, versionName(FULL, '12'))).toBe('12')
  })

  it.each([
    [`${FULL}-2/cryptoKeyVersions/1`],
    [FULL],
    [`${FULL}/cryptoKeyVersions/0`],
    [`${FULL}/cryptoKeyVersions/01`],
    [`${FULL}/cryptoKeyVersions/1/x`],
    [`x${FULL}/cryptoKeyVersions/1`],
    [undefined],
  ])('%s is no version of the key', (name) => {
    expect(versionOf(FULL, name)).toBeUndefined()
  })
})

describe('endpoints', () => {
  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080, true],
    ['http://127.0.0.1:8080', '127.0.0.1', 8080, true],
    ['localhost:1', 'localhost', 1, true],
    ['[::1]:9', '[::1]', 9, true],
    ['https://127.0.0.1:8080/', '127.0.0.1', 8080, false],
    ['cloudkms.europe-west1.rep.googleapis.com', 'cloudkms.europe-west1.rep.googleapis.com', 443, false],
    ['https://kms.example.com:8443', 'kms.example.com', 8443, false],
    ['kms.example.com:8443', 'kms.example.com', 8443, false],
    ['127.0.0.1.example.com:80', '127.0.0.1.example.com', 80, false],
  ])('%s', (text, host, port, insecure) => {
    expect(parseEndpoint(text, false)).toEqual({ host, insecure, port })
  })

  it.each([
    ['http://kms.example.com:80'],
    ['http://127.0.0.1.example.com:80'],
    ['http://10.0.0.1:8080'],
    ['http://127.0.0.1'],
    ['ftp://127.0.0.1:1'],
    ['https://user:hunter2@kms.example.com'],
    ['https://kms.example.com/path'],
    ['https://kms.example.com?x=hunter2'],
    ['https://'],
    ['kms example.com'],
    ['kms.example.com:99999'],
    [''],
  ])('%s is refused, and not shown', async (text) => {
    const refused = await refusal(async () => parseEndpoint(text, false))
    expect(refused.code).toBe('ERR_CONFIG_INVALID')
    expect(refused.hint).toContain('ENCRYPTION_GCP_ENDPOINT')
    expect(JSON.stringify(refused)).not.toContain('hunter2')
  })

  it('plain http to another host needs the override', () => {
    expect(parseEndpoint('http://kms-emulator:9010', true)).toMatchObject({ insecure: true, port: 9010 })
  })
})

describe('options', () => {
  const good = { keyId: 'master', ...PARTS }
  it.each([
    ['no key', { ...PARTS }, 'ENCRYPTION_KEY_ID'],
    ['an empty key', { ...good, keyId: ' ' }, 'ENCRYPTION_KEY_ID'],
    ['a key that is no text', { ...good, keyId: 7 }, 'ENCRYPTION_KEY_ID'],
    ['a key with a dot', { ...good, keyId: 'a.b' }, 'ENCRYPTION_KEY_ID'],
    ['a key that climbs', { ...good, keyId: '../x' }, 'ENCRYPTION_KEY_ID'],
    ['a key that is too long', { ...good, keyId: 'k'.repeat(64) }, 'ENCRYPTION_KEY_ID'],
    ['the name of a version', { keyId: `${FULL}/cryptoKeyVersions/1` }, 'ENCRYPTION_KEY_VERSION'],
    ['the name of a key ring', { keyId: FULL.replace(/\/cryptoKeys.*/, '') }, 'ENCRYPTION_KEY_ID'],
    ['no project', { ...good, projectId: undefined }, 'ENCRYPTION_GCP_PROJECT_ID'],
    ['a project number', { ...good, projectId: '123456789012' }, 'ENCRYPTION_GCP_PROJECT_ID'],
    ['a project in capitals', { ...good, projectId: 'My-Project' }, 'ENCRYPTION_GCP_PROJECT_ID'],
    ['no location', { ...good, location: undefined }, 'ENCRYPTION_GCP_LOCATION'],
    ['a location with a slash', { ...good, location: 'eu/west' }, 'ENCRYPTION_GCP_LOCATION'],
    ['no key ring', { ...good, keyRing: undefined }, 'ENCRYPTION_GCP_KEYRING'],
    ['a key ring with a line feed', { ...good, keyRing: 'a\nb' }, 'ENCRYPTION_GCP_KEYRING'],
    ['another location than the full name', { keyId: FULL, location: 'us' }, 'ENCRYPTION_GCP_LOCATION'],
    ['another key ring than the full name', { keyId: FULL, keyRing: 'x' }, 'ENCRYPTION_GCP_KEYRING'],
    ['a version 0', { ...good, keyVersion: '0' }, 'ENCRYPTION_KEY_VERSION'],
    ['a version "latest"', { ...good, keyVersion: 'latest' }, 'ENCRYPTION_KEY_VERSION'],
    [
      "another key's version",
      { keyId: FULL, keyVersion: `${FULL}2/cryptoKeyVersions/1` },
      'ENCRYPTION_KEY_VERSION',
    ],
    ['an override that is no boolean', { ...good, allowInsecure: 'yes' }, 'ENCRYPTION_GCP_ALLOW_INSECURE'],
    ['credentials that are no JSON', { ...good, credentials: '{hunter2' }, 'ENCRYPTION_GCP_CREDENTIALS'],
    ['credentials that are a list', { ...good, credentials: ['hunter2'] }, 'ENCRYPTION_GCP_CREDENTIALS'],
    [
      'credentials of another type',
      { ...good, credentials: { type: 'hunter2' } },
      'ENCRYPTION_GCP_CREDENTIALS',
    ],
    [
      'credentials twice',
      { ...good, credentials: { type: 'service_account' }, keyFilename: '/x.json' },
      'ENCRYPTION_GCP_KEY_FILE',
    ],
    [
      'a CA for a plain endpoint',
      { ...good, caCert: '/ca', endpoint: '127.0.0.1:1' },
      'ENCRYPTION_GCP_CACERT',
    ],
    ['an unknown option', { ...good, keyring: 'app' }, 'keyRing'],
  ])('%s: refused with the setting', async (_, options, setting) => {
    const present = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    const refused = await refusal(() => configure(settings(present)))
    expect(refused.code).toBe('ERR_CONFIG_INVALID')
    expect(refused.hint).toContain(setting)
    expect(JSON.stringify(refused)).not.toContain('hunter2')
  })

  it('the override is refused in production', async () => {
    const options = { ...good, allowInsecure: true, endpoint: 'http://kms:1' }
    expect((await configure(settings(options))).name).toBe('gcp')
    const refused = await refusal(() => configure(settings(options, { production: true })))
    expect(refused).toMatchObject({ code: 'ERR_CONFIG_INVALID' })
    expect(refused.hint).toContain('ENCRYPTION_GCP_ALLOW_INSECURE')
  })

  it.each([
    ['text', '3'],
    ['a number', 3],
    ['a resource name', `${FULL}/cryptoKeyVersions/3`],
  ])('a version as %s pins it: such a provider does not rotate', async (_, keyVersion) => {
    const provider = await configure(settings({ keyId: FULL, keyVersion }))
    expect(provider.capabilities.rotatesMasterKey).toBe(false)
    expect(provider.rotateMasterKey).toBeUndefined()
  })

  it('credentials as JSON, as text and as base64', async () => {
    const json = { type: 'service_account', client_email: 'a@b', private_key: 'x' }
    const text = JSON.stringify(json)
    for (const credentials of [json, text, Buffer.from(text).toString('base64')]) {
      expect((await configure(settings({ ...good, credentials }))).name).toBe('gcp')
    }
  })

  it('a program passes wrong options: refused at once too', async () => {
    const wrong = await refusal(async () => gcpKmsProvider({ keyId: FULL, keyVersion: 'x' }))
    expect(wrong.hint).toContain('ENCRYPTION_KEY_VERSION')
  })

  it('every option has its variable', () => {
    const options = BACKENDS['gcp-kms']?.variables.map(({ option }) => option) ?? []
    const known = /known options: (.*)/
    const given = refusal(() => configure(settings({ ...good, wrong: 1 })))
    return given.then(({ hint }) =>
      expect(options.toSorted()).toEqual(known.exec(hint)?.[1]?.split(', ').toSorted()),
    )
  })
})

describe('least privilege', () => {
  it('names the key, the roles and the permissions', () => {
    const { format, text } = leastPrivilege(settings({ keyId: FULL }))
    expect(format).toBe('shell')
    expect(text).toContain('gcloud kms keys add-iam-policy-binding master')
    expect(text).toContain('--project=my-project --location=europe-west1 --keyring=app')
    expect(text).toContain('roles/cloudkms.cryptoKeyEncrypterDecrypter')
    expect(text).toContain(permissions.describe.replaceAll(', ', ','))
  })

  it('leaves holes for what is not configured, or would not be safe in a shell', () => {
    const { text } = leastPrivilege(settings({ keyId: 'a; rm -rf /', projectId: 'my-project' }))
    expect(text).toContain('binding <key>')
    expect(text).toContain('--project=my-project --location=<location> --keyring=<key ring>')
    expect(text).not.toContain('rm -rf')
  })
})
