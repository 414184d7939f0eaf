/** The environment variables that do not belong to one backend, and how their values are checked. */
import { KeywrightError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { PerformanceMode } from '../policy/policy.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Variables for every backend: name → what it is. Those of one backend are in the table of backends. */
export const VARIABLES = {
  ENCRYPTION_KEY_STORAGE_BACKEND:
    'who holds the master key: file, redis, vault, aws_kms, azure_kv or gcp_kms',
  ENCRYPTION_KEY_STORE_URL: 'where wrapped data keys live: sqlite:./path/keys.db, postgres://… or redis://…',
  ENCRYPTION_AUDIT_PATH: 'the audit log: a path, "store" for the key store (PostgreSQL, Redis), or "off"',
  ENCRYPTION_CONFIG: 'path of the policy document',
  ENCRYPTION_PROFILE:
    'profile of the policy document; without it the one that NODE_ENV names, if there is one',
  ENCRYPTION_MASTER_KEY: 'root secret: 32 bytes as base64, base64url, hex, or the base64 of a Fernet key',
  ENCRYPTION_MASTER_KEY_FILE: 'path of a file that holds the root secret in the same forms',
  ENCRYPTION_MASTER_PASSWORD: 'root secret: a password, derived by Argon2id or scrypt',
  ENCRYPTION_AUTO_ROTATION: 'rotate keys by themselves when due: true or false',
  ENCRYPTION_ROTATION_INTERVAL_DAYS: 'rotation age of every key type that encrypts, in days',
  ENCRYPTION_PERFORMANCE_MODE: 'security, balanced or performance: presets of cache and refresh limits',
  ENCRYPTION_QUEUE_URL:
    'the Redis of the work queue, for `keywright worker` and `keywright queue`: redis://… or rediss://… (secret)',
  ENCRYPTION_BACKUP_PATH: 'the folder of backups, for `keywright backup`',
  BACKUP_ENCRYPTION_ENABLED:
    'false makes `keywright backup create` write backups in clear, which it refuses in production: true or false (default `true`)',
  ENCRYPTION_KEY:
    'Fernet keys of the application that is migrated, joined by commas; the first one writes when a migration is reversed (secret)',
  OLD_ENCRYPTION_KEY: 'further, older Fernet keys of it, joined by commas (secret)',
} as const

export type VariableName = keyof typeof VARIABLES

/** The checked values of {@link VARIABLES}; what is not set is absent. */
export interface EnvironmentSettings {
  readonly backend?: string
  readonly storeUrl?: string
  readonly auditPath?: string
  readonly configPath?: string
  readonly profile?: string
  readonly autoRotation?: boolean
  readonly rotationIntervalDays?: number
  readonly performanceMode?: PerformanceMode
  readonly backupPath?: string
  readonly backupEncryption?: boolean
}

const MODES: readonly string[] = ['security', 'balanced', 'performance']
const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }

/** The value of a variable; an empty one counts as not set. */
export function variable(environment: Environment, name: string): string | undefined {
  const value = environment[name]
  return value === undefined || value.trim() === '' ? undefined : value.trim()
}

/** Reads and checks everything at once. Throws ERR_ENVIRONMENT_INVALID that lists every problem, no value. */
export function readEnvironment(environment: Environment): EnvironmentSettings {
  const problems: string[] = []
  const read = <T>(
    name: VariableName,
    parse: (value: string) => T | undefined,
    expects: string,
  ): T | undefined => {
    const value = variable(environment, name)
    if (value === undefined) return undefined
    const parsed = parse(value)
    if (parsed === undefined) problems.push(`${name} expects ${expects}`)
    return parsed
  }
  const text = (value: string): string => value
  const settings = {
    backend: read('ENCRYPTION_KEY_STORAGE_BACKEND', text, ''),
    storeUrl: read('ENCRYPTION_KEY_STORE_URL', text, ''),
    auditPath: read('ENCRYPTION_AUDIT_PATH', text, ''),
    configPath: read('ENCRYPTION_CONFIG', text, ''),
    profile: read('ENCRYPTION_PROFILE', text, ''),
    autoRotation: read('ENCRYPTION_AUTO_ROTATION', (value) => BOOLEANS[value.toLowerCase()], 'true or false'),
    rotationIntervalDays: read('ENCRYPTION_ROTATION_INTERVAL_DAYS', parseDays, 'a number of days above zero'),
    performanceMode: read('ENCRYPTION_PERFORMANCE_MODE', parseMode, `one of ${MODES.join(', ')}`),
    backupPath: read('ENCRYPTION_BACKUP_PATH', text, ''),
    backupEncryption: read(
      'BACKUP_ENCRYPTION_ENABLED',
      (value) => BOOLEANS[value.toLowerCase()],
      'true, false, 1 or 0',
    ),
  }
  problems.push(...rootSecretProblems(environment))
  if (problems.length > 0) throw environmentInvalid(problems)
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

const parseMode = (value: string): PerformanceMode | undefined =>
  MODES.includes(value.toLowerCase()) ? (value.toLowerCase() as PerformanceMode) : undefined

function parseDays(value: string): number | undefined {
  const days = Number(value)
  return /^[0-9]+(\.[0-9]+)?$/.test(value) && days > 0 ? days : undefined
}

const ROOT_SECRETS: readonly VariableName[] = [
  'ENCRYPTION_MASTER_KEY',
  'ENCRYPTION_MASTER_KEY_FILE',
  'ENCRYPTION_MASTER_PASSWORD',
]

const FERNET_KEYS: readonly VariableName[] = ['ENCRYPTION_KEY', 'OLD_ENCRYPTION_KEY']

/** The variables that are set and hold, or name, the root secret. */
export function rootSecretVariables(environment: Environment): VariableName[] {
  return ROOT_SECRETS.filter((name) => variable(environment, name) !== undefined)
}

function rootSecretProblems(environment: Environment): string[] {
  const set = rootSecretVariables(environment)
  return set.length > 1 ? [`${set.join(' and ')} are both set: there is one root secret`] : []
}

/** The Fernet keys of a migration as text, those of ENCRYPTION_KEY first. Looked at only when one is needed. */
export function fernetKeysIn(environment: Environment): string[] {
  return FERNET_KEYS.flatMap((name) => variable(environment, name) ?? [])
}

/** One error for everything that is wrong. */
export function environmentInvalid(problems: readonly string[]): KeywrightError {
  const list = problems.length === 1 ? problems[0] : problems.map((problem) => `\n  - ${problem}`).join('')
  return new KeywrightError(
    'ERR_ENVIRONMENT_INVALID',
    `the environment has ${problems.length} problem(s): ${list}`,
    {
      hint: 'correct or unset the variables named; the README has a table of all',
      details: { problems },
    },
  )
}

/** Variables that begin with ENCRYPTION_ and are not in `known`, each with the nearest known one. */
export function unknownVariables(
  environment: Environment,
  known: readonly string[],
): { name: string; nearest?: string }[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('ENCRYPTION_') && !known.includes(name))
    .sort()
    .map((name) => {
      const close = nearest(name, known)
      return { name, ...(close === undefined ? {} : { nearest: close }) }
    })
}
