/** Everything in a folder, one entry after the other. Symbolic links are reported, never followed. */
import type { Dirent } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeywrightError } from '../../errors.ts'
import { cannotRead } from './fs-errors.ts'
import { TEMPORARY_NAME } from './target-file.ts'

export type EntryKind = 'file' | 'folder' | 'symlink' | 'special' | 'temporary' | 'unreadable'

export interface FolderEntry {
  /** The way to it: the folder's path, then `relative`. */
  readonly path: string
  /** Names from the folder on, joined by '/'. */
  readonly relative: string
  /**
   * 'special': pipe, socket, device. 'temporary': left by a run of ours that was killed. 'unreadable': a folder that
   * cannot be read.
   */
  readonly kind: EntryKind
  /** Why it is unreadable. */
  readonly error?: KeywrightError
}

/** In no order; a folder comes before what is in it. Throws ERR_FILE_MISSING and ERR_FILE_UNREADABLE for `folder` itself. */
export async function* walkFolder(folder: string): AsyncGenerator<FolderEntry> {
  const waiting: { path: string; relative: string }[] = [{ path: folder, relative: '' }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, relative } = next
    try {
      for await (const entry of await opendir(path)) {
        const found = {
          path: join(path, entry.name),
          relative: relative === '' ? entry.name : `${relative}/${entry.name}`,
        }
        const kind = TEMPORARY_NAME.test(entry.name) ? 'temporary' : await kindOf(entry, found.path)
        if (kind === 'folder') waiting.push(found)
        yield { ...found, kind }
      }
    } catch (cause) {
      const error = cannotRead(path, cause)
      if (relative === '') throw error
      yield { path, relative, kind: 'unreadable', error }
    }
  }
}

async function kindOf(entry: Dirent, path: string): Promise<EntryKind> {
  const known = typeOf(entry)
  if (known !== undefined) return known
  // Some file systems do not tell in the listing.
  const found = await lstat(path).catch(() => undefined)
  return (found && typeOf(found)) ?? 'special'
}

function typeOf(entry: Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): EntryKind | undefined {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  return entry.isSymbolicLink() ? 'symlink' : undefined
}
