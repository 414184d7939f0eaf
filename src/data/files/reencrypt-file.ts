/** One encrypted file, in its place, under the key that encrypts now. */
import { parseFileHeader } from '../../crypto/file-header.ts'
import { KeywrightError } from '../../errors.ts'
import { unlockFile } from './file-head.ts'
import { type FileKeys, openName, type SealedStart } from './file-keys.ts'
import type { OpenOptions, WorkOptions } from './options.ts'
import { SourceFile } from './source-file.ts'
import { assertWork, byBlocks, replaceTarget } from './work.ts'

export interface ReencryptFileOptions extends OpenOptions, WorkOptions {}

export interface ReencryptFileResult {
  /** 'current': it is under the active key already, and stays as it is. */
  readonly outcome: 'reencrypted' | 'current'
  readonly keyId: number
  readonly keyring: string
  /** Of what was encrypted; compressed content stays compressed. */
  readonly bytes: number
}

/**
 * Compression, encrypted name and whether it is recoverable stay as they are, mode and time too. Nothing is replaced
 * when the file changed meanwhile: ERR_FILE_CHANGED. Throws as `decryptFile` besides.
 */
export async function reencryptFile(
  keys: FileKeys,
  path: string,
  options: ReencryptFileOptions,
): Promise<ReencryptFileResult> {
  assertWork(options)
  const source = await SourceFile.open(path, { follow: false })
  try {
    const file = await unlockFile(source, keys.unlocker(options), options.context)
    const { header, layout, unlocked } = file
    const ring = await keys.keyringWith(header.keyId)
    const bytes = layout.plaintextBytes
    if ((await keys.activeKeyId(ring)) === header.keyId)
      return { outcome: 'current', keyId: header.keyId, keyring: ring.name, bytes }
    const name = header.name === undefined ? undefined : openName(unlocked, header.name, options.context)
    const keyId = await replaceTarget(source, path, true, async (target) => {
      const { context } = options
      const { compression } = header
      const recoverable = header.recovery !== undefined
      const start = await keys.begin(ring, { compression, context, recoverable }, { name, path })
      assertNewKey(start, header.keyId)
      await target.write(start.bytes, 0)
      const input = { key: file.segmentKey, at: file.bytes.length }
      const output = { key: start.segmentKey, at: start.headerBytes }
      await byBlocks(source, target, { input, output }, bytes, options)
      return start.keyId
    })
    await keys.used(keyId, 1, bytes)
    return { outcome: 'reencrypted', keyId, keyring: ring.name, bytes }
  } finally {
    await source.close()
  }
}

/** What replaces the file must be what a reader will take for a file of the new key. */
function assertNewKey({ bytes, headerBytes, keyId }: SealedStart, before: number): void {
  if (keyId !== before && parseFileHeader(bytes.subarray(0, headerBytes)).keyId === keyId) return
  throw new KeywrightError('ERR_INTERNAL', 'the new header of the file does not name the active key', {
    hint: 'nothing was replaced; please report it',
  })
}
