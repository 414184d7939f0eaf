/** Wrong settings for AWS KMS, tried on the wire fake: it knows permissions and signatures. */
import { afterAll, beforeAll, describe, it, vi } from 'vitest'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
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

const KEY = 'ENCRYPTION_KEY_ID'
const VERSION = 'ENCRYPTION_KEY_VERSION'
const REGION = 'ENCRYPTION_AWS_REGION'
const ENDPOINT = 'ENCRYPTION_AWS_ENDPOINT'
const ACCESS_KEY = 'ENCRYPTION_AWS_ACCESS_KEY_ID'
const SECRET_KEY = 'ENCRYPTION_AWS_SECRET_ACCESS_KEY'
const PROFILE = 'ENCRYPTION_AWS_PROFILE'

const malformed = failing('ERR_CONFIG_INVALID')
const notFound = failing('ERR_MASTER_KEY_NOT_FOUND')
const unsuitable = failing('ERR_MASTER_KEY_UNSUITABLE')
const unauthenticated = failing('ERR_PROVIDER_UNAUTHENTICATED')
const denied = failing('ERR_PROVIDER_DENIED')
const unavailable = failing('ERR_PROVIDER_UNAVAILABLE')

const NAME = /ENCRYPTION_KEY_ID expects a key id/
const SYMMETRIC = /ENCRYPTION_KEY_ID must name a key .*SYMMETRIC_DEFAULT/
const CREDENTIALS = /check ENCRYPTION_AWS_ACCESS_KEY_ID/
const SECRET = 'hunter2-hunter2-hunter2-hunter2-hunter2'

/** Refused before anything is contacted. */
const MALFORMED: readonly BadInput[] = [
  malformed('a key that climbs', { [KEY]: '../aliases' }, ['keyId', KEY], NAME),
  malformed('a key with a slash', { [KEY]: 'team/master' }, ['keyId', KEY], NAME),
  malformed('an alias that climbs', { [KEY]: 'alias/../master' }, ['keyId', KEY], NAME),
  malformed('an alias with a line feed', { [KEY]: 'alias/master\nX-Evil: 1' }, ['keyId', KEY], NAME),
  malformed('a name without alias/', { [KEY]: 'my-master-key' }, ['keyId', KEY], NAME),
  malformed('the ARN of a bucket', { [KEY]: 'arn:aws:s3:::bucket' }, ['keyId', KEY], NAME),
  malformed('no key', { [KEY]: undefined }, ['keyId', KEY], /set ENCRYPTION_KEY_ID/),
  malformed('a version', { [VERSION]: '2-latest' }, ['keyVersion', VERSION], /unset ENCRYPTION_KEY_VERSION/),
  malformed(
    'another region than that of the ARN',
    { [REGION]: 'eu-west-1' },
    ['keyId', REGION],
    /set ENCRYPTION_AWS/,
  ),
  malformed(
    'a region with a typo',
    { [REGION]: 'us-esat' },
    ['region', REGION],
    /correct ENCRYPTION_AWS_REGION/,
  ),
  malformed(
    'a region with a path',
    { [REGION]: 'us-east-1/x.evil' },
    ['region', REGION],
    /correct ENCRYPTION_AWS/,
  ),
  malformed('no region', { [REGION]: undefined, [KEY]: 'alias/prod-x' }, ['region', REGION], /AWS_REGION/),
  malformed(
    'several regions, one key',
    { ENCRYPTION_AWS_REGIONS: 'us-east-1,eu-west-1' },
    ['regions'],
    /mrk-/,
  ),
  malformed(
    'an access key without its secret',
    { [SECRET_KEY]: undefined },
    ['secretAccessKey'],
    /set ENCRYPTION_AWS_S/,
  ),
  malformed(
    'another scheme',
    { [ENDPOINT]: 'ftp://127.0.0.1' },
    ['endpoint', ENDPOINT],
    /correct ENCRYPTION_AWS_ENDP/,
  ),
  malformed(
    'no scheme',
    { [ENDPOINT]: '127.0.0.1:443' },
    ['endpoint', ENDPOINT],
    /correct ENCRYPTION_AWS_ENDPOINT/,
  ),
  malformed(
    'a password in the endpoint',
    { [ENDPOINT]: `https://u:${SECRET}@[::1]` },
    ['endpoint'],
    /AWS_ENDPOINT/,
  ),
]

