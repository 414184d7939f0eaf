/** `encrypt-dir` and `decrypt-dir`. */
import type { FolderItem, FolderReport } from '../../data/files/folder-run.ts'
import { KeywrightError } from '../../errors.ts'
import { formatSize } from '../../policy/size.ts'
import { ByteProgress } from '../byte-progress.ts'
import type { Call } from '../call.ts'
import { openOptionsOf, sealOptionsOf, withProvidersAlone, workOptionsOf } from '../file-call.ts'
import { withKeywright } from '../opened.ts'
import { count, printable } from '../text.ts'

/** So many failed files are told one by one. */
const MOST_TOLD = 20

export async function encryptFolderCommand(call: Call): Promise<undefined> {
  const names = call.options.text('names') as 'keep' | 'encrypt' | undefined
  const options = { ...sealOptionsOf(call), ...folderOptions(call), names }
  const [from = '', to = ''] = call.args
  await tell(call, 'encrypted', (progress) =>
    withKeywright(call, ({ files }) => files.encryptFolder(from, to, { ...options, ...progress })),
  )
}

export async function decryptFolderCommand(call: Call): Promise<undefined> {
  const options = { ...openOptionsOf(call), ...folderOptions(call) }
  const [from = '', to = ''] = call.args
  await tell(call, 'decrypted', (progress) =>
    call.options.flag('withoutStore')
      ? withProvidersAlone(call, async (provider) => {
          const { recoverFolder } = await import('../../data/files/recover.ts')
          return recoverFolder(from, to, { ...options, ...progress, provider })
        })
      : withKeywright(call, ({ files }) => files.decryptFolder(from, to, { ...options, ...progress })),
  )
}

const folderOptions = (call: Call) => ({ ...workOptionsOf(call), dryRun: call.options.flag('dryRun') })

async function tell(
  call: Call,
  done: string,
  work: (options: { onProgress?: ByteProgress['tick'] }) => Promise<FolderReport>,
): Promise<void> {
  const { output } = call
  const progress = new ByteProgress(output)
  // Progress costs a look at every file beforehand: only where somebody sees it.
  const shown = output.showsStatus || output.json ? { onProgress: progress.tick } : {}
  const report = await call.orderly(work(shown))
  await output.status('')
  await output.result(report, `${summary(report, done)}, ${progress.summary(report.bytes)}\n`)
  for (const item of report.items.slice(0, MOST_TOLD)) await tellItem(call, item)
  const more = report.failed + report.skipped - MOST_TOLD
  if (more > 0) await output.note(`and ${count(more, 'more file')}: --json has the first thousand`)
  if (report.failed === 0) return
  throw new KeywrightError('ERR_JOB_INCOMPLETE', `${count(report.failed, 'file')} could not be ${done}`, {
    hint: 'the others are done; see to what is told above, then run it again: it goes on where it was',
    details: { failed: report.failed },
  })
}

function summary({ bytes, current, done, dryRun, failed, skipped }: FolderReport, what: string): string {
  const counts = [
    `${count(done, 'file')} ${dryRun ? 'would be ' : ''}${what}`,
    ...(current > 0 ? [`${current} as they should be`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ]
  return `${counts.join(', ')}: ${formatSize(bytes)}`
}

const REASONS: Readonly<Record<NonNullable<FolderItem['reason']>, string>> = {
  encrypted: 'it is encrypted already',
  plain: 'it is not encrypted',
  symlink: 'a symbolic link is not followed',
  special: 'it is no regular file',
  temporary: 'left by a run that was killed: remove it',
}

async function tellItem(
  { output }: Call,
  { code, message, outcome, path, reason }: FolderItem,
): Promise<void> {
  const name = printable(path)
  if (outcome === 'failed') await output.warn(`${name}: ${printable(message ?? '')} (${code})`)
  else if (reason !== undefined) await output.note(`${name} skipped: ${REASONS[reason]}`)
}
