/** Options of the AWS KMS provider: what is refused, what is read from text, the least privilege for them. */
import { describe, expect, it } from 'vitest'
import { errorCode } from '../../providers/aws-kms/errors.ts'
import awsKms, {
  type AwsKmsOptions,
  configure,
  leastPrivilege,
  permissions,
} from '../../providers/aws-kms.ts'
import { BACKENDS } from '../../providers/index.ts'
import { configure as configureAll } from '../../src/compose.ts'
import { KeywrightError } from '../../src/errors.ts'
import { refusedWith } from './aws-kms/kit.ts'

const ID = '1234abcd-12ab-34cd-56ef-1234567890ab'
const MRK = `mrk-${'1234abcd'.repeat(4)}`
const ARN = `arn:aws:kms:eu-west-1:111122223333:key/${ID}`
const good: AwsKmsOptions = { keyId: ID, region: 'us-east-1' }

const settings = (options: Record<string, unknown>) => ({
  name: 'aws',
  production: true,
  create: false,
  options,
})

describe('options that are refused', () => {
  it.each<[string, Partial<Record<keyof AwsKmsOptions, unknown>>, string]>([
    ['no key', { keyId: '' }, 'ENCRYPTION_KEY_ID'],
    ['a name without alias/', { keyId: 'my-key' }, 'alias/NAME'],
    ['an alias of AWS', { keyId: 'alias/aws/s3' }, 'alias/aws/'],
    ['an alias with a space', { keyId: 'alias/my key' }, 'ENCRYPTION_KEY_ID'],
    ['an upper-case id', { keyId: ID.toUpperCase() }, 'ENCRYPTION_KEY_ID'],
    [
      'an ARN of another service',
      { keyId: `arn:aws:s3:eu-west-1:111122223333:key/${ID}` },
      'ENCRYPTION_KEY_ID',
    ],
    ['an ARN without an account', { keyId: `arn:aws:kms:eu-west-1::key/${ID}` }, 'ENCRYPTION_KEY_ID'],
    ['an ARN with a path', { keyId: `${ARN}/../x` }, 'ENCRYPTION_KEY_ID'],
    ['an ARN of another region', { keyId: ARN }, 'eu-west-1'],
    ['no region', { region: undefined }, 'AWS_REGION'],
    ['a region that is none', { region: 'us-east-1.evil.example' }, 'ENCRYPTION_AWS_REGION'],
    ['no regions', { regions: [], region: undefined }, 'ENCRYPTION_AWS_REGION'],
    ['several regions for a key of one', { regions: ['us-east-1', 'eu-west-1'] }, 'mrk-'],
    ['several regions for an alias', { keyId: 'alias/app', regions: ['us-east-1', 'eu-west-1'] }, 'mrk-'],
    ['a region twice', { keyId: MRK, regions: ['us-east-1', 'us-east-1'] }, 'ENCRYPTION_AWS_REGIONS'],
    ['an endpoint without a scheme', { endpoint: 'kms.example.org' }, 'ENCRYPTION_AWS_ENDPOINT'],
    ['an endpoint of another scheme', { endpoint: 'ftp://kms.example.org' }, 'ENCRYPTION_AWS_ENDPOINT'],
    ['http to another host', { endpoint: 'http://kms.example.org' }, 'ENCRYPTION_AWS_ALLOW_INSECURE'],
    [
      'http to a host like this one',
      { endpoint: 'http://127.0.0.1.example.org' },
      'ENCRYPTION_AWS_ALLOW_INSECURE',
    ],
    [
      'an endpoint with a password',
      { endpoint: 'https://user:hunter2@example.org' },
      'ENCRYPTION_AWS_ENDPOINT',
    ],
    [
      'no endpoint for a region',
      { endpoint: { 'eu-west-1': 'https://example.org' } },
      'ENCRYPTION_AWS_ENDPOINT',
    ],
    ['half of the credentials', { accessKeyId: 'AKIAX' }, 'ENCRYPTION_AWS_SECRET_ACCESS_KEY'],
    ['the other half', { secretAccessKey: 'hunter2' }, 'ENCRYPTION_AWS_ACCESS_KEY_ID'],
    ['a session token alone', { sessionToken: 'hunter2' }, 'ENCRYPTION_AWS_ACCESS_KEY_ID'],
    [
      'key and profile',
      { accessKeyId: 'A', secretAccessKey: 'hunter2', profile: 'p' },
      'ENCRYPTION_AWS_PROFILE',
    ],
    ['too many grant tokens', { grantTokens: Array(11).fill('hunter2') }, 'ENCRYPTION_AWS_GRANT_TOKENS'],
    ['an alias as a former key', { formerKeyIds: ['alias/old'] }, 'ENCRYPTION_AWS_FORMER_KEY_IDS'],
    ['a former key elsewhere', { formerKeyIds: [ARN] }, 'eu-west-1'],
    ['no time for a region', { regionTimeoutMs: 0 }, 'ENCRYPTION_AWS_REGION_TIMEOUT_MS'],
  ])('%s', async (_, more, naming) => {
    const options = { ...good, ...more } as AwsKmsOptions
    await refusedWith('ERR_CONFIG_INVALID', async () => awsKms(options), { naming, secrets: ['hunter2'] })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['an option that does not exist', { keyID: ID }, 'keyId'],
    ['a version', { keyVersion: '1' }, 'ENCRYPTION_KEY_VERSION'],
    ['a number for a text', { keyId: 7 }, 'ENCRYPTION_KEY_ID'],
    ['a word for a flag', { allowInsecure: 'perhaps' }, 'ENCRYPTION_AWS_ALLOW_INSECURE'],
    ['a word for a number', { regionTimeoutMs: 'soon' }, 'ENCRYPTION_AWS_REGION_TIMEOUT_MS'],
    ['a list of numbers', { formerKeyIds: [1] }, 'ENCRYPTION_AWS_FORMER_KEY_IDS'],
    ['half of a pair', { endpoint: 'us-east-1=' }, 'ENCRYPTION_AWS_ENDPOINT'],
    ['an endpoint that is a list', { endpoint: ['https://example.org'] }, 'ENCRYPTION_AWS_ENDPOINT'],
  ])('%s in a document', async (_, options, naming) => {
    const call = () => configure(settings({ ...good, ...options }))
    await refusedWith('ERR_CONFIG_INVALID', call, { naming })
  })
})

