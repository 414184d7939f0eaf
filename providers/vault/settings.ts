/** Options of the Vault provider, checked: what reaches a path, a header or a socket comes from here. */
import { isIPv4 } from 'node:net'
import { KeywrightError, type ProviderSettings } from '../../src/provider.ts'
import type { AuthMethod, VaultOptions } from './options.ts'

/** Options with defaults filled in; nothing in it is wrong in itself. */
export interface VaultSettings extends Omit<VaultOptions, 'keyVersion'> {
  readonly name: string
  /** Without a slash at the end. */
  readonly url: string
  readonly isTls: boolean
  /** http to another machine, which `allowInsecure` allowed. */
  readonly isExposed: boolean
  readonly mount: string
  readonly auth: AuthMethod
  readonly authMount: string
  readonly keyVersion?: number
}

/** Option → environment variable, for messages; also all options that configuration may set. */
export const VARIABLES = {
  keyId: 'ENCRYPTION_KEY_ID',
  keyVersion: 'ENCRYPTION_KEY_VERSION',
  url: 'ENCRYPTION_VAULT_URL',
  namespace: 'ENCRYPTION_VAULT_NAMESPACE',
  mount: 'ENCRYPTION_VAULT_MOUNT',
  derived: 'ENCRYPTION_VAULT_DERIVED',
  auth: 'ENCRYPTION_VAULT_AUTH',
  authMount: 'ENCRYPTION_VAULT_AUTH_MOUNT',
  token: 'ENCRYPTION_VAULT_TOKEN',
  tokenFile: 'ENCRYPTION_VAULT_TOKEN_FILE',
  roleId: 'ENCRYPTION_VAULT_ROLE_ID',
  secretId: 'ENCRYPTION_VAULT_SECRET_ID',
  secretIdFile: 'ENCRYPTION_VAULT_SECRET_ID_FILE',
  role: 'ENCRYPTION_VAULT_ROLE',
  jwt: 'ENCRYPTION_VAULT_JWT',
  jwtFile: 'ENCRYPTION_VAULT_JWT_FILE',
  caCert: 'ENCRYPTION_VAULT_CACERT',
  clientCert: 'ENCRYPTION_VAULT_CLIENT_CERT',
  clientKey: 'ENCRYPTION_VAULT_CLIENT_KEY',
  tlsServerName: 'ENCRYPTION_VAULT_TLS_SERVER_NAME',
  allowInsecure: 'ENCRYPTION_VAULT_ALLOW_INSECURE',
} as const

type Option = keyof typeof VARIABLES

/** Where Kubernetes puts the token of a pod's service account. */
const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }
/** A name as Vault takes it (`framework.GenericNameRegex`): one path segment that cannot be `..`. */
const SEGMENT = /^\w(?:[\w.-]{0,126}\w)?$/

/** What is wrong with an option; never its value. */
export function invalid(option: Option, problem: string, hint?: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `option "${option}" of the vault provider ${problem}`, {
    hint: hint ?? `correct ${VARIABLES[option]}, or "${option}" in the policy document`,
    details: { option, variable: VARIABLES[option] },
  })
}

/** Checks options and fills in defaults. Throws ERR_CONFIG_INVALID. */
export function checkOptions(options: VaultOptions): VaultSettings {
  const { keyVersion, ...rest } = options
  const auth = methodOf(options)
  const url = checkUrl(options.url, options.allowInsecure === true)
  const namespace = options.namespace?.replace(/^\/+|\/+$/g, '')
  checkPair(options)
  if (options.token !== undefined && !isToken(options.token)) throw invalid('token', 'is no token')
  if (!SEGMENT.test(options.keyId)) {
    throw invalid('keyId', 'is no name of a transit key: 1 to 128 letters, digits, _ . and -')
  }
  return {
    ...rest,
    name: options.name ?? 'vault',
    url,
    isTls: url.startsWith('https:'),
    isExposed: isExposed(new URL(url)),
    mount: checkPath('mount', options.mount ?? 'transit'),
    auth,
    authMount: checkPath('authMount', options.authMount ?? auth),
    ...(namespace === undefined || namespace === '' ? {} : { namespace: checkPath('namespace', namespace) }),
    ...(keyVersion === undefined ? {} : { keyVersion: checkVersion(keyVersion) }),
    ...(auth === 'kubernetes' && options.jwtFile === undefined ? { jwtFile: SERVICE_ACCOUNT_TOKEN } : {}),
  }
}

/** Whether a text can go into the header X-Vault-Token. */
export const isToken = (text: string): boolean => /^[!-~]{1,8192}$/.test(text)

function checkPath(option: Option, path: string): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  if (trimmed.split('/').every((segment) => SEGMENT.test(segment))) return trimmed
  throw invalid(option, 'is no path: letters, digits, _ . and -, with / between')
}

