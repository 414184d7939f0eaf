/** `backup verify`. */
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { findBackup, listBackups } from '../../data/backups/folder.ts'
import { isVerdict } from '../../data/backups/retention.ts'
import { KeywrightError } from '../../errors.ts'
import { formatSize } from '../../policy/size.ts'
import { backupFolder, backupOf, byteProgress, type Reader, withReader } from '../backup-call.ts'
import type { Call } from '../call.ts'
import { count, paint } from '../text.ts'

interface Verdict {
  readonly path: string
  readonly ok: boolean
  readonly id?: string
  readonly name?: string
  readonly contentBytes?: number
  readonly files?: number
  readonly code?: string
  readonly message?: string
}

export async function verifyBackupsCommand(call: Call): Promise<number> {
  const { output } = call
  const paths = await pathsOf(call)
  if (paths.length === 0) {
    throw new KeywrightError('ERR_BACKUP_UNKNOWN', 'there are no backups to verify', {
      hint: '--from names their folder; `keywright backup list` shows those there are',
    })
  }
  const verdicts = await withReader(call, async (reader) => {
    const all: Verdict[] = []
    for (const path of paths) all.push(await call.orderly(verify(call, reader, path)))
    return all
  })
  await output.status('')
  const bad = verdicts.filter(({ ok }) => !ok)
  await output.result(verdicts, verdicts.map((one) => line(one, output.colours)).join(''))
  if (bad.length > 0)
    await output.warn(
      `${count(bad.length, 'backup')} of ${verdicts.length} cannot be restored`,
      bad.some(({ code }) => code === 'ERR_KEY_UNKNOWN')
        ? 'those whose key the store does not have may open with --without-store'
        : undefined,
    )
  return bad.length > 0 ? 1 : 0
}

async function pathsOf(call: Call): Promise<string[]> {
  const [argument] = call.args
  if (argument !== undefined) return [await backupOf(call, argument)]
  const name = call.options.text('name')
  return (await listBackups(backupFolder(call, 'from'), { name })).map(({ path }) => path)
}

async function verify(call: Call, reader: Reader, path: string): Promise<Verdict> {
  try {
    const { contentBytes, files, id, name } = await reader.verify({
      from: path,
      allowUnencrypted: call.options.flag('allowUnencrypted'),
      signal: call.io.signal,
      onProgress: byteProgress(call, await bytesOf(path)),
    })
    return { path, ok: true, id, name, contentBytes, files }
  } catch (error) {
    // What may pass says nothing about the backup.
    if (!(error instanceof KeywrightError) || !isVerdict(error) || isWrongUse(error)) throw error
    return { path, ok: false, code: error.code, message: error.message }
  }
}

/** Not of the command but of the whole configuration; one that is not encrypted is a verdict on that backup. */
const isWrongUse = ({ code, exitCode }: KeywrightError): boolean =>
  exitCode === 2 && code !== 'ERR_ARGUMENT_INVALID'

/** Bytes of the data file, for the progress. */
export async function bytesOf(path: string): Promise<number | undefined> {
  try {
    return (await stat((await findBackup(path)).data)).size
  } catch {
    return undefined
  }
}

function line({ code, contentBytes = 0, id, message, name, ok, path }: Verdict, colours: boolean): string {
  if (ok) return `${paint('ok', 'green', colours)}  ${id}  ${name}  ${formatSize(contentBytes)}\n`
  return `${paint('BAD', 'red', colours)}  ${path.slice(dirname(path).length + 1)}  ${message} (${code})\n`
}