describe('options that are accepted', () => {
  it.each<[string, Record<string, unknown>]>([
    ['an id', { ...good }],
    ['an ARN alone', { keyId: ARN }],
    ['an alias', { keyId: 'alias/app/prod', region: 'us-gov-west-1' }],
    ['an alias ARN', { keyId: 'arn:aws-cn:kms:cn-north-1:111122223333:alias/app' }],
    ['regions as text', { keyId: MRK, regions: 'eu-west-1, us-east-1' }],
    ['regions as a list', { keyId: MRK, regions: ['eu-west-1', 'us-east-1'], region: 'us-east-2' }],
    ['an ARN of a multi-Region key, elsewhere', { keyId: ARN.replace(ID, MRK), region: 'us-east-1' }],
    ['endpoints as text', { ...good, endpoint: 'us-east-1=https://vpce-1.kms.us-east-1.vpce.amazonaws.com' }],
    ['endpoints as an object', { ...good, endpoint: { 'us-east-1': 'https://example.org' } }],
    ['an emulator', { ...good, endpoint: 'http://[::1]:4566', accessKeyId: 'a', secretAccessKey: 'b' }],
    ['an emulator of a neighbour', { ...good, endpoint: 'http://localstack:4566', allowInsecure: 'true' }],
    ['numbers and flags of JSON', { ...good, allowInsecure: false, regionTimeoutMs: 500 }],
    ['lists as text', { ...good, grantTokens: 'a b', formerKeyIds: `${ID},${MRK}` }],
  ])('%s', async (_, options) => {
    const provider = await configure(settings(options))
    expect(provider.name).toBe('aws')
    await provider.close?.()
  })

  it('come from the variables of the table, AWS’s own last', async () => {
    const environment = {
      ENCRYPTION_KEY_STORAGE_BACKEND: 'aws_kms',
      ENCRYPTION_KEY_ID: ID,
      ENCRYPTION_AWS_ENDPOINT: 'https://ours.example.org',
      AWS_ENDPOINT_URL_KMS: 'https://theirs.example.org',
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-2',
    }
    const { providers } = await configureAll({ environment, config: {} })
    expect(providers[0]?.options).toEqual({
      keyId: ID,
      region: 'eu-west-1',
      endpoint: 'https://ours.example.org',
    })
  })

  it('are all in the table, and secrets are marked', () => {
    const { variables = [] } = BACKENDS['aws-kms'] ?? {}
    const secrets = variables.filter(({ secret }) => secret).map(({ option }) => option)
    expect(secrets).toEqual(['accessKeyId', 'secretAccessKey', 'sessionToken', 'grantTokens'])
  })
})