function checkVersion(version: number | string): number {
  if (/^[1-9]\d{0,8}$/.test(String(version))) return Number(version)
  throw invalid('keyVersion', 'is no whole number from 1')
}

function checkUrl(text: string, allowInsecure: boolean): string {
  if (text === '')
    throw invalid('url', 'is missing', 'set ENCRYPTION_VAULT_URL (or VAULT_ADDR): https://host:8200')
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || !/^https?:\/\//i.test(text)) {
    throw invalid('url', 'is no http or https URL')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid('url', 'holds credentials, a query or a fragment, which it must not')
  }
  const path = url.pathname.replace(/\/+$/, '')
  if (
    path
      .split('/')
      .slice(1)
      .some((segment) => !SEGMENT.test(segment)) ||
    /(^|\/)v1$/.test(path)
  ) {
    throw invalid('url', 'has a path that cannot be used; leave out /v1')
  }
  if (!allowInsecure && isExposed(url)) {
    throw invalid(
      'url',
      'is http to another machine: tokens and data keys would travel in clear',
      'use https:// in ENCRYPTION_VAULT_URL, or set ENCRYPTION_VAULT_ALLOW_INSECURE=true where the network itself is encrypted',
    )
  }
  return url.origin + path
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))

const isExposed = ({ hostname, protocol }: URL): boolean => protocol === 'http:' && !isLoopback(hostname)

function checkPair({ clientCert, clientKey }: VaultOptions): void {
  if ((clientCert === undefined) === (clientKey === undefined)) return
  const lacking = clientCert === undefined ? 'clientCert' : 'clientKey'
  throw invalid(lacking, 'is missing: a client certificate needs its key, and the other way round')
}

/** What each method needs; the first of them is what tells the method when it is not named. */
const NEEDS: Readonly<Record<AuthMethod, readonly (readonly Option[])[]>> = {
  token: [['token']],
  'token-file': [['tokenFile']],
  approle: [['roleId']],
  kubernetes: [['role']],
  jwt: [['jwt', 'jwtFile'], ['role']],
}

function methodOf(options: VaultOptions): AuthMethod {
  const has = (option: Option): boolean => options[option] !== undefined && options[option] !== ''
  const { auth } = options
  if (auth === undefined) return tellMethod(has)
  if (!Object.hasOwn(NEEDS, auth)) {
    throw invalid('auth', `is none of ${Object.keys(NEEDS).join(', ')}`)
  }
  for (const alternatives of NEEDS[auth]) {
    const [first] = alternatives
    if (first !== undefined && !alternatives.some(has)) throw invalid(first, `is missing for auth "${auth}"`)
  }
  return auth
}

/** The method whose credentials are given. Two would be a guess, and the wrong guess another identity. */
function tellMethod(has: (option: Option) => boolean): AuthMethod {
  const given = (['token', 'token-file', 'approle', 'jwt'] as const).filter((method) =>
    NEEDS[method].every((alternatives) => alternatives.some(has)),
  )
  const [only, other] = given
  if (other !== undefined) {
    throw invalid('auth', `is needed: there are credentials for ${given.join(' and ')}`)
  }
  if (only !== undefined) return only
  throw invalid(
    'token',
    'is missing',
    'set ENCRYPTION_VAULT_TOKEN (or VAULT_TOKEN), ENCRYPTION_VAULT_TOKEN_FILE, ENCRYPTION_VAULT_ROLE_ID, or ENCRYPTION_VAULT_AUTH=kubernetes and ENCRYPTION_VAULT_ROLE',
  )
}

/** The options that configuration gives, from text or JSON. Throws ERR_CONFIG_INVALID. */
export function readSettings({ create, name, options }: ProviderSettings): VaultOptions {
  const unknown = Object.keys(options).some((option) => !Object.hasOwn(VARIABLES, option))
  if (unknown) {
    throw new KeywrightError('ERR_CONFIG_INVALID', `the vault provider "${name}" has an unknown option`, {
      hint: `its options: ${Object.keys(VARIABLES).join(', ')}`,
    })
  }
  const known = Object.keys(VARIABLES) as Option[]
  const read = known.flatMap((option) => {
    const value = options[option]
    return value === undefined || value === null ? [] : [[option, readOption(option, value)] as const]
  })
  const given = Object.fromEntries(read) as Partial<VaultOptions>
  if (given.keyId === undefined) throw invalid('keyId', 'is missing')
  return { ...given, keyId: given.keyId, url: given.url ?? '', name, create }
}

function readOption(option: Option, value: unknown): string | boolean {
  if (option === 'derived' || option === 'allowInsecure') {
    const read = BOOLEANS[String(value).toLowerCase()]
    if (read === undefined) throw invalid(option, 'is neither true nor false')
    return read
  }
  const isText = typeof value === 'string' || (option === 'keyVersion' && typeof value === 'number')
  if (isText) return String(value)
  throw invalid(option, 'is no text')
}
