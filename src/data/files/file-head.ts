/** The outside of an encrypted file: its header, read before anything is decrypted. */

import type { Context } from '../../crypto/canonical.ts'
import {
  type FileHeader,
  HEADER_PROBE_BYTES,
  hasFileMagic,
  headerLength,
  parseFileHeader,
} from '../../crypto/file-header.ts'
import { FILE_STREAM, type SegmentKey, StreamLayout, startBytes } from '../../crypto/streaming.ts'
import { decryptionFailed } from '../../errors.ts'
import { segmentKeyOf, type Unlock, type UnlockedKey } from './file-keys.ts'
import type { SourceFile } from './source-file.ts'

export interface FileHead {
  readonly header: FileHeader
  readonly bytes: Buffer
}

/** Throws ERR_CIPHERTEXT_EMPTY, ERR_NOT_CIPHERTEXT and ERR_FILE_DAMAGED. */
export async function readHead(source: SourceFile): Promise<FileHead> {
  const length = headerLength(await source.read(0, HEADER_PROBE_BYTES))
  const bytes = await source.read(0, length)
  return { header: parseFileHeader(bytes), bytes }
}

/** Whether a file begins as an encrypted one. */
export async function isEncryptedFile(source: SourceFile): Promise<boolean> {
  return hasFileMagic(await source.read(0, HEADER_PROBE_BYTES))
}

/** A file whose key is at hand. */
export interface UnlockedFile extends FileHead {
  readonly unlocked: UnlockedKey
  readonly segmentKey: SegmentKey
  /** Of what was encrypted; that is compressed content where the header says so. */
  readonly layout: StreamLayout
}

/** Unlocks a file. Throws as `readHead`, what `unlock` throws, and ERR_DECRYPTION_FAILED for one that was cut. */
export async function unlockFile(
  source: SourceFile,
  unlock: Unlock,
  context: Context | undefined,
): Promise<UnlockedFile> {
  const head = await readHead(source)
  const unlocked = await unlock(head.header, source.path)
  const layout = StreamLayout.ofStream(source.size - head.bytes.length)
  const start = await source.read(head.bytes.length, startBytes(FILE_STREAM))
  if (start.length < startBytes(FILE_STREAM)) throw decryptionFailed()
  return { ...head, unlocked, segmentKey: segmentKeyOf(unlocked, head.bytes, start, context), layout }
}
