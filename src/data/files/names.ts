/** Encrypted names: what they may be, and which file of a folder has which. */
import type { Context } from '../../crypto/canonical.ts'
import { damaged } from '../../crypto/file-header.ts'
import { KeywrightError } from '../../errors.ts'
import { readHead } from './file-head.ts'
import { openName, type Unlock } from './file-keys.ts'
import { SourceFile } from './source-file.ts'
import { walkFolder } from './walk-folder.ts'

const MAX_NAME_BYTES = 4096

/**
 * Asserts that a path from a header stays within the folder it is put into. Only who may encrypt can have written it,
 * but that is more people than may write everywhere. Throws ERR_FILE_DAMAGED.
 */
export function assertRelative(name: string): string {
  const parts = name.split('/')
  const isBad = (part: string): boolean =>
    part === '' || part === '.' || part === '..' || part.includes('\0') || part.includes('\\')
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES && !parts.some(isBad)) return name
  throw damaged(
    'carries a path that leads out of its folder',
    'whoever encrypted it wrote it so: do not trust it',
  )
}

/**
 * The files of a folder by the path in their header. Those that carry none, or one that does not open, are left out:
 * they are not of this folder.
 */
export async function knownNames(
  unlock: Unlock,
  folder: string,
  context: Context | undefined,
): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string>()
  try {
    for await (const { kind, path, relative } of walkFolder(folder)) {
      const name = kind === 'file' ? await nameOf(unlock, path, context) : undefined
      if (name !== undefined) known.set(name, relative)
    }
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_FILE_MISSING') throw error // not there yet
  }
  return known
}

async function nameOf(
  unlock: Unlock,
  path: string,
  context: Context | undefined,
): Promise<string | undefined> {
  try {
    const source = await SourceFile.open(path, { follow: false })
    try {
      const { header } = await readHead(source)
      return header.name && openName(await unlock(header, path), header.name, context)
    } finally {
      await source.close()
    }
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.retryable) throw error
    return undefined
  }
}
