/** `backup prune | remove`. */
import type { PruneReport } from '../../data/backups/retention.ts'
import { KeywrightError } from '../../errors.ts'
import { backupFolder, rulesOf } from '../backup-call.ts'
import { type Call, wrongUse } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { confirm } from '../prompts.ts'
import { count } from '../text.ts'

export async function pruneBackupsCommand(call: Call): Promise<number> {
  const { io, options, output } = call
  const folder = backupFolder(call, 'from')
  const rules = rulesOf(call)
  if (rules === undefined)
    throw wrongUse('no rule says what is kept', 'say --keep 7, --keep-days 30, or both')
  const dryRun = options.flag('dryRun')
  const report = await withKeywright(call, ({ backups }) =>
    call.orderly(
      backups.prune({
        ...rules,
        folder,
        dryRun,
        name: options.text('name'),
        allowUnencrypted: options.flag('allowUnencrypted'),
        reason: options.text('reason'),
        signal: io.signal,
      }),
    ),
  )
  const verb = dryRun ? 'would be removed' : 'removed'
  const ids = report.removed.map((id) => `${id}\n`).join('')
  await output.result({ ...report, dryRun }, ids)
  await output.note(`${count(report.removed.length, 'backup')} ${verb}, ${report.kept.length} kept`)
  await warn(call, report)
  return report.withoutGood.length > 0 ? 1 : 0
}

async function warn({ output }: Call, report: PruneReport): Promise<void> {
  const { keptAsLastGood, unreadable, withoutGood } = report
  if (keptAsLastGood.length > 0) {
    await output.warn(
      `kept against the rules, as the last good one: ${keptAsLastGood.join(', ')}`,
      'newer ones are damaged: see `keywright backup verify`',
    )
  }
  for (const name of withoutGood) {
    await output.warn(
      `no backup of ${name} is good, so none was removed`,
      'see `keywright backup verify`, and make one: those in clear count with --allow-unencrypted only',
    )
  }
  if (unreadable.length > 0) {
    await output.warn(
      `not readable as backups, left alone: ${unreadable.join(', ')}`,
      'look at them; `keywright backup remove <id>` removes one',
    )
  }
}

export async function removeBackupCommand(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const folder = backupFolder(call, 'from')
  const id = call.args[0] ?? ''
  if (!options.flag('yes')) {
    if (!output.asks)
      throw wrongUse('this cannot be undone, and nobody is at a terminal to confirm it', 'add --yes')
    if (!(await confirm(io, `Remove the backup ${id} for good?`)))
      throw new KeywrightError('ERR_ABORTED', 'nothing was changed', { hint: 'answer yes to go on' })
  }
  await withKeywright(call, ({ backups }) =>
    backups.remove({
      folder,
      id,
      force: options.flag('force'),
      reason: options.text('reason'),
      signal: io.signal,
    }),
  )
  await output.result({ id, removed: true }, `${id} removed\n`)
}
