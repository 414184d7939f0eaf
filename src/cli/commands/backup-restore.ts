/** `backup restore`. */
import { formatSize } from '../../policy/size.ts'
import { backupOf, byteProgress, withReader } from '../backup-call.ts'
import type { Call } from '../call.ts'
import { write } from '../io.ts'
import { count } from '../text.ts'
import { bytesOf } from './backup-verify.ts'

export async function restoreBackupCommand(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const to = options.required('to', 'name a new folder or file: --to /srv/restored, or - for standard output')
  const from = await backupOf(call, call.args[0] ?? '')
  const toOutput = to === '-'
  const restored = await withReader(call, async (reader) =>
    call.orderly(
      reader.restore({
        from,
        to: toOutput ? (chunk) => write(io.stdout, chunk) : to,
        force: options.flag('force'),
        allowUnencrypted: options.flag('allowUnencrypted'),
        reason: options.text('reason'),
        signal: io.signal,
        onProgress: byteProgress(call, await bytesOf(from)),
      }),
    ),
  )
  await output.status('')
  const { contentBytes, created, files, id, kind, name } = restored
  const what =
    kind === 'folder' ? `${count(files, 'file')}, ${formatSize(contentBytes)}` : formatSize(contentBytes)
  if (toOutput) await output.note(`restored ${id} (${name}, made ${created}): ${what}`)
  else
    await output.result({ ...restored, to }, `restored ${id} (${name}, made ${created}) to ${to}: ${what}\n`)
}
