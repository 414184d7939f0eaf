/** Wrong settings for Vault, tried on OpenBao. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type OpenBao, openbao, startOpenBao } from '../../src/testing/native/openbao.ts'
import { serverFor } from '../kit/servers.ts'
import {
  type BadInput,
  closedPort,
  countingListener,
  expectRefused,
  expectUntouched,
  failing,
  installOn,
  type Listener,
  selfSignedListener,
} from './bad-input-kit.ts'
import type { Workplace } from './cli-kit.ts'

const server = await serverFor(openbao)

const KEY = 'ENCRYPTION_KEY_ID'
const VERSION = 'ENCRYPTION_KEY_VERSION'
const MOUNT = 'ENCRYPTION_VAULT_MOUNT'
const NAMESPACE = 'ENCRYPTION_VAULT_NAMESPACE'
const TOKEN = 'ENCRYPTION_VAULT_TOKEN'
const ADDR = 'ENCRYPTION_VAULT_URL'
const CACERT = 'ENCRYPTION_VAULT_CACERT'
const DERIVED = 'ENCRYPTION_VAULT_DERIVED'
const ROLE_ID = 'ENCRYPTION_VAULT_ROLE_ID'
const SECRET_ID = 'ENCRYPTION_VAULT_SECRET_ID'

const malformed = failing('ERR_CONFIG_INVALID')
const notFound = failing('ERR_MASTER_KEY_NOT_FOUND')
const unsuitable = failing('ERR_MASTER_KEY_UNSUITABLE')
const unauthenticated = failing('ERR_PROVIDER_UNAUTHENTICATED')
const denied = failing('ERR_PROVIDER_DENIED')
const unavailable = failing('ERR_PROVIDER_UNAVAILABLE')

const NAME = /correct ENCRYPTION_KEY_ID, or "keyId"/
const PINNED = /correct ENCRYPTION_KEY_VERSION, or "keyVersion"/
const ADDRESS = /correct ENCRYPTION_VAULT_URL/

/** Refused before anything is contacted. */
const MALFORMED: readonly BadInput[] = [
  malformed('a key name that climbs', { [KEY]: '../sys/health' }, ['keyId', KEY], NAME),
  malformed('a key name with a slash', { [KEY]: 'team/master' }, ['keyId', KEY], NAME),
  malformed('a key name with a line feed', { [KEY]: 'master\nX-Evil: 1' }, ['keyId', KEY], NAME),
  malformed('a key name that is escaped', { [KEY]: '%2e%2e%2fsys' }, ['keyId', KEY], NAME),
  malformed('no key name', { [KEY]: undefined }, ['keyId', KEY], NAME),
  malformed('a version that is a word', { [VERSION]: 'latest' }, ['keyVersion', VERSION], PINNED),
  malformed('version 0', { [VERSION]: '0' }, ['keyVersion', VERSION], PINNED),
  malformed('a mount that climbs', { [MOUNT]: '../sys' }, ['mount', MOUNT], /correct ENCRYPTION_VAULT_MOUNT/),
  malformed('no token', { [TOKEN]: undefined }, ['token', TOKEN], /VAULT_TOKEN.*ROLE_ID/),
  malformed(
    'a token with a line feed',
    { [TOKEN]: 's.abc\ndefghi' },
    ['token', TOKEN],
    /correct ENCRYPTION_VAU/,
  ),
  malformed(
    'another login',
    { ENCRYPTION_VAULT_AUTH: 'ldap-login' },
    ['auth', 'approle'],
    /ENCRYPTION_VAULT_AUTH/,
  ),
  malformed('no address', { [ADDR]: undefined }, ['url', ADDR], /VAULT_ADDR.*https:/),
  malformed('another scheme', { [ADDR]: 'ftp://127.0.0.1' }, ['url', ADDR], ADDRESS),
  malformed('no scheme', { [ADDR]: '127.0.0.1:8200' }, ['url', ADDR], ADDRESS),
  malformed(
    'a password in the address',
    { [ADDR]: 'https://u:hunter2-pw@127.0.0.1' },
    ['url', ADDR],
    ADDRESS,
  ),
  malformed(
    'a CA file that is not there',
    { [ADDR]: 'https://127.0.0.1', [CACERT]: '/no/such/file.pem' },
    ['caCert', CACERT],
    /correct ENCRYPTION_VAULT_CACERT/,
  ),
]

