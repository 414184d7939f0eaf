/** The provider's options, and the checks that are made of them before anything is contacted. */
import { KeywrightError, type LibImport } from '../../src/provider.ts'
import { isMultiRegion, isRegion, type KeyName, parseKeyName } from './key-name.ts'
import type { AwsCredentialProvider, AwsCredentials, AwsKmsLib } from './sdk.ts'

export interface AwsKmsOptions {
  /** Instance name, stored with every wrap. @default 'aws-kms' */
  readonly name?: string
  /** The key: id, ARN, alias ('alias/app') or alias ARN. It is a symmetric one (SYMMETRIC_DEFAULT). */
  readonly keyId: string
  /** Where the key is. @default the region of the ARN */
  readonly region?: string
  /**
   * In place of `region`: where a multi-Region key has copies, the preferred one first. The next one is asked when
   * one is unavailable, and for no other reason.
   */
  readonly regions?: readonly string[]
  /** In place of AWS's own addresses: a URL for all regions, or one for each by name. */
  readonly endpoint?: string | Readonly<Record<string, string>>
  /** Permits http to other hosts than this one. Data keys then cross the network in clear. @default false */
  readonly allowInsecure?: boolean
  /** Static credentials. @default what the SDK's standard chain finds */
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  /** Profile of the shared AWS configuration; it may assume a role, with an external id too. */
  readonly profile?: string
  /** Credentials, or a function that brings them (all of `@aws-sdk/credential-providers` are), in place of the above. */
  readonly credentials?: AwsCredentials | AwsCredentialProvider
  /** Grants that are too new to have reached all of KMS. */
  readonly grantTokens?: readonly string[]
  /** Keys that only unwrap what they wrapped before: ids or ARNs. They are needed when an alias came to another key. */
  readonly formerKeyIds?: readonly string[]
  /**
   * How long to wait for a region before the next one is asked, in milliseconds. The last one has what remains of the
   * caller's time. @default 3_000
   */
  readonly regionTimeoutMs?: number
  /** A copy of `@aws-sdk/client-kms` to use in place of the installed one. */
  readonly lib?: LibImport<AwsKmsLib>
}

/** A region and its address, where that is not AWS's own. */
export interface RegionAddress {
  readonly name: string
  readonly endpoint?: string
}

/** Options that were checked. */
export interface AwsKmsSettings {
  readonly name: string
  readonly key: KeyName
  readonly former: readonly KeyName[]
  readonly regions: readonly RegionAddress[]
  readonly allowInsecure: boolean
  readonly credentials: AwsCredentials | AwsCredentialProvider | undefined
  readonly profile: string | undefined
  readonly grantTokens: readonly string[]
  readonly regionTimeoutMs: number
  readonly lib: LibImport<AwsKmsLib> | undefined
}

/** The variable behind each option that has one. */
export const VARIABLES = {
  keyId: 'ENCRYPTION_KEY_ID',
  keyVersion: 'ENCRYPTION_KEY_VERSION',
  region: 'ENCRYPTION_AWS_REGION',
  regions: 'ENCRYPTION_AWS_REGIONS',
  endpoint: 'ENCRYPTION_AWS_ENDPOINT',
  allowInsecure: 'ENCRYPTION_AWS_ALLOW_INSECURE',
  accessKeyId: 'ENCRYPTION_AWS_ACCESS_KEY_ID',
  secretAccessKey: 'ENCRYPTION_AWS_SECRET_ACCESS_KEY',
  sessionToken: 'ENCRYPTION_AWS_SESSION_TOKEN',
  profile: 'ENCRYPTION_AWS_PROFILE',
  grantTokens: 'ENCRYPTION_AWS_GRANT_TOKENS',
  formerKeyIds: 'ENCRYPTION_AWS_FORMER_KEY_IDS',
  regionTimeoutMs: 'ENCRYPTION_AWS_REGION_TIMEOUT_MS',
} as const

export type AwsKmsOption = keyof typeof VARIABLES

const REGION_TIMEOUT_MS = 3_000
/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html#KMS-Encrypt-request-GrantTokens */
const MOST_GRANT_TOKENS = 10

/** An option is wrong. The message has no value: it may be a secret that got into the wrong option. */
export function invalid(option: AwsKmsOption, problem: string, hint?: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `"${option}" of the AWS KMS provider ${problem}`, {
    hint: hint ?? `correct ${VARIABLES[option]}, or the option "${option}" in the policy document`,
    details: { option, variable: VARIABLES[option] },
  })
}

