/** What the commands on backups share. */
import { fileAuditSink } from '../audit/file-sink.ts'
import { AuditLog } from '../audit/log.ts'
import { auditFile } from '../config/audit-place.ts'
import { readEnvironment } from '../config/environment.ts'
import { backupPath, latestBackup } from '../data/backups/folder.ts'
import { isBackupId } from '../data/backups/manifest.ts'
import { BackupReader } from '../data/backups/reader.ts'
import type { RetentionRules } from '../data/backups/retention.ts'
import { providerOpener } from '../data/backups/sealed.ts'
import { KeywrightError } from '../errors.ts'
import { ByteProgress } from './byte-progress.ts'
import { type Call, wrongUse } from './call.ts'
import { actor, clockOf, configuration, withKeywright } from './opened.ts'
import { parseCount } from './values.ts'

/** Verifies and restores; `Backups` of an open Keywright does, too. */
export type Reader = Pick<BackupReader, 'verify' | 'restore'>

/** The folder of backups, by option or environment. Throws ERR_ARGUMENT_INVALID. */
export function backupFolder({ io, options }: Call, option: 'from' | 'to'): string {
  const folder = options.text(option) ?? readEnvironment(io.env).backupPath
  if (folder !== undefined && folder !== '') return folder
  throw wrongUse(
    'the folder of backups is not named',
    `name it: --${option} /backups, or set ENCRYPTION_BACKUP_PATH`,
  )
}

/** The path of the backup that an argument names: an id, "latest", or a path. */
export async function backupOf(call: Call, argument: string): Promise<string> {
  if (isBackupId(argument)) return backupPath(backupFolder(call, 'from'), argument)
  if (argument !== 'latest') return argument
  const name = call.options.required('name', 'latest of what? --name app-db')
  return (await latestBackup(backupFolder(call, 'from'), name)).path
}

/** What is kept, as the options say; undefined when they say nothing. */
export function rulesOf({ options }: Call): RetentionRules | undefined {
  const keep = parseCount('keep', options.text('keep'))
  const keepDays = parseCount('keep-days', options.text('keepDays'))
  const last = options.flag('keepLast')
  if (last && keep !== undefined) throw wrongUse('--keep and --keep-last are both given', 'give one of them')
  if (keep === undefined && keepDays === undefined && !last) return undefined
  return { keep: last ? 1 : keep, keepDays }
}

/** Opens what reads backups: Keywright with its store or, with --without-store, the providers alone. */
export async function withReader<T>(call: Call, use: (reader: Reader) => Promise<T>): Promise<T> {
  if (call.options.flag('withoutStore')) return withProvidersAlone(call, use)
  try {
    return await withKeywright(call, ({ backups }) => use(backups))
  } catch (error) {
    if (!(error instanceof KeywrightError) || !LOST_STORE.includes(error.code)) throw error
    throw new KeywrightError(error.code, error.message, {
      hint: 'if the key store is lost: --without-store opens backups with the providers alone',
      details: error.details,
    })
  }
}

const LOST_STORE: readonly string[] = [
  'ERR_STORE_MISSING',
  'ERR_STORE_CORRUPT',
  'ERR_STORE_FOREIGN',
  'ERR_STORE_UNREADABLE',
  'ERR_STORE_UNAVAILABLE',
]

async function withProvidersAlone<T>(call: Call, use: (reader: Reader) => Promise<T>): Promise<T> {
  const { openProviders } = await import('../compose.ts')
  const decided = await configuration(call)
  const path = auditFile(decided.audit.value)
  if (path === undefined && decided.audit.value !== false)
    await call.output.warn('this is in no audit log: the log is kept in the key store')
  const sink = path === undefined ? undefined : fileAuditSink({ path })
  const audit = sink && new AuditLog({ sink, clock: clockOf(call), actor: actor() })
  const providers = await openProviders(decided, false)
  try {
    return await use(new BackupReader(providerOpener(providers), audit))
  } finally {
    await audit?.close()
    for (const provider of providers) await provider.close?.()
  }
}

/** The line that tells bytes, rate and, where the total is known, how long it takes yet. */
export function byteProgress(
  { output }: Call,
  total?: number,
): (progress: { readonly bytes: number }) => void {
  const progress = new ByteProgress(output)
  return ({ bytes }) => progress.tick({ bytes, total })
}