describe('the least privilege', () => {
  const policy = (options: Record<string, unknown>) => JSON.parse(leastPrivilege(settings(options)).text)

  it('has every action that an operation needs, on the key alone', () => {
    const { Statement, Version } = policy({ keyId: ARN })
    expect(Version).toBe('2012-10-17')
    const actions = Statement.flatMap(({ Action }: { Action: string[] }) => Action)
    const needed = Object.values(permissions).flatMap((text) => text.split(' and '))
    expect(actions).toEqual(expect.arrayContaining(needed))
    for (const { Resource } of Statement) expect(Resource).toBe(ARN)
  })

  it('names regions, former keys, and what is not configured', () => {
    const { Statement } = policy({
      keyId: MRK,
      regions: 'us-east-1,eu-west-1',
      formerKeyIds: MRK.replace('1', '2'),
    })
    expect(Statement[0].Resource).toEqual([
      `arn:aws:kms:us-east-1:<account id>:key/${MRK}`,
      `arn:aws:kms:eu-west-1:<account id>:key/${MRK}`,
    ])
    const former = Statement.find(({ Sid }: { Sid: string }) => Sid === 'UnwrapUnderFormerKey1')
    expect(former.Action).not.toContain('kms:Encrypt')
  })

  it('knows the key of an alias by the alias', () => {
    const [statement] = policy({ keyId: 'alias/app', region: 'cn-north-1' }).Statement
    expect(statement.Resource).toBe('arn:aws-cn:kms:cn-north-1:<account id>:key/*')
    expect(statement.Condition).toEqual({
      'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/app' },
    })
  })
})

describe('errors that no server here makes', () => {
  const failure = (name: string, more: object = {}) => Object.assign(new Error('x'), { name, ...more })

  it.each([
    ['KMSInternalException', {}, 'ERR_PROVIDER_UNAVAILABLE'],
    ['KeyUnavailableException', {}, 'ERR_PROVIDER_UNAVAILABLE'],
    ['DependencyTimeoutException', {}, 'ERR_PROVIDER_UNAVAILABLE'],
    ['TooManyRequestsException', {}, 'ERR_PROVIDER_THROTTLED'],
    ['LimitExceededException', {}, 'ERR_PROVIDER_FAILED'],
    ['ConflictException', {}, 'ERR_PROVIDER_FAILED'],
    ['InvalidArnException', {}, 'ERR_MASTER_KEY_NOT_FOUND'],
    ['CredentialsProviderError', {}, 'ERR_PROVIDER_UNAUTHENTICATED'],
    ['TimeoutError', {}, 'ERR_PROVIDER_TIMEOUT'],
    ['SyntaxError', { $metadata: { httpStatusCode: 200 } }, 'ERR_PROVIDER_CORRUPTED'],
    ['SyntaxError', { $metadata: { httpStatusCode: 502 } }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['InternalFailure', { $metadata: { httpStatusCode: 501 } }, 'ERR_PROVIDER_FAILED'],
    ['Whatever', { $metadata: { httpStatusCode: 429 } }, 'ERR_PROVIDER_THROTTLED'],
    ['Error', { code: 'ENOTFOUND' }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['Error', { code: 'EAI_AGAIN' }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['Error', { code: 'CERT_HAS_EXPIRED' }, 'ERR_PROVIDER_FAILED'],
  ])('%s %j', (name, more, code) => {
    expect(errorCode(failure(name, more))).toBe(code)
  })

  it.each([
    ['ERR_CLOSED', 'ERR_PROVIDER_FAILED'],
    ['ERR_ABORTED', 'ERR_ABORTED'],
    ['ERR_DEPENDENCY_MISSING', 'ERR_DEPENDENCY_MISSING'],
    ['ERR_MASTER_KEY_DELETED', 'ERR_MASTER_KEY_DELETED'],
    ['ERR_UNWRAP_FAILED', 'ERR_UNWRAP_FAILED'],
  ] as const)('%s of ours is %s', (ours, code) => {
    expect(errorCode(new KeywrightError(ours, 'x'))).toBe(code)
  })
})
