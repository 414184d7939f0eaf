/** Wrong settings for Google Cloud KMS, tried on the wire fake: once in clear, once over TLS with identities. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type GcpKmsFake, gcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { serverFor } from '../kit/servers.ts'
import { type Identities, startIdentities } from '../providers/gcp-kms/identities.ts'
import {
  type BadInput,
  closedPort,
  countingListener,
  type Env,
  expectRefused,
  expectUntouched,
  failing,
  installOn,
  type Listener,
  selfSignedListener,
} from './bad-input-kit.ts'
import type { Workplace } from './cli-kit.ts'

const server = await serverFor(gcpKmsFake)

const KEY = 'ENCRYPTION_KEY_ID'
const VERSION = 'ENCRYPTION_KEY_VERSION'
const PROJECT = 'ENCRYPTION_GCP_PROJECT_ID'
const LOCATION = 'ENCRYPTION_GCP_LOCATION'
const RING = 'ENCRYPTION_GCP_KEYRING'
const ENDPOINT = 'ENCRYPTION_GCP_ENDPOINT'
const CREDENTIALS = 'ENCRYPTION_GCP_CREDENTIALS'
const KEY_FILE = 'ENCRYPTION_GCP_KEY_FILE'
const CACERT = 'ENCRYPTION_GCP_CACERT'

const malformed = failing('ERR_CONFIG_INVALID')
const notFound = failing('ERR_MASTER_KEY_NOT_FOUND')
const unsuitable = failing('ERR_MASTER_KEY_UNSUITABLE')
const unauthenticated = failing('ERR_PROVIDER_UNAUTHENTICATED')
const denied = failing('ERR_PROVIDER_DENIED')
const unavailable = failing('ERR_PROVIDER_UNAVAILABLE')

const PINNED = /correct ENCRYPTION_KEY_VERSION/
const ADDRESS = /into ENCRYPTION_GCP_ENDPOINT/
const PLACE = [KEY, VERSION, RING, LOCATION, PROJECT]
const FILES = /correct ENCRYPTION_GCP_KEY_FILE or ENCRYPTION_GCP_CREDENTIALS/

/** Refused before anything is contacted. */
const MALFORMED: readonly BadInput[] = [
  malformed(
    'a key that climbs',
    { [KEY]: '../cryptoKeys' },
    ['keyId', KEY],
    /set ENCRYPTION_KEY_ID to projects/,
  ),
  malformed(
    'a key with a slash',
    { [KEY]: 'team/master' },
    ['keyId', KEY],
    /set ENCRYPTION_KEY_ID to projects/,
  ),
  malformed(
    'a key with a line feed',
    { [KEY]: 'master\nX-Evil: 1' },
    ['keyId', KEY],
    /correct ENCRYPTION_KEY_ID/,
  ),
  malformed(
    'a name of another key ring',
    { [KEY]: 'projects/a/locations/b/keyRings/c/cryptoKeys/d' },
    ['keyId', RING],
    /leave ENCRYPTION_GCP/,
  ),
  malformed('no key', { [KEY]: undefined }, ['keyId', KEY], /correct ENCRYPTION_KEY_ID/),
  malformed('a version that is a word', { [VERSION]: 'latest' }, ['keyVersion', VERSION], PINNED),
  malformed('a negative version', { [VERSION]: '-1' }, ['keyVersion', VERSION], PINNED),
  malformed(
    'a location that climbs',
    { [LOCATION]: '../global' },
    ['location', LOCATION],
    /correct ENCRYPTION_GCP_LOC/,
  ),
  malformed(
    'a project with a slash',
    { [PROJECT]: 'mine/yours' },
    ['projectId', PROJECT],
    /correct ENCRYPTION_GCP_PRO/,
  ),
  malformed('no project', { [PROJECT]: undefined }, ['projectId', PROJECT], /set ENCRYPTION_GCP_PROJECT_ID/),
  malformed('no location', { [LOCATION]: undefined }, ['location', LOCATION], /set ENCRYPTION_GCP_LOCATION/),
  malformed('no key ring', { [RING]: undefined }, ['keyRing', RING], /set ENCRYPTION_GCP_KEYRING/),
  malformed('another scheme', { [ENDPOINT]: 'ftp://127.0.0.1' }, ['endpoint', ENDPOINT], ADDRESS),
  malformed(
    'a port that there is not',
    { [ENDPOINT]: 'http://127.0.0.1:99999' },
    ['endpoint', ENDPOINT],
    ADDRESS,
  ),
  malformed(
    'a password in the endpoint',
    { [ENDPOINT]: 'https://u:hunter2-pw@127.0.0.1' },
    ['endpoint'],
    ADDRESS,
  ),
  malformed(
    'credentials that are none',
    { [ENDPOINT]: undefined, [CREDENTIALS]: 'hunter2-key' },
    ['credentials'],
    /ENCRYPTION_GCP_CRED/,
  ),
]

