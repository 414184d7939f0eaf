/**
 * The contract between core and whoever holds a master key, and all that a provider may import from core.
 *
 * A provider wraps and unwraps a few dozen bytes. What is the same for all (the payload's digest, retries,
 * timeouts, error wrapping, caches) lives in core, once.
 */
import { KeywrightError, type ProviderErrorCode } from './errors.ts'

export { type ErrorCode, KeywrightError, type ProviderErrorCode } from './errors.ts'
export { replaceFile, withFileLock } from './files/atomic.ts'

/** What a wrapped key is bound to. The same for every provider of a key, so a key can move between them. */
export interface WrapContext {
  /** Flat map, for services with a map of their own (AWS EncryptionContext). Not secret: services log it. */
  readonly entries: Readonly<Record<string, string>>
  /** The canonical form (RFC 8785 JSON, UTF-8), for services that take bytes (GCP AAD, Vault associated_data). */
  readonly bytes: Uint8Array
}

/** A data key encrypted under a master key, as it is stored. Holds no endpoint, region or credential. */
export interface WrappedKey {
  /** Name of the configured provider instance that wrapped it. */
  readonly provider: string
  /** The master key within that provider: key name, ARN, resource name, vault key URL, key file id. */
  readonly masterKeyId: string
  /** The exact version the service used, read from its answer; never 'latest'. */
  readonly masterKeyVersion: string
  /** How it was wrapped, in the service's own term, e.g. 'AES-256-GCM', 'RSA-OAEP-256', 'SYMMETRIC_DEFAULT'. */
  readonly algorithm: string
  readonly ciphertext: Uint8Array
}

export interface CallOptions {
  /** Aborts the call; a provider passes it on to its client or checks it before and after. */
  readonly signal?: AbortSignal
}

/** What a provider can do, as data: core asks these flags and never for a name. */
export interface ProviderCapabilities {
  /** The service itself refuses to unwrap under another context. (Core checks the digest in any case.) */
  readonly bindsContext: boolean
  /** `rotateMasterKey` is there. */
  readonly rotatesMasterKey: boolean
  /** `rewrapKey` is there: the service renews a wrap without handing out the key. */
  readonly rewraps: boolean
  /** The answer to a wrap names the exact master key version. */
  readonly versionsMasterKey: boolean
  /** The longest payload the service wraps, in bytes. Core sends 64. */
  readonly maxPlaintextBytes: number
}

/** What a server told of itself along with an answer. */
export interface ServerFacts {
  /** Server and version, as it names itself. */
  readonly version?: string
  /** Its clock when it answered, milliseconds since the epoch. */
  readonly time?: number
  /** Whether the connection was encrypted. */
  readonly tls?: boolean
}

export interface MasterKeyDescription {
  /** As in {@link WrappedKey.masterKeyId}. */
  readonly id: string
  /** The version that new wraps use. */
  readonly version: string
  readonly state: 'enabled' | 'disabled' | 'pending-deletion' | 'unavailable'
  readonly algorithm: string
  /** When the current version was made, milliseconds since the epoch, where the service says so. */
  readonly createdAt?: number
  /** When the service will rotate by itself, milliseconds since the epoch, where it says so. */
  readonly rotatesAt?: number
  /** What the answer showed of the server, where it showed anything. */
  readonly server?: ServerFacts
  /** What a person should know: an unsealed key file, a missing persistence. One sentence each, no secrets. */
  readonly warnings?: readonly string[]
}

/** Who holds a master key. At most six required members; what is optional is announced in `capabilities`. */
export interface KeyProvider {
  /** Instance name, stored with every wrap: 'file', 'aws-eu'. */
  readonly name: string
  readonly capabilities: ProviderCapabilities
  /**
   * Encrypts `key` under the current (or the pinned) master key version. `key` stays the caller's, who wipes it;
   * an implementation keeps no reference. Throws the client's own error; core gives it a code by `errorCode`.
   */
  wrapKey(key: Uint8Array, context: WrapContext, options?: CallOptions): Promise<WrappedKey>
  /**
   * Decrypts with exactly `wrapped.masterKeyVersion`. The caller owns, and will wipe, the returned bytes.
   * Rejects when the wrap was changed, made by another master key or for another context (where it binds it).
   */
  unwrapKey(wrapped: WrappedKey, context: WrapContext, options?: CallOptions): Promise<Uint8Array>
  describeMasterKey(options?: CallOptions): Promise<MasterKeyDescription>
  /** Sorts an error that one of the other members threw into a code. Never throws. */
  errorCode(error: unknown): ProviderErrorCode
  /** Makes a new master key version, which new wraps use from now on. Old versions go on unwrapping. */
  rotateMasterKey?(options?: CallOptions): Promise<MasterKeyDescription>
  /** Renews a wrap under the current version inside the service. */
  rewrapKey?(wrapped: WrappedKey, context: WrapContext, options?: CallOptions): Promise<WrappedKey>
  /** Releases connections and wipes what it can. Twice is harmless. */
  close?(): Promise<void>
}