/** What only the server can say no to. */
const REFUSED: readonly BadInput[] = [
  notFound(
    'a key that there is not',
    { [KEY]: 'no-such-key' },
    [KEY],
    /check ENCRYPTION_KEY_ID.*vault write/,
  ),
  notFound('a version that there is not', { [VERSION]: '99' }, [VERSION], /correct ENCRYPTION_KEY_VERSION/),
  unsuitable('an RSA key', { [KEY]: 'rsa' }, ['type'], /aes256-gcm96/),
  unsuitable('a key that signs', { [KEY]: 'ed25519' }, ['type'], /aes256-gcm96/),
  unsuitable('a derived key', { [KEY]: 'per-context' }, ['derived'], /set ENCRYPTION_VAULT_DERIVED=true/),
  unsuitable(
    'a key that is not derived',
    { [DERIVED]: 'true' },
    ['derived'],
    /unset ENCRYPTION_VAULT_DERIVED/,
  ),
  failing('ERR_MASTER_KEY_DELETED')('a deleted key', { [KEY]: 'gone' }, ['soft-deleted'], /restore/),
  unauthenticated('an unknown token', { [TOKEN]: 's.unknown-token' }, [TOKEN], /give a new one/),
  unauthenticated(
    'an unknown AppRole',
    { [TOKEN]: undefined, [ROLE_ID]: 'no-such-role', [SECRET_ID]: 'hunter2-secret' },
    [ROLE_ID, SECRET_ID],
    /check ENCRYPTION_VAULT_ROLE_ID/,
  ),
  malformed(
    'an unknown namespace',
    { [NAMESPACE]: 'no-such-team' },
    [NAMESPACE],
    /correct ENCRYPTION_VAULT_NAME/,
  ),
  unavailable(
    'an unknown host',
    { [ADDR]: 'https://no-such-vault.invalid:8200' },
    [ADDR],
    /reachable from here/,
  ),
]

describe.skipIf(server.skip)(`bad input for Vault ${server.skip ?? ''}`, () => {
  let bao: OpenBao
  let place: Workplace
  let plain: Listener
  let tls: Listener
  let withoutPolicy = ''

  beforeAll(async () => {
    ;[bao, plain, tls] = await Promise.all([startOpenBao(), countingListener(), selfSignedListener()])
    const { call } = bao
    await call('POST', 'sys/mounts/kv', { type: 'kv' })
    await call('POST', 'transit/keys/rsa', { type: 'rsa-2048' })
    await call('POST', 'transit/keys/ed25519', { type: 'ed25519' })
    await call('POST', 'transit/keys/per-context', { derived: true })
    await call('POST', 'transit/keys/gone', {})
    await call('DELETE', 'transit/keys/gone/soft-delete')
    const { auth } = await call('POST', 'auth/token/create', { policies: ['default'] })
    withoutPolicy = String(auth?.['client_token'])
    place = await installOn(bao.env)
  })
  afterAll(async () => {
    place.leave()
    await Promise.all([bao.stop(), plain.close(), tls.close()])
  })

  const census = async (): Promise<unknown> =>
    (await bao.call('GET', 'transit/keys?list=true')).data?.['keys']
  const refused = (bad: BadInput): Promise<void> => expectRefused({ place, env: bao.env, census }, bad)

  it.each([...MALFORMED, ...REFUSED])('$what: $code', refused)

  it.each([
    ['a mount that is not Transit', 'kv'],
    ['a mount that there is not', 'no-such-mount'],
  ])('%s', (what, mount) => {
    const env = { [MOUNT]: mount, [TOKEN]: bao.rootToken }
    return refused(malformed(what, env, [MOUNT], /correct .*vault secrets enable/))
  })

  it('a token without a policy', () =>
    refused(denied('a token', { [TOKEN]: withoutPolicy }, [KEY, MOUNT, NAMESPACE], /grant/)))

  it('a token without a policy for this mount', () =>
    refused(denied('a mount', { [MOUNT]: 'no-such-mount' }, [KEY, MOUNT, NAMESPACE], /grant/)))

  it('a port where nobody listens', async () => {
    const env = { [ADDR]: `http://127.0.0.1:${await closedPort()}` }
    await refused(unavailable('a port', env, [ADDR], /up and reachable/))
  })

  it('https to a server that speaks http', () => {
    const env = { [ADDR]: bao.endpoint.replace('http:', 'https:') }
    return refused(malformed('https', env, [ADDR], /correct http:\/\/ or https:/))
  })

  it('a certificate that nobody vouches for: not one request gets through', async () => {
    const env = { [ADDR]: `https://localhost:${tls.port}` }
    await refused(malformed('TLS', env, [CACERT], /name its CA/))
    expectUntouched(tls)
  })

  it('http to another machine: refused without the override, before a packet is sent', async () => {
    const env = { [ADDR]: `http://0.0.0.0:${plain.port}` }
    await refused(malformed('http', env, ['url', ADDR, 'ENCRYPTION_VAULT_ALLOW_INSECURE'], /use https/))
    expectUntouched(plain)
  })
})
