/** Backups, as applications call them. What does the work is loaded when it is called. */
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import type { CreateBackupOptions, CreatedBackup } from './create.ts'
import type { ListedBackup } from './folder.ts'
import type { VerifiedBackup } from './read.ts'
import type { BackupReader, RestoreBackupOptions, VerifyBackupOptions } from './reader.ts'
import type { PruneReport, RetentionRules } from './retention.ts'

export interface PruneBackupsOptions extends RetentionRules {
  /** The folder of all backups. */
  readonly folder: string
  /** Only backups of this name. @default every name, each by itself */
  readonly name?: string | undefined
  /** Only tell what would go. @default false */
  readonly dryRun?: boolean | undefined
  /** Count backups that are not encrypted as good ones. @default false */
  readonly allowUnencrypted?: boolean | undefined
  /** For the audit log. */
  readonly reason?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RemoveBackupOptions {
  readonly folder: string
  readonly id: string
  /** Remove it though it is the last good one of its name. @default false */
  readonly force?: boolean | undefined
  readonly reason?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export class Backups {
  readonly #services: KeyServices
  readonly #rings: Keyrings

  constructor(services: KeyServices, rings: Keyrings) {
    this.#services = services
    this.#rings = rings
  }

  /**
   * Makes a backup of a folder, a SQLite database or a stream. It is there, whole, when this resolves, and not at all when
   * it rejects. Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_FILE_MISSING, _UNREADABLE, _CHANGED, _DAMAGED,
   * ERR_DISK_FULL, ERR_INPUT_INVALID for a stream without a byte, ERR_DEPENDENCY_MISSING without zstd, ERR_ABORTED.
   */
  async create(options: CreateBackupOptions): Promise<CreatedBackup> {
    const { createBackup } = await import('./create.ts')
    const { removeLeftovers } = await import('./retention.ts')
    const created = await createBackup(this.#services, this.#rings, options)
    await removeLeftovers(options.to)
    return created
  }

  /** The backups of a folder, the newest first, as their manifests tell. Needs no key and proves nothing. */
  async list(folder: string, options: { readonly name?: string } = {}): Promise<ListedBackup[]> {
    return (await import('./folder.ts')).listBackups(folder, options)
  }

  /** Reads all of a backup, checks it, and keeps nothing. Throws ERR_BACKUP_UNKNOWN, ERR_BACKUP_DAMAGED. */
  async verify(options: VerifyBackupOptions): Promise<VerifiedBackup> {
    return (await this.#reader()).verify(options)
  }

  /**
   * Restores into a new folder or file, or into a sink. Throws ERR_BACKUP_UNKNOWN, ERR_BACKUP_DAMAGED, ERR_FILE_EXISTS,
   * ERR_DISK_FULL, ERR_ABORTED; the target is then what it was.
   */
  async restore(options: RestoreBackupOptions): Promise<VerifiedBackup> {
    return (await this.#reader()).restore(options)
  }

  /**
   * Removes what no rule keeps. The newest kept one of each name is read to its end first: while none is good, nothing
   * goes. Throws ERR_ARGUMENT_INVALID without a rule, and what may pass: a provider that is down.
   */
  async prune(options: PruneBackupsOptions): Promise<PruneReport> {
    const { pruneBackups } = await import('./removal.ts')
    return pruneBackups(this.#services, await this.#reader(), options)
  }

  /** Removes one backup. Throws ERR_BACKUP_UNKNOWN, and ERR_ARGUMENT_INVALID for the last good one without `force`. */
  async remove(options: RemoveBackupOptions): Promise<void> {
    const { removeOneBackup } = await import('./removal.ts')
    return removeOneBackup(this.#services, await this.#reader(), options)
  }

  async #reader(): Promise<BackupReader> {
    const [{ BackupReader: Reader }, { storeOpener }] = await Promise.all([
      import('./reader.ts'),
      import('./sealed.ts'),
    ])
    return new Reader(storeOpener(this.#services, this.#rings), this.#services.audit)
  }
}
