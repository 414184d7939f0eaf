/** What holds when nobody says anything: general values, the key types everybody has, the performance modes. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from './duration.ts'
import type { KeyTypeMembers } from './members.ts'
import type { KeyTypePolicy, PerformanceMode } from './policy.ts'

const NEVER = Number.POSITIVE_INFINITY

/** The provider that key types use unless something names another. */
export const DEFAULT_PROVIDER = 'default'

export const DEFAULT_MODE: PerformanceMode = 'balanced'

/** Audit records are kept unless a document says how long. */
export const DEFAULT_AUDIT_RETENTION_MS = NEVER

/**
 * The most messages under one key. AES-256-GCM with random 96-bit nonces: 2^32 (NIST SP 800-38D section 8.3).
 * X-AES-256-GCM: its 192-bit nonces allow far more; 2^48 keeps each derived key far below any bound. A PRF has no
 * nonce that could repeat.
 */
export const MESSAGE_LIMITS: Readonly<Record<KeyTypePolicy['algorithm'], number>> = {
  'AES-256-GCM': 2 ** 32,
  'X-AES-256-GCM': 2 ** 48,
  'HMAC-SHA-256': NEVER,
}

/** Rotation is due well before encryption would stop. */
const ROTATION_MESSAGES: Readonly<Record<KeyTypePolicy['algorithm'], number>> = {
  'AES-256-GCM': 2 ** 31,
  'X-AES-256-GCM': 2 ** 40,
  'HMAC-SHA-256': NEVER,
}

/** Presets of caches and staleness only: a mode never changes an algorithm, an age or a limit. */
export const PRESETS: Readonly<
  Record<PerformanceMode, Pick<KeyTypeMembers, 'cache.ttl' | 'cache.uses' | 'cache.refresh' | 'serveStale'>>
> = {
  security: {
    'cache.ttl': 5 * MINUTE_MS,
    'cache.uses': 100_000,
    'cache.refresh': 15_000,
    serveStale: 0,
  },
  balanced: {
    'cache.ttl': HOUR_MS,
    'cache.uses': 2 ** 24,
    'cache.refresh': MINUTE_MS,
    serveStale: 15 * MINUTE_MS,
  },
  performance: {
    'cache.ttl': 24 * HOUR_MS,
    'cache.uses': 2 ** 31,
    'cache.refresh': 5 * MINUTE_MS,
    serveStale: HOUR_MS,
  },
}

export const MODES = Object.keys(PRESETS) as readonly PerformanceMode[]

/** The values of a key type of which only the algorithm is known. */
export function generalMembers(
  algorithm: KeyTypePolicy['algorithm'],
): Omit<KeyTypeMembers, keyof (typeof PRESETS)['balanced']> {
  // A new index key means that everything is indexed anew, so such keys stay until somebody asks.
  const index = algorithm === 'HMAC-SHA-256'
  return {
    description: '',
    provider: DEFAULT_PROVIDER,
    furtherProviders: [],
    minWraps: NEVER, // as many as there are
    algorithm,
    'rotation.auto': !index,
    'rotation.age': index ? NEVER : 90 * DAY_MS,
    'rotation.messages': ROTATION_MESSAGES[algorithm],
    'rotation.bytes': NEVER,
    maxAge: index ? NEVER : 365 * DAY_MS,
    afterMaxAge: 'decrypt',
    maxMessages: MESSAGE_LIMITS[algorithm],
    grace: 30 * DAY_MS,
    compromised: 'decrypt',
    tenants: 'optional',
    auditAccess: false,
    'migration.until': 0,
    'migration.reads': [],
  }
}

/** The key type whose keys make search tokens. */
export const BLIND_INDEX = 'blind_index'

const aged = (description: string, rotationDays: number, maxDays: number): Partial<KeyTypeMembers> => ({
  description,
  'rotation.age': rotationDays * DAY_MS,
  maxAge: maxDays * DAY_MS,
})

/** The key types that are there without a document. */
export const DEFAULT_KEY_TYPES: ReadonlyMap<string, Partial<KeyTypeMembers>> = new Map([
  ['financial_data', aged('income, balances, account and card numbers', 90, 365)],
  ['pii', aged('data about a person', 180, 730)],
  ['session', aged('sessions and what they hold', 30, 90)],
  ['api_keys', aged('keys and tokens for other services', 90, 365)],
  ['audit_logs', aged('records of what happened', 365, 1825)],
  ['backups', aged('backups of databases and folders', 365, 1825)],
  [
    BLIND_INDEX,
    {
      description: 'search tokens for encrypted fields; a new key needs new tokens',
      algorithm: 'HMAC-SHA-256',
    },
  ],
])
