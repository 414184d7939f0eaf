/** The table of stores. A new one is a file beside this and a row here. */
import { type KeyStore, KeywrightError } from '../src/store.ts'

export interface OpenStoreOptions {
  /** Make the store when there is none. @default false */
  readonly create?: boolean
  /** Refuse every write. @default false */
  readonly readOnly?: boolean
  /** Installation id for a store that is made now, which is to be a copy of another one. @default a random one */
  readonly installation?: string
}

interface StoreModule {
  openUrl(url: string, options: OpenStoreOptions): Promise<KeyStore>
}

/** URL scheme → the module that opens such URLs. Nothing is loaded before it is asked for. */
export const STORES = {
  sqlite: () => import('./sqlite.ts'),
  memory: () => import('./memory.ts'),
  postgres: () => import('./postgres.ts'),
  postgresql: () => import('./postgres.ts'),
  redis: () => import('./redis.ts'),
  rediss: () => import('./redis.ts'),
} as const satisfies Record<string, () => Promise<StoreModule>>

const HINT = `this version stores keys in ${Object.keys(STORES).join(', ')}: write sqlite:./data/keys.db`

/**
 * Opens the store at `url`: 'sqlite:./keys.db', 'sqlite:///var/lib/app/keys.db', 'memory:'. Errors name at most the
 * scheme, since a URL may hold credentials.
 *
 * Throws ERR_BACKEND_UNKNOWN for an unknown scheme, and what the store throws when it is opened.
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<KeyStore> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? ''
  if (!Object.hasOwn(STORES, scheme)) {
    // Without the slashes it may be 'user:password@host'.
    const named = scheme !== '' && url.startsWith('//', scheme.length + 1) ? `"${scheme}"` : 'of this URL'
    throw new KeywrightError('ERR_BACKEND_UNKNOWN', `the store ${named} is not known`, {
      hint: HINT,
      details: { known: Object.keys(STORES) },
    })
  }
  const { openUrl }: StoreModule = await STORES[scheme as keyof typeof STORES]()
  return openUrl(url, options)
}
