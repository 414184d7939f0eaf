/** Wrong settings for Azure Key Vault, tried on the wire fakes of a vault and of a Managed HSM. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { Permission } from '../../src/testing/fakes/azure-key-vault.ts'
import {
  type AzureKeyVaultFake,
  azureKeyVaultFake,
  startAzureKeyVaultFake,
} from '../../src/testing/fakes/azure-key-vault.ts'
import { serverFor } from '../kit/servers.ts'
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
} from './bad-input-kit.ts'
import type { Workplace } from './cli-kit.ts'

const server = await serverFor(azureKeyVaultFake)

const KEY = 'ENCRYPTION_KEY_ID'
const VERSION = 'ENCRYPTION_KEY_VERSION'
const VAULT = 'ENCRYPTION_AZURE_VAULT_URL'
const ALGORITHM = 'ENCRYPTION_AZURE_ALGORITHM'
const CACERT = 'ENCRYPTION_AZURE_CACERT'
const EMULATOR = 'ENCRYPTION_AZURE_EMULATOR'
const CREDENTIAL = 'ENCRYPTION_AZURE_CREDENTIAL'
const CLIENT = 'ENCRYPTION_AZURE_CLIENT_ID'
const SECRET = 'ENCRYPTION_AZURE_CLIENT_SECRET'

const malformed = failing('ERR_CONFIG_INVALID')
const notFound = failing('ERR_MASTER_KEY_NOT_FOUND')
const unsuitable = failing('ERR_MASTER_KEY_UNSUITABLE')
const unauthenticated = failing('ERR_PROVIDER_UNAUTHENTICATED')
const denied = failing('ERR_PROVIDER_DENIED')
const unavailable = failing('ERR_PROVIDER_UNAVAILABLE')

const NAME = /ENCRYPTION_KEY_ID \(keyId\) is the name alone/
const PINNED = /ENCRYPTION_KEY_VERSION \(keyVersion\) is 32 hex digits/
const ADDRESS = /write ENCRYPTION_AZURE_VAULT_URL \(vaultUrl\) as https:/
const RSA = /needs an RSA or RSA-HSM key of at least 2048 bits.*ENCRYPTION_KEY_ID/

/** Refused before anything is contacted. */
const MALFORMED: readonly BadInput[] = [
  malformed('a key that climbs', { [KEY]: '../secrets' }, ['keyId', KEY], NAME),
  malformed('a key with a slash', { [KEY]: 'team/master' }, ['keyId', KEY], NAME),
  malformed('a key with a line feed', { [KEY]: 'master\nX-Evil: 1' }, ['keyId', KEY], NAME),
  malformed('a URL as key', { [KEY]: 'https://evil.example/keys/x' }, ['keyId', KEY], NAME),
  malformed('no key', { [KEY]: undefined }, ['keyId', KEY], /set ENCRYPTION_KEY_ID/),
  malformed('a version that is a word', { [VERSION]: 'latest' }, ['keyVersion', VERSION], PINNED),
  malformed('a version that is a number', { [VERSION]: '99' }, ['keyVersion', VERSION], PINNED),
  malformed(
    'an algorithm that is no more',
    { [ALGORITHM]: 'RSA1_5' },
    ['algorithm', 'RSA-OAEP-256'],
    /AZURE_ALGORITHM/,
  ),
  malformed('no address', { [VAULT]: undefined }, ['vaultUrl', VAULT], /set ENCRYPTION_AZURE_VAULT_URL/),
  malformed('another scheme', { [VAULT]: 'ftp://127.0.0.1' }, [VAULT], ADDRESS),
  malformed('no scheme', { [VAULT]: 'myvault.vault.azure.net' }, [VAULT], ADDRESS),
  malformed(
    'a domain with a typo',
    { [VAULT]: 'https://mine.vault.azrue.net', [EMULATOR]: undefined },
    [VAULT],
    ADDRESS,
  ),
  malformed('a password in the address', { [VAULT]: 'https://u:hunter2-pw@127.0.0.1' }, [VAULT], ADDRESS),
  malformed('an emulator elsewhere', { [VAULT]: 'https://0.0.0.0:1' }, [EMULATOR, VAULT], /localhost/),
  malformed(
    'another credential',
    { [CREDENTIAL]: 'azure-cli' },
    ['credential', 'client-secret'],
    /AZURE_CREDENTIAL/,
  ),
  malformed(
    'no CA file',
    { [CACERT]: '/no/such/file.pem' },
    ['caCert', CACERT],
    /correct ENCRYPTION_AZURE_CACERT/,
  ),
]

