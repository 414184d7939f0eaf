/** A folder of encrypted files to another one, decrypted file by file. Running it again goes on where it was. */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { StreamLayout } from '../../crypto/streaming.ts'
import { KeywrightError } from '../../errors.ts'
import { decryptFile } from './decrypt-file.ts'
import { SUFFIX } from './encrypt-folder.ts'
import { type FileHead, isEncryptedFile, readHead } from './file-head.ts'
import { openName, type Unlock, type UnlockedKey } from './file-keys.ts'
import {
  assertFolders,
  type FolderItem,
  type FolderOptions,
  type FolderReport,
  runFolder,
  TargetFolders,
} from './folder-run.ts'
import { assertRelative } from './names.ts'
import type { ContentOptions } from './options.ts'
import { SourceFile, sameTime } from './source-file.ts'
import type { FolderEntry } from './walk-folder.ts'

type Options = ContentOptions & FolderOptions

/** Decrypts what is in `from` into `to`. Throws as `encryptFolder`. */
export async function decryptFolder(
  unlock: Unlock,
  from: string,
  to: string,
  options: Options,
): Promise<FolderReport> {
  await assertFolders(from, to)
  const dryRun = options.dryRun === true
  const folders = new TargetFolders(to)
  const taken = new Set<string>()
  return runFolder(from, options, {
    async folder({ path, relative }) {
      if (!dryRun) await folders.makeLike(relative, ((await lstat(path)).mode & 0o777) | 0o700)
    },
    async file(entry, report) {
      const path = entry.relative
      const found = await survey(entry, unlock, to, options)
      if (found === undefined) return { path, outcome: 'skipped', reason: 'plain' }
      const { bytes, isCurrent, target, unlocked } = found
      if (taken.has(target)) throw twice(target)
      taken.add(target)
      const item: FolderItem = { path, outcome: 'done', target, bytes }
      if (isCurrent) return { ...item, outcome: 'current' }
      if (dryRun) return item
      await folders.make(target.split('/').slice(0, -1).join('/'))
      const onProgress = ({ bytes: done }: { bytes: number }): void => report(done)
      await decryptFile(async () => unlocked, entry.path, join(to, target), { ...options, onProgress })
      return item
    },
  })
}

/** Not even with `force` does one file of a run replace another. */
function twice(target: string): KeywrightError {
  return new KeywrightError('ERR_FILE_EXISTS', `another file of the folder is ${target} already`, {
    hint: 'two encrypted files carry one name: decrypt them one by one',
    details: { path: target },
  })
}

interface Survey {
  readonly bytes: number
  readonly target: string
  readonly isCurrent: boolean
  readonly unlocked: UnlockedKey
}

/** Undefined for a file that is not encrypted. */
async function survey(
  { path, relative }: FolderEntry,
  unlock: Unlock,
  to: string,
  { context }: Options,
): Promise<Survey | undefined> {
  const source = await SourceFile.open(path, { follow: false })
  try {
    if (!(await isEncryptedFile(source))) return undefined
    const head = await readHead(source)
    const unlocked = await unlock(head.header, path)
    const { name } = head.header
    const target =
      name === undefined ? plainName(relative) : assertRelative(openName(unlocked, name, context))
    const isCurrent = await isMadeOf(source, head, join(to, target))
    return { bytes: source.size, target, isCurrent, unlocked }
  } finally {
    await source.close()
  }
}

const plainName = (path: string): string => (path.endsWith(SUFFIX) ? path.slice(0, -SUFFIX.length) : path)

async function isMadeOf(source: SourceFile, { bytes, header }: FileHead, target: string): Promise<boolean> {
  const made = await lstat(target, { bigint: true }).catch(() => undefined)
  if (made === undefined || !made.isFile() || !sameTime(source, { stats: made })) return false
  if (header.compression !== 'none') return true
  return Number(made.size) === StreamLayout.ofStream(source.size - bytes.length).plaintextBytes
}