/** What only the service, or the login, can say no to. */
const REFUSED: readonly BadInput[] = [
  notFound('an unknown key', { [KEY]: 'no-such-key' }, PLACE, /check ENCRYPTION_KEY_ID/),
  notFound('an unknown version', { [VERSION]: '99' }, PLACE, /check ENCRYPTION_KEY_ID/),
  notFound('an unknown key ring', { [RING]: 'no-such-ring' }, PLACE, /check ENCRYPTION_KEY_ID/),
  notFound('a wrong location', { [LOCATION]: 'europe-west1' }, PLACE, /check ENCRYPTION_KEY_ID/),
  notFound('a wrong project', { [PROJECT]: 'other-project' }, PLACE, /check ENCRYPTION_KEY_ID/),
  unsuitable('an RSA key', { [KEY]: 'rsa-key' }, [KEY], /purpose ENCRYPT_DECRYPT/),
  unsuitable('a key that signs', { [KEY]: 'ecc-key' }, [KEY], /purpose ENCRYPT_DECRYPT/),
  failing('ERR_MASTER_KEY_DISABLED')(
    'no primary version',
    { [KEY]: 'empty-key' },
    ['version'],
    /enabled one primary/,
  ),
  failing('ERR_MASTER_KEY_DISABLED')(
    'a disabled version',
    { [KEY]: 'off-key' },
    ['not enabled'],
    /versions enable/,
  ),
  failing('ERR_MASTER_KEY_DELETED')(
    'a destroyed version',
    { [KEY]: 'gone-key' },
    ['destroyed'],
    /versions restore/,
  ),
  unauthenticated(
    'a key file that is not there',
    { [ENDPOINT]: 'https://127.0.0.1', [KEY_FILE]: '/no/such.json' },
    [KEY_FILE],
    FILES,
  ),
  unauthenticated(
    'half of a credential',
    { [ENDPOINT]: undefined, [CREDENTIALS]: '{"type":"service_account","private_key":"hunter2"}' },
    [CREDENTIALS],
    FILES,
  ),
]

describe.skipIf(server.skip)(`bad input for Cloud KMS ${server.skip ?? ''}`, () => {
  let identities: Identities
  let clear: GcpKmsFake
  let secure: GcpKmsFake
  let place: Workplace
  let plain: Listener
  let tls: Listener

  beforeAll(async () => {
    identities = await startIdentities()
    const { permissionsOf, tls: pair } = identities
    ;[clear, secure] = await Promise.all([startGcpKmsFake(), startGcpKmsFake({ permissionsOf, tls: pair })])
    ;[plain, tls] = await Promise.all([countingListener(), selfSignedListener()])
    clear.makeKey({ purpose: 'ASYMMETRIC_DECRYPT', algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' }, 'rsa-key')
    clear.makeKey({ purpose: 'ASYMMETRIC_SIGN', algorithm: 'EC_SIGN_P256_SHA256' }, 'ecc-key')
    clear.makeKey({ withoutVersion: true }, 'empty-key')
    const { keys } = clear.service
    const primaryOf = (name: string) => keys.version(`${clear.resource(name)}/cryptoKeyVersions/1`).version
    primaryOf(clear.makeKey({}, 'off-key')).state = 'DISABLED'
    keys.scheduleDestruction(primaryOf(clear.makeKey({}, 'gone-key')))
    place = await installOn(clear.env)
  })
  afterAll(async () => {
    place.leave()
    await Promise.all([clear.stop(), secure.stop(), identities.stop(), plain.close(), tls.close()])
  })

  const CHANGES = /^(Create|Update|Destroy|Restore)/
  const census = (): unknown =>
    [clear, secure].map(({ service }) => [...service.calls].filter(([operation]) => CHANGES.test(operation)))
  const refused = (bad: BadInput): Promise<void> => expectRefused({ place, env: clear.env, census }, bad)
  const as = (...permissions: readonly string[]): Env => ({
    ...secure.env,
    [CACERT]: identities.caCert,
    [CREDENTIALS]: JSON.stringify(identities.serviceAccount(permissions)),
  })

  it.each([...MALFORMED, ...REFUSED])('$what: $code', refused)

  it('nothing permitted', () =>
    refused(denied('none', as(), ['cloudkms.cryptoKeyVersions.useToEncrypt'], /grant .* on the key/)))

  it('an identity that the service does not know', () => {
    const stranger = { ...identities.serviceAccount([]), client_email: 'nobody@example.com' }
    const env = { ...as(), [CREDENTIALS]: JSON.stringify(stranger) }
    return refused(unauthenticated('stranger', env, [KEY_FILE, CREDENTIALS], /ENCRYPTION_GCP_KEY_FILE/))
  })

  it('a port where nobody listens', async () => {
    const env = { [ENDPOINT]: `http://127.0.0.1:${await closedPort()}` }
    await refused(unavailable('a port', env, [ENDPOINT], /check ENCRYPTION_GCP_ENDPOINT/))
  })

  it('an unknown host', () =>
    refused(
      unavailable(
        'a host',
        { ...as(), [ENDPOINT]: 'https://no-such-kms.invalid' },
        [ENDPOINT],
        /check ENCRYPT/,
      ),
    ))

  it('a certificate that nobody vouches for: not one request gets through', async () => {
    const env = { ...as(), [CACERT]: undefined, [ENDPOINT]: `https://localhost:${tls.port}` }
    await refused(unavailable('TLS', env, [ENDPOINT, CACERT], /certificate/))
    expectUntouched(tls)
  })

  it('http to another machine: refused without the override, before a packet is sent', async () => {
    const env = { [ENDPOINT]: `http://0.0.0.0:${plain.port}` }
    await refused(
      malformed('http', env, ['endpoint', ENDPOINT, 'ENCRYPTION_GCP_ALLOW_INSECURE'], /use https/),
    )
    expectUntouched(plain)
  })
})
