/** `backup create`. */
import { readEnvironment } from '../../config/environment.ts'
import type { BackupSource, CreatedBackup } from '../../data/backups/create.ts'
import type { Keywright } from '../../keywright.ts'
import { formatSize } from '../../policy/size.ts'
import { backupFolder, byteProgress, rulesOf } from '../backup-call.ts'
import { type Call, wrongUse } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { outputOf } from '../program-output.ts'
import { count, printable } from '../text.ts'

export async function createBackupCommand(call: Call): Promise<undefined> {
  const { options, output } = call
  const name = options.required('name', 'say what it is a backup of: --name app-db')
  const to = backupFolder(call, 'to')
  const rules = rulesOf(call)
  const source = sourceOf(call)
  const encrypt = await encryptionOf(call)
  await withKeywright(call, async (keywright) => {
    const created = await call.orderly(makeBackup(call, keywright, { to, name, source, encrypt }))
    await output.result(created, `${created.id}\n`)
    await tell(call, created)
    if (rules === undefined) return
    const signal = call.io.signal
    const pruning = { ...rules, folder: to, name, allowUnencrypted: !encrypt, signal }
    const report = await call.orderly(keywright.backups.prune(pruning))
    if (report.removed.length > 0)
      await output.note(`${count(report.removed.length, 'older backup')} removed by retention`)
  })
}

/** Exactly one thing is backed up. */
function sourceOf({ args, io, options }: Call): BackupSource {
  const program = (args[0] ?? []) as unknown as readonly string[] // commander gives the rest as one list
  const folder = options.text('folder')
  const sqlite = options.text('sqlite')
  const stdin = options.flag('stdin')
  const given = [folder !== undefined, sqlite !== undefined, stdin, program.length > 0].filter(Boolean).length
  if (given !== 1) {
    throw wrongUse(
      given === 0 ? 'nothing is named to back up' : 'more than one thing is named to back up',
      'name one of --folder, --sqlite, --stdin, or a program behind "--"',
    )
  }
  const allowEmpty = options.flag('allowEmpty')
  if (folder !== undefined) return { folder }
  if (sqlite !== undefined) return { sqlite, scratch: options.text('scratch') }
  if (stdin && io.stdin.isTTY === true)
    throw wrongUse('standard input is the terminal', 'pipe a dump into it')
  return { stream: stdin ? io.stdin : outputOf(program, io), allowEmpty }
}

/** Throws ERR_ARGUMENT_INVALID where backups in clear are asked for in production by the variable alone. */
async function encryptionOf({ io, options, output }: Call): Promise<boolean> {
  if (readEnvironment(io.env).backupEncryption !== false) return true
  const isProduction = io.env['NODE_ENV']?.trim() === 'production'
  if (isProduction && !options.flag('allowUnencrypted')) {
    throw wrongUse(
      'BACKUP_ENCRYPTION_ENABLED is false in production: the backup would be in clear',
      'unset BACKUP_ENCRYPTION_ENABLED; --allow-unencrypted insists on it',
    )
  }
  await output.warn(
    'the backup is not encrypted: BACKUP_ENCRYPTION_ENABLED is false',
    'whoever reads the folder of backups reads everything in it',
  )
  return false
}

function makeBackup(
  call: Call,
  { backups }: Keywright,
  what: { to: string; name: string; source: BackupSource; encrypt: boolean },
): Promise<CreatedBackup> {
  const { io, options } = call
  return backups.create({
    ...what,
    keyType: options.text('keyType'),
    tenant: options.text('tenant'),
    compression: options.flag('zstd') ? 'zstd' : 'none',
    reason: options.text('reason'),
    signal: io.signal,
    onProgress: byteProgress(call),
  })
}

async function tell({ output }: Call, created: CreatedBackup): Promise<void> {
  const { changed, contentBytes, files, kind, left, storedBytes } = created
  await output.status('')
  const what = kind === 'folder' ? `${count(files, 'file')}, ` : ''
  await output.note(`${what}${formatSize(contentBytes)}, stored in ${formatSize(storedBytes)}`)
  if (left.count > 0) {
    await output.warn(
      `not in the backup: ${shown(left)}`,
      'sockets, devices, links out of the folder, and what vanished meanwhile, are left out',
    )
  }
  if (changed.count > 0)
    await output.warn(
      `changed while read: ${shown(changed)}`,
      'back up a snapshot, or stop what writes there',
    )
}

const MOST_SHOWN = 5

function shown({ count: all, names }: CreatedBackup['left']): string {
  const more = all - Math.min(names.length, MOST_SHOWN)
  const list = names.slice(0, MOST_SHOWN).map(printable).join(', ')
  return more > 0 ? `${list} and ${more} more` : list
}
