/** One encrypted file to another, decrypted. */

import { DecryptTransform } from './decrypt-transform.ts'
import { type UnlockedFile, unlockFile } from './file-head.ts'
import type { Unlock } from './file-keys.ts'
import type { ContentOptions, FileResult, TargetOption, WorkOptions } from './options.ts'
import { SourceFile } from './source-file.ts'
import { assertNotSame, type TargetFile } from './target-file.ts'
import { assertWork, byBlocks, byStream, replaceTarget } from './work.ts'

type Options = ContentOptions & WorkOptions & TargetOption

/**
 * Decrypts `input` into `output`, which appears when all of it is authenticated. Throws what `encryptFile` throws,
 * ERR_CIPHERTEXT_EMPTY, ERR_NOT_CIPHERTEXT, ERR_FILE_DAMAGED, ERR_DECRYPTION_FAILED, ERR_DECOMPRESSION_LIMIT, and what
 * `unlock` throws.
 */
export async function decryptFile(
  unlock: Unlock,
  input: string,
  output: string,
  options: Options,
): Promise<FileResult> {
  assertWork(options)
  const source = await SourceFile.open(input)
  try {
    await assertNotSame(source, output)
    const file = await unlockFile(source, unlock, options.context)
    const plaintextBytes = await replaceTarget(source, output, options.force === true, (target) =>
      writeOpened(source, target, file, options),
    )
    const { header, unlocked } = file
    return { keyId: header.keyId, keyring: unlocked.keyring, plaintextBytes, encryptedBytes: source.size }
  } finally {
    await source.close()
  }
}

async function writeOpened(
  source: SourceFile,
  target: TargetFile,
  { bytes, header, layout, segmentKey, unlocked }: UnlockedFile,
  options: Options,
): Promise<number> {
  if (header.compression === 'zstd') {
    const stream = new DecryptTransform(async () => unlocked, options)
    return byStream(source, target, stream, 0, options)
  }
  const input = { key: segmentKey, at: bytes.length }
  await byBlocks(source, target, { input }, layout.plaintextBytes, options)
  return layout.plaintextBytes
}
