/** The encrypted files of a folder, by their headers alone. */
import type { Compression } from '../../crypto/file-header.ts'
import { StreamLayout } from '../../crypto/streaming.ts'
import { KeywrightError } from '../../errors.ts'
import { readHead } from './file-head.ts'
import { stopped } from './fs-errors.ts'
import { decodeRecovery, type Recovery } from './recovery.ts'
import { SourceFile } from './source-file.ts'
import { type EntryKind, type FolderEntry, walkFolder } from './walk-folder.ts'

export interface EncryptedFileInfo {
  readonly path: string
  readonly keyId: number
  /** Length of the whole file. */
  readonly bytes: number
  readonly compression: Compression
  /** By its length; absent where it is compressed, or was cut. */
  readonly plaintextBytes?: number
  /** The wrapped key is in the header. */
  readonly recoverable: boolean
  /** What the header says of it. Not proved before the file is decrypted. */
  readonly recovery?: FileRecovery
  /** The header carries an encrypted path. */
  readonly hasName: boolean
}

/** The wrapped key in a header: whose it is, and who unwraps it. */
export interface FileRecovery {
  readonly keyring: string
  readonly version: number
  readonly wraps: readonly {
    readonly provider: string
    readonly masterKeyId: string
    readonly masterKeyVersion: string
  }[]
}

export interface ListFilesOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with whatever is no encrypted file: 'plain', a kind of entry, or why it cannot be read. */
  readonly onOther?: ((path: string, why: 'plain' | EntryKind | KeywrightError) => void) | undefined
}

/** Needs no key and proves nothing. Throws ERR_FILE_MISSING and ERR_FILE_UNREADABLE for the folder itself. */
export async function* listEncryptedFiles(
  folder: string,
  options: ListFilesOptions = {},
): AsyncGenerator<EncryptedFileInfo> {
  for await (const entry of walkFolder(folder)) {
    if (options.signal?.aborted) throw stopped()
    if (entry.kind === 'folder') continue
    const found = entry.kind === 'file' ? await describeFile(entry) : (entry.error ?? entry.kind)
    if (typeof found === 'string' || found instanceof KeywrightError) options.onOther?.(entry.path, found)
    else yield found
  }
}

async function describeFile({ path }: FolderEntry): Promise<EncryptedFileInfo | 'plain' | KeywrightError> {
  try {
    return await inspectFile(path, { follow: false })
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    return PLAIN.has(error.code) ? 'plain' : error
  }
}

const PLAIN: ReadonlySet<string> = new Set(['ERR_NOT_CIPHERTEXT', 'ERR_CIPHERTEXT_EMPTY'])

/** What the header of one file says. Throws ERR_NOT_CIPHERTEXT, ERR_FILE_DAMAGED, ERR_FILE_MISSING … */
export async function inspectFile(
  path: string,
  options: { readonly follow?: boolean } = {},
): Promise<EncryptedFileInfo> {
  const source = await SourceFile.open(path, options)
  try {
    const { header, bytes } = await readHead(source)
    const recovery = header.recovery && recoveryOf(decodeRecovery(header.recovery))
    return {
      path,
      keyId: header.keyId,
      bytes: source.size,
      compression: header.compression,
      recoverable: header.recovery !== undefined,
      hasName: header.name !== undefined,
      ...(header.compression === 'none' ? sizeOf(source.size - bytes.length) : {}),
      ...(recovery === undefined ? {} : { recovery }),
    }
  } finally {
    await source.close()
  }
}

function recoveryOf({ keyring, version, wraps }: Recovery): FileRecovery {
  const bare = wraps.map(({ provider, masterKeyId, masterKeyVersion }) => ({
    provider,
    masterKeyId,
    masterKeyVersion,
  }))
  return { keyring, version, wraps: bare }
}

function sizeOf(streamBytes: number): { plaintextBytes?: number } {
  try {
    return { plaintextBytes: StreamLayout.ofStream(streamBytes).plaintextBytes }
  } catch {
    return {} // no content has that length: it was cut
  }
}
