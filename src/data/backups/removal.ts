/** Removing backups, by retention or one by one, as the audit log says before. */
import { KeywrightError } from '../../errors.ts'
import type { KeyServices } from '../../keys/services.ts'
import type { PruneBackupsOptions, RemoveBackupOptions } from './backups.ts'
import { assertGoing } from './failures.ts'
import { backupPath, type ListedBackup, listBackups } from './folder.ts'
import type { BackupReader } from './reader.ts'
import {
  type IsGood,
  isLastGood,
  isVerdict,
  type PruneReport,
  planPrune,
  removeBackup,
  removeLeftovers,
} from './retention.ts'

export async function pruneBackups(
  services: KeyServices,
  reader: BackupReader,
  options: PruneBackupsOptions,
): Promise<PruneReport> {
  const { dryRun = false, folder, reason, signal } = options
  const report = await planPrune(folder, options, services.clock.now(), goodBy(reader, options))
  if (dryRun) return report
  await removeLeftovers(folder)
  for (const id of report.removed) {
    assertGoing(signal)
    await remove(services, folder, id, reason ?? 'retention')
  }
  return report
}

export async function removeOneBackup(
  services: KeyServices,
  reader: BackupReader,
  options: RemoveBackupOptions,
): Promise<void> {
  const { folder, force = false, id, reason } = options
  backupPath(folder, id)
  const backup = (await listBackups(folder)).find((one) => one.id === id)
  if (backup === undefined) {
    throw new KeywrightError('ERR_BACKUP_UNKNOWN', 'there is no such backup', {
      hint: '`keywright backup list` shows those there are; --from names their folder',
    })
  }
  const isGood = goodBy(reader, { allowUnencrypted: true, signal: options.signal })
  if (!force && (await isLastGood(folder, backup, isGood))) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'it is the last good backup of its name', {
      hint: 'make another one first; --force removes it all the same',
    })
  }
  await remove(services, folder, id, reason)
}

function goodBy(
  reader: BackupReader,
  { allowUnencrypted, signal }: Pick<PruneBackupsOptions, 'allowUnencrypted' | 'signal'>,
): IsGood {
  return async ({ path }: ListedBackup) => {
    try {
      await reader.verify({ from: path, allowUnencrypted, signal })
      return true
    } catch (error) {
      if (isVerdict(error)) return false
      throw error
    }
  }
}

async function remove(
  { audit }: KeyServices,
  folder: string,
  id: string,
  reason: string | undefined,
): Promise<void> {
  await audit.append({
    event: 'backup.remove',
    ...(reason === undefined ? {} : { reason }),
    details: { id },
  })
  await removeBackup(backupPath(folder, id))
}
