/** Options as text and JSON (environment, policy document), checked by hand. */
import { KeywrightError, type ProviderSettings } from '../../src/provider.ts'
import { CREDENTIAL_TYPES } from './credentials.ts'
import { isVersion, versionOf } from './names.ts'

/** What `configure` found in the settings; names and endpoint are checked by the factory. */
export interface ReadOptions {
  readonly keyId: string
  readonly keyVersion?: string
  readonly projectId?: string
  readonly location?: string
  readonly keyRing?: string
  readonly endpoint?: string
  readonly allowInsecure?: boolean
  readonly caCert?: string
  readonly keyFilename?: string
  readonly credentials?: Readonly<Record<string, unknown>>
}

const VARIABLES: Readonly<Record<keyof ReadOptions, string>> = {
  keyId: 'ENCRYPTION_KEY_ID',
  keyVersion: 'ENCRYPTION_KEY_VERSION',
  projectId: 'ENCRYPTION_GCP_PROJECT_ID',
  location: 'ENCRYPTION_GCP_LOCATION',
  keyRing: 'ENCRYPTION_GCP_KEYRING',
  endpoint: 'ENCRYPTION_GCP_ENDPOINT',
  allowInsecure: 'ENCRYPTION_GCP_ALLOW_INSECURE',
  caCert: 'ENCRYPTION_GCP_CACERT',
  keyFilename: 'ENCRYPTION_GCP_KEY_FILE',
  credentials: 'ENCRYPTION_GCP_CREDENTIALS',
}

const TEXTS = ['projectId', 'location', 'keyRing', 'endpoint', 'caCert', 'keyFilename'] as const

/** Throws ERR_CONFIG_INVALID that names option and variable, never a value. */
export function readOptions({ name, options, production }: ProviderSettings): ReadOptions {
  const unknown = Object.keys(options).filter((option) => !Object.hasOwn(VARIABLES, option))
  if (unknown.length > 0) {
    const hint = `known options: ${Object.keys(VARIABLES).join(', ')}`
    throw new KeywrightError('ERR_CONFIG_INVALID', `gcp-kms: "${name}" has an option that does not exist`, {
      hint,
    })
  }
  const keyId = text(options, 'keyId')
  if (keyId === undefined) throw invalid('keyId', 'is missing')
  const keyVersion = version(options, keyId)
  const allowInsecure = flag(options, 'allowInsecure')
  if (production && allowInsecure === true) {
    throw invalid('allowInsecure', 'is for development only, and NODE_ENV is production')
  }
  const credentials = credentialsOf(options)
  const texts = TEXTS.flatMap((option) => {
    const value = text(options, option)
    return value === undefined ? [] : [[option, value]]
  })
  return {
    keyId,
    ...Object.fromEntries(texts),
    ...(keyVersion === undefined ? {} : { keyVersion }),
    ...(allowInsecure === undefined ? {} : { allowInsecure }),
    ...(credentials === undefined ? {} : { credentials }),
  }
}

function text(options: ProviderSettings['options'], option: keyof ReadOptions): string | undefined {
  const value = options[option]
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value.trim() === '') throw invalid(option, 'expects a text')
  return value.trim()
}

function flag(options: ProviderSettings['options'], option: keyof ReadOptions): boolean | undefined {
  const value = options[option]
  if (value === undefined || typeof value === 'boolean') return value
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw invalid(option, 'expects true or false')
}

/** A number, its text, or the resource name of a version of this key. */
function version(options: ProviderSettings['options'], keyId: string): string | undefined {
  const value = options['keyVersion']
  if (value === undefined) return undefined
  const stated = typeof value === 'number' ? String(value) : value
  const found = isVersion(stated) ? stated : versionOf(keyId, stated)
  if (found !== undefined) return found
  throw invalid('keyVersion', 'expects a version such as 3')
}

/** A JSON object, or its text, or that in base64. */
function credentialsOf(options: ProviderSettings['options']): Record<string, unknown> | undefined {
  const value = options['credentials']
  if (value === undefined) return undefined
  const json = typeof value === 'string' ? parse(value) : value
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('credentials', 'expects the JSON of a credential file')
  }
  const found = json as Record<string, unknown>
  const known: readonly unknown[] = CREDENTIAL_TYPES
  if (known.includes(found['type'])) return found
  throw invalid('credentials', `expects the type ${CREDENTIAL_TYPES.join(', ')}`)
}

function parse(value: string): unknown {
  const json = value.trim().startsWith('{') ? value : Buffer.from(value, 'base64').toString('utf8')
  try {
    return JSON.parse(json)
  } catch {
    // The parser's message shows a part of the text, which is a private key.
    throw invalid('credentials', 'expects the JSON of a credential file')
  }
}

function invalid(option: keyof ReadOptions, message: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `gcp-kms: "${option}" ${message}`, {
    hint: `set or correct ${VARIABLES[option]}`,
  })
}