/** An environment variable of a backend, as data: the table in providers/index.ts has them. */
export interface ProviderVariable {
  /** The option of the backend's factory that it sets. */
  readonly option: string
  /** Names of environment variables; the first one that is set counts. */
  readonly variables: readonly string[]
  /** The service's own variables (VAULT_ADDR, AWS_REGION), read where nothing else sets the option. */
  readonly standard?: readonly string[]
  /** Options that leave `standard` without effect once they are set: another way to log in. */
  readonly yieldsTo?: readonly string[]
  /** What it is, for people. */
  readonly description: string
  readonly secret?: boolean
  /** The value without the variable and without the option. */
  readonly default?: string
}

/** What a backend's `configure` gets: options from the policy document and the environment, merged. */
export interface ProviderSettings {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  /** NODE_ENV is production: refuse what is for development only. */
  readonly production: boolean
  /** Make the master key where there is none. */
  readonly create: boolean
  /** What seals the master keys of backends that hold them themselves; text as it was given. */
  readonly rootSecret?: RootSecretText
}

/** What a provider does in its service. */
export type ProviderOperation = 'wrap' | 'unwrap' | 'describe' | 'rotate' | 'rewrap'

/** The smallest policy with which an identity may do its work, in the service's own language. */
export interface PrivilegePolicy {
  /** What it is and where it goes: 'IAM policy for the role of the application'. */
  readonly title: string
  readonly format: 'json' | 'hcl' | 'shell' | 'text'
  readonly text: string
}

/** What the module of a backend exports beside its factory. */
export interface BackendModule {
  /** Makes the provider out of options as text. Throws ERR_CONFIG_INVALID. Nothing is contacted but to create a key. */
  configure(settings: ProviderSettings): Promise<KeyProvider>
  /** The permission that each operation needs, in the service's own words. */
  readonly permissions?: Readonly<Partial<Record<ProviderOperation, string>>>
  /** For this configuration; names of what is not configured stand in angle brackets. */
  leastPrivilege?(settings: ProviderSettings): PrivilegePolicy
}

/** One backend: how it is named, what configures it, and the module that opens it. */
export interface Backend {
  /** As in a policy document. */
  readonly name: string
  /** As in ENCRYPTION_KEY_STORAGE_BACKEND. */
  readonly environmentName: string
  readonly description: string
  /** The environment variables it takes. */
  readonly variables: readonly ProviderVariable[]
  /** It holds the master key itself, sealed under the root secret. */
  readonly usesRootSecret: boolean
  /** The module that opens it. Nothing of the backend is loaded before. */
  readonly load: () => Promise<BackendModule>
}

/** The root secret as text: a key in one of its spellings, or a password. */
export interface RootSecretText {
  readonly kind: 'key' | 'password'
  readonly text: string
}

/** A library the user passes in: the module itself or a function that brings it. */
export type LibImport<T> = T | (() => T | Promise<T>)

/**
 * The user's copy of an optional library first, else the import, else an error that says what to install.
 * @public
 */
export async function importLib<T>(
  name: string,
  lib: LibImport<T> | undefined,
  load: () => Promise<T>,
): Promise<T> {
  if (lib !== undefined) return typeof lib === 'function' ? (lib as () => T | Promise<T>)() : lib
  try {
    return await load()
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', `cannot import ${name}`, {
      hint: `npm install ${name}, or pass the module as the "lib" option`,
    })
  }
}

/**
 * Runs `open` once for all callers; a failure is forgotten, so that the next call tries again.
 * @public
 */
export function once<T>(open: () => Promise<T>): {
  get(): Promise<T>
  peek(): Promise<T> | undefined
  forget(): void
} {
  let opened: Promise<T> | undefined
  return {
    get() {
      if (opened === undefined) {
        const attempt = open()
        opened = attempt
        attempt.catch(() => {
          if (opened === attempt) opened = undefined
        })
      }
      return opened
    },
    peek: () => opened,
    forget() {
      opened = undefined
    },
  }
}