/** What only the service can say no to. */
const REFUSED: readonly BadInput[] = [
  notFound(
    'an unknown id',
    { [KEY]: '11111111-2222-4333-8444-555555555555' },
    [KEY, REGION],
    /check ENCRYPTION_KEY_ID/,
  ),
  notFound('an unknown alias', { [KEY]: 'alias/no-such-key' }, [KEY, REGION], /check ENCRYPTION_KEY_ID/),
  notFound(
    'an alias of another region',
    { [KEY]: 'alias/ours', [REGION]: 'eu-west-1' },
    [KEY, REGION],
    /the key is not/,
  ),
  failing('ERR_MASTER_KEY_DELETED')(
    'an alias to a deleted key',
    { [KEY]: 'alias/gone-key' },
    ['deleted'],
    /cancel-key-del/,
  ),
  failing('ERR_MASTER_KEY_DISABLED')('a disabled key', { [KEY]: 'alias/off-key' }, [KEY], /enable-key/),
  unsuitable('an RSA key', { [KEY]: 'alias/rsa-key' }, [KEY], SYMMETRIC),
  unsuitable('a key that signs', { [KEY]: 'alias/ecc-key' }, [KEY], SYMMETRIC),
  unsuitable('a key for MACs', { [KEY]: 'alias/mac-key' }, [KEY], SYMMETRIC),
  unauthenticated(
    'an unknown access key',
    { [ACCESS_KEY]: 'AKIAUNKNOWN000000000' },
    [ACCESS_KEY],
    CREDENTIALS,
  ),
  unauthenticated('a wrong secret', { [SECRET_KEY]: SECRET }, [SECRET_KEY], CREDENTIALS),
  unauthenticated(
    'an unknown profile',
    { [ACCESS_KEY]: undefined, [SECRET_KEY]: undefined, [PROFILE]: 'no-such' },
    [PROFILE],
    CREDENTIALS,
  ),
  unauthenticated(
    'no credentials',
    { [ACCESS_KEY]: undefined, [SECRET_KEY]: undefined },
    [ACCESS_KEY],
    CREDENTIALS,
  ),
  denied(
    'nothing permitted',
    { [ACCESS_KEY]: 'AKIANOTHING000000000', [SECRET_KEY]: SECRET },
    ['kms:Encrypt'],
    /allow/,
  ),
  denied(
    'an unknown grant',
    { ENCRYPTION_AWS_GRANT_TOKENS: 'hunter2-grant' },
    ['ENCRYPTION_AWS_GRANT_TOKENS'],
    /unset/,
  ),
  unavailable(
    'an unknown host',
    { [ENDPOINT]: 'https://kms.no-such-region.invalid' },
    [ENDPOINT],
    /reach KMS/,
  ),
]

describe('bad input for AWS KMS', () => {
  let aws: AwsKmsFake
  let place: Workplace
  let plain: Listener
  let tls: Listener

  beforeAll(async () => {
    ;[aws, plain, tls] = await Promise.all([startAwsKmsFake(), countingListener(), selfSignedListener()])
    const { identities, keys } = aws
    const add = (alias: string, ...spec: readonly string[]) => {
      const [algorithm = 'SYMMETRIC_DEFAULT', usage = 'ENCRYPT_DECRYPT'] = spec
      const key = keys.create('us-east-1', { spec: algorithm, usage })
      keys.setAlias(`alias/${alias}`, key, true)
      return key
    }
    add('ours')
    add('rsa-key', 'RSA_4096')
    add('ecc-key', 'ECC_NIST_P256', 'SIGN_VERIFY')
    add('mac-key', 'HMAC_256', 'GENERATE_VERIFY_MAC')
    add('gone-key').state = 'PendingDeletion'
    add('off-key').state = 'Disabled'
    identities.add('AKIANOTHING000000000', { secretAccessKey: SECRET, actions: [] })
    // Nothing of this machine may stand in for credentials that were taken away.
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'])
      vi.stubEnv(name, '')
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    vi.stubEnv('AWS_CONFIG_FILE', '/no/such/file')
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/no/such/file')
    place = await installOn(aws.env)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    place.leave()
    await Promise.all([aws.stop(), plain.close(), tls.close()])
  })

  const CHANGES = /^(Create|Update|Schedule|Enable|Disable|Rotate|Replicate)/
  const census = (): unknown => [
    aws.keys.all().map(({ arn, state }) => [arn, state]),
    aws.calls.filter(({ operation }) => CHANGES.test(operation)),
  ]
  const refused = (bad: BadInput): Promise<void> => expectRefused({ place, env: aws.env, census }, bad)

  it.each([...MALFORMED, ...REFUSED])('$what: $code', refused)

  it('a port where nobody listens', async () => {
    const env = { [ENDPOINT]: `http://127.0.0.1:${await closedPort()}` }
    await refused(unavailable('a port', env, [ENDPOINT], /reach KMS/))
  })

  it('a certificate that nobody vouches for: not one request gets through', async () => {
    const env = { [ENDPOINT]: `https://localhost:${tls.port}` }
    await refused(
      failing('ERR_PROVIDER_FAILED')('TLS', env, ['certificate', ENDPOINT], /NODE_EXTRA_CA_CERTS/),
    )
    expectUntouched(tls)
  })

  it('http to another machine: refused without the override, before a packet is sent', async () => {
    const env = { [ENDPOINT]: `http://0.0.0.0:${plain.port}` }
    await refused(malformed('http', env, ['endpoint', 'ENCRYPTION_AWS_ALLOW_INSECURE'], /use https/))
    expectUntouched(plain)
  })
})
