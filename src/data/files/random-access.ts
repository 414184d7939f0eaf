/** Reading parts of an encrypted file, whatever its size. */
import { openSegment } from '../../crypto/streaming.ts'
import { decryptionFailed, KeywrightError } from '../../errors.ts'
import { type UnlockedFile, unlockFile } from './file-head.ts'
import type { Unlock } from './file-keys.ts'
import { stopped } from './fs-errors.ts'
import type { ContentOptions, SignalOption } from './options.ts'
import { SourceFile } from './source-file.ts'

/** Of one call of `read`: the result is held in memory. */
const MAX_READ_BYTES = 2 ** 30

export class EncryptedFileReader implements AsyncDisposable {
  readonly keyId: number
  readonly keyring: string
  /** Length of the plaintext. */
  readonly size: number
  readonly #source: SourceFile
  readonly #file: UnlockedFile
  /** The segment that was read last: small reads often go on in it. */
  #kept: { readonly index: number; readonly plaintext: Buffer } | undefined
  #isOpen = true

  private constructor(source: SourceFile, file: UnlockedFile) {
    this.#source = source
    this.#file = file
    this.keyId = file.header.keyId
    this.keyring = file.unlocked.keyring
    this.size = file.layout.plaintextBytes
  }

  /**
   * Opens a file and checks its last segment, so that one that was cut is refused here. Throws as `decryptFile`, and
   * ERR_ARGUMENT_INVALID for a compressed file.
   */
  static async open(unlock: Unlock, path: string, options: ContentOptions): Promise<EncryptedFileReader> {
    const source = await SourceFile.open(path)
    try {
      const file = await unlockFile(source, unlock, options.context)
      if (file.header.compression !== 'none') throw compressed(path)
      const reader = new EncryptedFileReader(source, file)
      await reader.#segment(file.layout.segments - 1)
      return reader
    } catch (error) {
      await source.close()
      throw error
    }
  }

  /**
   * The plaintext from `position`, shorter at the end of the file. Reads and authenticates the segments that hold it, no
   * others. Throws ERR_DECRYPTION_FAILED, ERR_ARGUMENT_INVALID, ERR_CLOSED, ERR_ABORTED.
   */
  async read(position: number, length: number, { signal }: SignalOption = {}): Promise<Buffer> {
    assertRange(position, length)
    const end = Math.min(this.size, position + length)
    if (end <= position) return Buffer.alloc(0)
    const { layout } = this.#file
    const result = Buffer.allocUnsafeSlow(end - position)
    for (let index = layout.segmentOf(position); layout.plaintextAt(index) < end; index++) {
      if (signal?.aborted) throw stopped()
      const at = layout.plaintextAt(index)
      const plaintext = await this.#segment(index)
      const from = Math.max(0, position - at)
      plaintext.copy(result, at + from - position, from, Math.min(plaintext.length, end - at))
    }
    return result
  }

  async #segment(index: number): Promise<Buffer> {
    if (!this.#isOpen) throw new KeywrightError('ERR_CLOSED', 'the file is closed', { hint: 'open it again' })
    if (this.#kept?.index === index) return this.#kept.plaintext
    const { bytes, layout, segmentKey } = this.#file
    const length = layout.streamAt(index + 1) - layout.streamAt(index)
    const segment = await this.#source.read(bytes.length + layout.streamAt(index), length)
    if (segment.length < length) throw decryptionFailed()
    const plaintext = openSegment(segmentKey, index, layout.isLast(index), segment)
    this.#kept = { index, plaintext }
    return plaintext
  }

  /** Twice is harmless. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#kept = undefined
    await this.#source.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function assertRange(position: number, length: number): void {
  const isCount = (number: number): boolean => Number.isSafeInteger(number) && number >= 0
  if (isCount(position) && isCount(length) && length <= MAX_READ_BYTES) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'position and length are no range of bytes', {
    hint: 'both are whole numbers from 0, and one call reads at most 1 GiB',
  })
}

function compressed(path: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `${path} is compressed, which has no positions`, {
    hint: 'decrypt it as a whole, or encrypt it without compression',
    details: { path },
  })
}
