/** One file to another, encrypted. */
import { StreamLayout } from '../../crypto/streaming.ts'
import { EncryptTransform } from './encrypt-transform.ts'
import type { FileKeys, SealedStart } from './file-keys.ts'
import type { EncryptFileOptions, FileResult } from './options.ts'
import { SourceFile } from './source-file.ts'
import { assertNotSame, type TargetFile } from './target-file.ts'
import { assertWork, byBlocks, byStream, replaceTarget } from './work.ts'

/**
 * Encrypts `input` into `output`. Throws ERR_FILE_MISSING, ERR_FILE_UNREADABLE, ERR_FILE_EXISTS, ERR_FILE_CHANGED,
 * ERR_DISK_FULL, ERR_OUTPUT_FAILED, ERR_ABORTED, and what a keyring refuses. `name` goes encrypted into the header.
 */
export async function encryptFile(
  keys: FileKeys,
  input: string,
  output: string,
  options: EncryptFileOptions,
  more: { readonly name?: string; readonly follow?: boolean } = {},
): Promise<FileResult> {
  assertWork(options)
  const ring = keys.keyring(options)
  const source = await SourceFile.open(input, more)
  try {
    await assertNotSame(source, output)
    const result = await replaceTarget(source, output, options.force === true, async (target) => {
      const start = await keys.begin(ring, options, { name: more.name, path: input })
      const encryptedBytes = await writeSealed(source, target, start, options)
      return { keyId: start.keyId, keyring: ring.name, plaintextBytes: source.size, encryptedBytes }
    })
    await keys.used(result.keyId, 1, source.size)
    return result
  } finally {
    await source.close()
  }
}

async function writeSealed(
  source: SourceFile,
  target: TargetFile,
  start: SealedStart,
  options: EncryptFileOptions,
): Promise<number> {
  if (start.header.compression === 'zstd') {
    const stream = new EncryptTransform(start, { signal: options.signal })
    return byStream(source, target, stream, 0, options)
  }
  await target.write(start.bytes, 0)
  const at = start.headerBytes
  await byBlocks(source, target, { output: { key: start.segmentKey, at } }, source.size, options)
  return at + new StreamLayout(source.size).streamBytes
}
