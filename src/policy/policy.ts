/**
 * The policy as the program uses it: resolved, complete, all times in milliseconds. Documents are parsed into this
 * form by `document.ts`; nothing else decides.
 */

/** Where data keys of a key type are encrypted with, how long they live and what happens when something is down. */
export interface KeyTypePolicy {
  /** For people. */
  readonly description: string
  /** Name of the provider instance that wraps keys of this type. */
  readonly provider: string
  /** Providers that wrap keys of this type as well, in the order in which they are asked to unwrap. */
  readonly furtherProviders: readonly string[]
  /** A new key needs at least so many wraps; the missing ones are added by `repair`. Infinity: all of them. */
  readonly minWraps: number
  /** How values are sealed; 'HMAC-SHA-256' for a key type whose keys only make search tokens. */
  readonly algorithm: 'AES-256-GCM' | 'X-AES-256-GCM' | 'HMAC-SHA-256'
  readonly rotation: {
    /** Rotate by itself when due. Without it a due rotation is only reported. */
    readonly auto: boolean
    /** Due when the active key is older, in ms. Infinity: never. */
    readonly ageMs: number
    /** Due after so many messages. Infinity: never. */
    readonly messages: number
    /** Due after so many plaintext bytes. Infinity: never. */
    readonly bytes: number
  }
  /** A key older than this, in ms since its activation, does not encrypt any more. Infinity: no limit. */
  readonly maxAgeMs: number
  /** Whether a key past its max age still decrypts. */
  readonly afterMaxAge: 'decrypt' | 'refuse'
  /** Encryption under one key stops at so many messages, for the whole fleet. Never above the algorithm's limit. */
  readonly maxMessages: number
  /** How long a replaced key is kept at least before it may be destroyed, in ms. */
  readonly graceMs: number
  /** Whether a key revoked as compromised still decrypts. */
  readonly compromised: 'decrypt' | 'refuse'
  readonly cache: {
    /** An unwrapped key is fetched anew from the provider after so many ms. */
    readonly ttlMs: number
    /** … or after so many operations in this process. */
    readonly uses: number
    /** Key records are read anew after so many ms: within it rotation and revocation reach this process. */
    readonly refreshMs: number
  }
  /** When provider or store are down, what is cached serves for at most so many ms longer. 0: fail closed at once. */
  readonly serveStaleMs: number
  readonly tenants: 'none' | 'optional' | 'required'
  /** Write an audit record for each encryption and decryption too. */
  readonly auditAccess: boolean
  /** What is read beside Keywright's own format. Absent: nothing. */
  readonly migration?: MigrationPolicy
}

/** A window in which values of other formats are read. They are never written. */
export interface MigrationPolicy {
  /** From then on they are refused, in ms since the epoch. */
  readonly untilMs: number
  /** 'plain', 'fernet', or names of readers that the program brings. */
  readonly reads: readonly string[]
}

/** A configured provider instance: the backend's name and the options its factory takes. */
export interface ProviderConfig {
  readonly type: string
  readonly options: Readonly<Record<string, unknown>>
}

/** A column of search tokens beside an encrypted one. */
export interface IndexPolicy {
  readonly column: string
  readonly normaliser?: 'exact' | 'lower' | 'email' | 'email_domain' | 'digits' | 'last4'
  readonly field?: string
  readonly bits?: number
  readonly slow?:
    | boolean
    | { readonly memoryKiB?: number; readonly passes?: number; readonly parallelism?: number }
}

/** How the values of one column are bound. The defaults are those of jobs on values. */
export interface ColumnPolicy {
  readonly keyType?: string
  /** The table in the context; null for none. */
  readonly table?: string | null
  /** The column in the context; null for none. */
  readonly column?: string | null
  /** The column whose value is the row's id in the context. */
  readonly row?: string
  /** The column whose value is the tenant. */
  readonly tenant?: string
  readonly context?: Readonly<Record<string, string>>
  readonly as?: 'string' | 'number' | 'bigint' | 'boolean' | 'date' | 'json' | 'bytes'
  readonly indexes?: readonly IndexPolicy[]
}

export type SourceType = 'postgres' | 'sqlite' | 'redis' | 'folder'

/** A place where ciphertexts live: rows of a table, keys of a pattern, files of a folder. */
export interface SourcePolicy {
  readonly type: SourceType
  /** Where the server is, without a password. */
  readonly url?: string
  /** The environment variable that holds the URL. */
  readonly urlVariable?: string
  readonly path?: string
  readonly table?: string
  readonly pattern?: string
  /** The columns of the unique key to page by. */
  readonly key?: readonly string[]
  /** The encrypted columns by name; empty for a folder. */
  readonly columns: Readonly<Record<string, ColumnPolicy>>
}

/** A pattern that maps fields to a key type: 'users.ssn', '*.email'. */
export interface Selector {
  readonly pattern: string
  readonly keyType: string
  readonly source: 'document' | 'default'
}

export interface Policy {
  /** The profile of the document that was taken, if any. */
  readonly profile?: string
  readonly keyTypes: Readonly<Record<string, KeyTypePolicy>>
  /** All selectors; those that a document states win over the default ones (selectors.ts). */
  readonly selectors: readonly Selector[]
  readonly providers: Readonly<Record<string, ProviderConfig>>
  /** Where ciphertexts live. */
  readonly sources: Readonly<Record<string, SourcePolicy>>
  readonly performanceMode: PerformanceMode
  readonly audit: {
    /** Audit records older than this may be dropped by `audit prune`, in ms. Infinity: never. */
    readonly retentionMs: number
  }
}

/** Every provider that wraps keys of this type, the preferred one first. */
export function wrappingProviders(policy: Pick<KeyTypePolicy, 'provider' | 'furtherProviders'>): string[] {
  return [...new Set([policy.provider, ...policy.furtherProviders])]
}

export type PerformanceMode = 'security' | 'balanced' | 'performance'
