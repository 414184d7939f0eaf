/** What callers say about a file or stream. */
import type { Context } from '../../crypto/canonical.ts'
import type { Compression } from '../../crypto/file-header.ts'
import type { KeyProvider } from '../../provider.ts'

export interface SealOptions {
  /** Whose active key encrypts. */
  readonly keyType: string
  readonly tenant?: string | undefined
  /** What the content is bound to beside its keyring. The same must be given to decrypt. @default {} */
  readonly context?: Context | undefined
  /**
   * Compress before encrypting. The length of the result then tells something of the content: never where somebody
   * else can put text of his own beside a secret. Needs Node 22.15 or newer. @default 'none'
   */
  readonly compression?: Compression | undefined
  /**
   * Put the wrapped key into the header, so that the providers alone open it when the key store is gone. Destroying the
   * key does not make it unreadable then. @default false
   */
  readonly recoverable?: boolean | undefined
}

/** Bounds on what compressed content may become. */
export interface InflateLimits {
  /** At most so many bytes come out. @default 1 TiB */
  readonly maxInflatedBytes?: number | undefined
  /** At most so many bytes for each compressed one, once there are more than 64 MiB of them. @default 1000 */
  readonly maxInflationRatio?: number | undefined
}

/** How content was bound, and how large it may become. */
export interface ContentOptions extends InflateLimits {
  /** What the content was bound to. @default {} */
  readonly context?: Context | undefined
}

export interface OpenOptions extends ContentOptions {
  /** Refuses a file of another key type. @default whatever key the header names */
  readonly keyType?: string | undefined
  /** With `keyType`. */
  readonly tenant?: string | undefined
}

export interface SignalOption {
  /** Stops the work, which then rejects with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** Opening without a key store: the header must carry the wrapped key (`recoverable`). */
export interface RecoverOptions extends ContentOptions {
  /** Whoever wraps the key; of several, those that the header names are asked. */
  readonly provider: KeyProvider | readonly KeyProvider[]
}

export interface FileProgress {
  /** The file that is worked on. */
  readonly path: string
  /** Of plaintext (of ciphertext, where it is decrypted), done so far. */
  readonly bytes: number
  /** How many there will be. */
  readonly total: number
  /** Files done so far. */
  readonly files: number
}

/** How the work is done. */
export interface WorkOptions extends SignalOption {
  /**
   * Threads beside this one, which do the work while the event loop is free. 0: this thread does it, and gives the event
   * loop a turn every 8 ms. Files below 64 MiB, and compressed ones, are always done here. @default 0
   */
  readonly workers?: number | undefined
  readonly onProgress?: ((progress: FileProgress) => void) | undefined
}

export interface TargetOption {
  /** Replace a regular file that is there already. @default false */
  readonly force?: boolean | undefined
}

export interface EncryptFileOptions extends SealOptions, WorkOptions, TargetOption {}

export interface DecryptFileOptions extends OpenOptions, WorkOptions, TargetOption {}

export interface RecoverFileOptions extends RecoverOptions, WorkOptions, TargetOption {}

/** What was done with one file. */
export interface FileResult {
  readonly keyId: number
  readonly keyring: string
  readonly plaintextBytes: number
  readonly encryptedBytes: number
}
