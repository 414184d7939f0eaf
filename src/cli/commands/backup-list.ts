/** `backup list`. */
import { listBackups } from '../../data/backups/folder.ts'
import { createdAt } from '../../data/backups/manifest.ts'
import { formatSize } from '../../policy/size.ts'
import { backupFolder } from '../backup-call.ts'
import type { Call } from '../call.ts'
import { relative } from '../text.ts'

const COLUMNS = [
  { title: 'id' },
  { title: 'name' },
  { title: 'kind' },
  { title: 'made' },
  { title: 'content', align: 'right' },
  { title: 'stored', align: 'right' },
  { title: 'state' },
] as const

export async function listBackupsCommand(call: Call): Promise<undefined> {
  const { io, options, output } = call
  const name = options.text('name')
  const listed = await listBackups(backupFolder(call, 'from'), { name })
  const rows = listed.map(({ id, manifest, problem }) => {
    const state = problem ?? (manifest?.encrypted === false ? 'NOT encrypted' : 'encrypted')
    const cell = { text: state, style: problem === undefined ? 'plain' : 'red' } as const
    if (manifest === undefined) return [id, '', '', '', '', '', cell]
    const { contentBytes, kind, name: ofName, storedBytes } = manifest
    const made = relative(createdAt(manifest), io.now())
    return [id, ofName, kind, made, formatSize(contentBytes), formatSize(storedBytes), cell]
  })
  await output.result(listed, rows.length === 0 ? '' : output.table(COLUMNS, rows))
  if (rows.length === 0) await output.note('no backups')
}