/** Throws ERR_CONFIG_INVALID that names the option and its variable, never its value. */
export function checkOptions(options: AwsKmsOptions): AwsKmsSettings {
  const { allowInsecure = false, formerKeyIds = [], grantTokens = [], profile } = options
  const { lib, name = 'aws-kms', regionTimeoutMs = REGION_TIMEOUT_MS } = options
  const key = checkKey('keyId', options.keyId)
  const former = formerKeyIds.map((id) => checkKey('formerKeyIds', id))
  if (former.some(({ kind }) => kind === 'alias')) {
    throw invalid('formerKeyIds', 'has an alias: name the keys themselves, by id or ARN')
  }
  const regions = checkRegions(options, key)
  for (const one of former) assertRegion('formerKeyIds', one, regions)
  if (!Number.isInteger(regionTimeoutMs) || regionTimeoutMs < 1 || regionTimeoutMs > 2 ** 31 - 1) {
    throw invalid('regionTimeoutMs', 'expects a whole number of milliseconds from 1')
  }
  if (grantTokens.length > MOST_GRANT_TOKENS || grantTokens.some((token) => token === '')) {
    throw invalid('grantTokens', `expects at most ${MOST_GRANT_TOKENS} tokens, none of them empty`)
  }
  return {
    name,
    key,
    former,
    regions: regions.map((region) => addressOf(region, options.endpoint, allowInsecure)),
    allowInsecure,
    credentials: checkCredentials(options),
    profile,
    grantTokens: [...grantTokens],
    regionTimeoutMs,
    lib,
  }
}

function checkKey(option: 'keyId' | 'formerKeyIds', text: string | undefined): KeyName {
  if (text === undefined || text === '') throw invalid(option, 'is not set', `set ${VARIABLES[option]}`)
  const key = parseKeyName(text)
  if (key !== undefined) return key
  throw invalid(
    option,
    'is no key of KMS',
    `${VARIABLES[option]} expects a key id (a UUID, or mrk-…), the ARN of a key, alias/NAME, or the ARN of an alias; aliases of AWS itself (alias/aws/…) do not encrypt for others`,
  )
}

function checkRegions({ region, regions }: AwsKmsOptions, key: KeyName): string[] {
  const given = regions ?? (region === undefined ? [] : [region])
  const option = regions === undefined ? 'region' : 'regions'
  const names = given.length > 0 || key.region === undefined ? [...given] : [key.region]
  if (names.length === 0) {
    throw invalid(
      'region',
      'is not set',
      'set ENCRYPTION_AWS_REGION or AWS_REGION, or give the ARN of the key',
    )
  }
  if (!names.every((name) => isRegion(name))) throw invalid(option, 'has a name that is no region')
  if (new Set(names).size < names.length) throw invalid(option, 'names a region twice')
  if (names.length > 1 && !isMultiRegion(key)) {
    throw invalid(
      'regions',
      'has several regions, and the key exists in one only',
      'a multi-Region key is named by its id (mrk-…) or its ARN; for any other key set ENCRYPTION_AWS_REGION alone',
    )
  }
  assertRegion('keyId', key, names)
  return names
}

function assertRegion(option: AwsKmsOption, key: KeyName, regions: readonly string[]): void {
  if (key.region === undefined || isMultiRegion(key) || regions.includes(key.region)) return
  const problem = `is an ARN of ${key.region}, and the provider is configured for ${regions.join(', ')}`
  throw invalid(option, problem, `set ENCRYPTION_AWS_REGION to ${key.region}, or name the right key`)
}

function addressOf(name: string, endpoint: AwsKmsOptions['endpoint'], allowInsecure: boolean): RegionAddress {
  const text = typeof endpoint === 'object' ? endpoint[name] : endpoint
  if (text === undefined && typeof endpoint === 'object') {
    throw invalid('endpoint', `has no address for ${name}`)
  }
  return text === undefined ? { name } : { name, endpoint: checkEndpoint(text, allowInsecure) }
}

function checkEndpoint(text: string, allowInsecure: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw invalid('endpoint', 'is no URL that begins with https://')
  }
  if (`${url.username}${url.password}${url.search}${url.hash}` !== '') {
    throw invalid('endpoint', 'has a user name, a password, a query or a fragment, which belong elsewhere')
  }
  if (isSecure(url.protocol, url.hostname) || allowInsecure) return text
  throw invalid(
    'endpoint',
    'is http to another host: data keys would cross the network in clear',
    'use https, or for an emulator set ENCRYPTION_AWS_ALLOW_INSECURE=true',
  )
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/

/** Whether nobody else can listen: TLS, or this host. */
export const isSecure = (protocol: string, hostname: string): boolean =>
  protocol === 'https:' || LOOPBACK.test(hostname)

function checkCredentials(options: AwsKmsOptions): AwsKmsSettings['credentials'] {
  const { accessKeyId, credentials, profile, secretAccessKey, sessionToken } = options
  if (profile === '') throw invalid('profile', 'is empty')
  const isStatic = [accessKeyId, secretAccessKey, sessionToken].some((value) => value !== undefined)
  if (!isStatic || credentials !== undefined) return credentials
  for (const option of ['accessKeyId', 'secretAccessKey'] as const) {
    if (!options[option]) {
      throw invalid(
        option,
        'is not set, and the other half of the credentials is',
        `set ${VARIABLES[option]} too`,
      )
    }
  }
  if (profile !== undefined) {
    throw invalid(
      'profile',
      'is set, and so is an access key: one of them is too many',
      'unset ENCRYPTION_AWS_PROFILE, or ENCRYPTION_AWS_ACCESS_KEY_ID and ENCRYPTION_AWS_SECRET_ACCESS_KEY',
    )
  }
  return {
    accessKeyId: accessKeyId ?? '',
    secretAccessKey: secretAccessKey ?? '',
    ...(sessionToken === undefined ? {} : { sessionToken }),
  }
}