/** What only the service can say no to. */
const REFUSED: readonly BadInput[] = [
  notFound('an unknown key', { [KEY]: 'no-such-key' }, [KEY, VERSION, VAULT], /check ENCRYPTION_KEY_ID/),
  notFound(
    'an unknown version',
    { [VERSION]: 'ab'.repeat(16) },
    [KEY, VERSION, VAULT],
    /check ENCRYPTION_KEY_ID/,
  ),
  failing('ERR_MASTER_KEY_DELETED')(
    'a deleted key',
    { [KEY]: 'gone' },
    ['deleted'],
    /az keyvault key recover/,
  ),
  failing('ERR_MASTER_KEY_DISABLED')('a disabled key', { [KEY]: 'off' }, ['disabled'], /set-attributes/),
  failing('ERR_MASTER_KEY_DISABLED')('an expired key', { [KEY]: 'old' }, ['expired'], /set-attributes/),
  unsuitable('an EC key', { [KEY]: 'curve' }, [ALGORITHM, KEY], RSA),
  unsuitable('a key that is too small', { [KEY]: 'short' }, [ALGORITHM, KEY], RSA),
  unsuitable(
    'a key that may not wrap',
    { [KEY]: 'signer' },
    [ALGORITHM, KEY],
    /operations wrapKey and unwrapKey/,
  ),
  unsuitable(
    'the algorithm of an HSM',
    { [ALGORITHM]: 'A256KW' },
    [ALGORITHM, KEY],
    /oct-HSM key of 256 bits/,
  ),
  failing('ERR_PROVIDER_FAILED')(
    'no CA for its certificate',
    { [CACERT]: undefined },
    [CACERT],
    /not trusted: name/,
  ),
  unavailable(
    'an unknown host',
    {
      [VAULT]: 'https://kw.no-such-vault.localhost',
      [EMULATOR]: undefined,
      ENCRYPTION_AZURE_ALLOW_ANY_HOST: 'true',
    },
    [VAULT],
    /reachable from here/,
  ),
]

describe.skipIf(server.skip)(`bad input for Azure Key Vault ${server.skip ?? ''}`, () => {
  let azure: AzureKeyVaultFake
  let hsm: AzureKeyVaultFake
  let place: Workplace
  let plain: Listener

  beforeAll(async () => {
    const fakes = [startAzureKeyVaultFake(), startAzureKeyVaultFake({ server: 'managed-hsm' })] as const
    ;[azure, hsm, plain] = await Promise.all([...fakes, countingListener()])
    const { vault } = azure
    await vault.add('curve', { type: 'EC' })
    await vault.add('short', { bits: 1024 })
    await vault.add('signer', { operations: ['sign', 'verify'] })
    await vault.add('off', { attributes: { enabled: false } })
    await vault.add('old', { attributes: { exp: 1 } })
    await vault.add('gone')
    vault.delete('gone')
    place = await installOn(azure.env)
  })
  afterAll(async () => {
    place.leave()
    await Promise.all([azure.stop(), hsm.stop(), plain.close()])
  })

  const CHANGES = /^(create|rotate|update|delete|purge|recover)/
  const census = (): unknown =>
    [...azure.calls, ...hsm.calls].filter(({ operation }) => CHANGES.test(operation))
  const refused = (bad: BadInput): Promise<void> => expectRefused({ place, env: azure.env, census }, bad)

  /** A login with a client secret at the fake's own token endpoint. */
  function login(...permissions: readonly Permission[]): Env {
    const { clientId, clientSecret } = azure.login.addPrincipal(permissions)
    return {
      [CREDENTIAL]: 'client-secret',
      ENCRYPTION_AZURE_TENANT_ID: azure.login.tenantId,
      [CLIENT]: clientId,
      [SECRET]: clientSecret,
      ENCRYPTION_AZURE_AUTHORITY_HOST: azure.endpoint,
    }
  }

  it.each([...MALFORMED, ...REFUSED])('$what: $code', refused)

  it('an AES key where RSA is expected', () =>
    refused(unsuitable('oct-HSM', { ...hsm.env, [ALGORITHM]: undefined }, [ALGORITHM, KEY], RSA)))

  it('nothing permitted', () => refused(denied('none', login(), [], /keys\/get|get/)))

  it('a wrong client secret', () =>
    refused(
      unauthenticated(
        'secret',
        { ...login('get'), [SECRET]: 'hunter2-secret' },
        [SECRET],
        /ENCRYPTION_AZURE/,
      ),
    ))

  it('an unknown client', () => {
    const env = { ...login('get'), [CLIENT]: '11111111-2222-4333-8444-555555555555' }
    return refused(unauthenticated('client', env, [CLIENT], /ENCRYPTION_AZURE/))
  })

  it('a port where nobody listens', async () => {
    const env = { [VAULT]: `https://127.0.0.1:${await closedPort()}` }
    await refused(unavailable('a port', env, [VAULT], /reachable from here/))
  })

  it.each(['0.0.0.0', '127.0.0.1'])('http to %s: refused before a packet is sent', async (host) => {
    const env = { [VAULT]: `http://${host}:${plain.port}` }
    await refused(malformed('http', env, [VAULT], ADDRESS))
    expectUntouched(plain)
  })
})
