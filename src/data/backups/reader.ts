/** Verifying and restoring, with the key store or with the providers alone. */
import type { AuditTrail } from '../../audit/log.ts'
import { KeywrightError } from '../../errors.ts'
import type { KeyProvider } from '../../provider.ts'
import { findBackup } from './folder.ts'
import type { ReadBackup, VerifiedBackup } from './read.ts'
import { restoreInto, restoreTo, verifyFound } from './restore.ts'
import { type Opener, providerOpener } from './sealed.ts'

export interface VerifyBackupOptions {
  /** The folder of one backup, or its data file. */
  readonly from: string
  /** Take a backup that is not encrypted, though anybody may have written it. @default false */
  readonly allowUnencrypted?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes read of the data file. */
  readonly onProgress?: ((progress: { readonly bytes: number }) => void) | undefined
}

export interface RestoreBackupOptions extends VerifyBackupOptions {
  /**
   * A new folder (for the backup of a folder) or file, or who takes the content: of a folder that is a tar archive. A
   * sink gets nothing before everything was read and checked once.
   */
  readonly to: string | ((chunk: Uint8Array) => Promise<void>)
  /** Replace what is there, all of it. @default false */
  readonly force?: boolean | undefined
  /** For the audit log. */
  readonly reason?: string | undefined
}

export class BackupReader {
  readonly #opener: Opener
  readonly #audit: AuditTrail | undefined

  constructor(opener: Opener, audit: AuditTrail | undefined) {
    this.#opener = opener
    this.#audit = audit
  }

  async verify(options: VerifyBackupOptions): Promise<VerifiedBackup> {
    const found = await findBackup(options.from)
    return told(await hinted(verifyFound(found, { ...options, opener: this.#opener })))
  }

  async restore(options: RestoreBackupOptions): Promise<VerifiedBackup> {
    const { force, reason, to } = options
    const found = await findBackup(options.from)
    const reading = { ...options, opener: this.#opener }
    const announce = (checked: ReadBackup): Promise<void> => this.#announce(checked, reason)
    const restoring =
      typeof to === 'string'
        ? restoreTo(found, reading, { to, force }, announce)
        : restoreInto(found, reading, to, announce)
    return told(await hinted(restoring))
  }

  async #announce({ id, name, kind }: ReadBackup, reason: string | undefined): Promise<void> {
    await this.#audit?.append({
      event: 'backup.restore',
      ...(reason === undefined ? {} : { reason }),
      details: { id, name, kind },
    })
  }
}

function told({ mode: _, ...restored }: ReadBackup): VerifiedBackup {
  return restored
}

/** A key that the store does not have may be in the header of the backup. */
async function hinted<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_KEY_UNKNOWN') throw error
    throw new KeywrightError(error.code, error.message, {
      hint: 'if its store is gone, the wrapped key in the backup opens it: --without-store, or restoreBackup()',
      details: error.details,
    })
  }
}

/** What {@link restoreBackup} takes. */
export interface RestoreWithoutStoreOptions extends RestoreBackupOptions {
  /** Who holds the master keys under which the backup's key is wrapped; any one of them will do. */
  readonly provider: KeyProvider | readonly KeyProvider[]
  /** Where the restoration is recorded. @default nowhere */
  readonly audit?: AuditTrail | undefined
}

/** Restores a backup with the providers alone, as when the key store is lost. Throws as `Backups.restore` does. */
export function restoreBackup(options: RestoreWithoutStoreOptions): Promise<VerifiedBackup> {
  const { audit, provider, ...rest } = options
  return new BackupReader(providerOpener(provider), audit).restore(rest)
}
