/** Files, streams and folders, as applications call them. What does the work is loaded when it is called. */
import type { Transform } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import type { EncryptFolderOptions } from './encrypt-folder.ts'
import { FileKeys } from './file-keys.ts'
import type { FolderOptions, FolderReport } from './folder-run.ts'
import type { EncryptedFileInfo, ListFilesOptions } from './list-files.ts'
import type {
  DecryptFileOptions,
  EncryptFileOptions,
  FileResult,
  OpenOptions,
  SealOptions,
  SignalOption,
} from './options.ts'
import type { EncryptedFileReader } from './random-access.ts'
import type { ReencryptFileOptions, ReencryptFileResult } from './reencrypt-file.ts'

/** A stream in the form of the Web: `source.pipeThrough(…)`. */
export interface BytesTransform {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

export interface DecryptFolderOptions extends OpenOptions, FolderOptions {}

export class Files {
  readonly #keys: FileKeys

  constructor(services: KeyServices, rings: Keyrings) {
    this.#keys = new FileKeys(services, rings)
  }

  /**
   * Encrypts `input` into the new file `output`, with the mode and modification time of `input`. It appears when it is
   * complete; whatever happens before leaves nothing. Throws ERR_FILE_MISSING, ERR_FILE_UNREADABLE, ERR_FILE_EXISTS,
   * ERR_FILE_CHANGED, ERR_DISK_FULL, ERR_OUTPUT_FAILED, ERR_ABORTED, and what a keyring refuses.
   */
  async encryptFile(input: string, output: string, options: EncryptFileOptions): Promise<FileResult> {
    return (await import('./encrypt-file.ts')).encryptFile(this.#keys, input, output, options)
  }

  /**
   * The reverse. Throws as `encryptFile`, and ERR_NOT_CIPHERTEXT, ERR_CIPHERTEXT_EMPTY, ERR_FILE_DAMAGED,
   * ERR_DECRYPTION_FAILED (changed, cut, or another context), ERR_KEYRING_MISMATCH, ERR_DECOMPRESSION_LIMIT.
   */
  async decryptFile(input: string, output: string, options: DecryptFileOptions = {}): Promise<FileResult> {
    const { decryptFile } = await import('./decrypt-file.ts')
    return decryptFile(this.#keys.unlocker(options), input, output, options)
  }

  /**
   * A Transform stream: plaintext in, an encrypted stream out. Loads the key; throws what a keyring refuses.
   *
   *     await pipeline(source, await keywright.files.encryptStream({ keyType: 'pii' }), target)
   */
  async encryptStream(options: SealOptions & SignalOption): Promise<Transform> {
    const { EncryptTransform } = await import('./encrypt-transform.ts')
    const start = await this.#keys.begin(this.#keys.keyring(options), options)
    const onEnd = (bytes: number): Promise<void> => this.#keys.used(start.keyId, 1, bytes)
    return new EncryptTransform(start, { signal: options.signal, onEnd })
  }

  /**
   * The reverse. Each segment of 64 KiB comes out once it is authenticated; only the end of the stream without an error
   * says that nothing is missing, so keep what came out to yourself until then.
   */
  async decryptStream(options: OpenOptions & SignalOption = {}): Promise<Transform> {
    const { DecryptTransform } = await import('./decrypt-transform.ts')
    return new DecryptTransform(this.#keys.unlocker(options), options)
  }

  /** As `encryptStream`, for streams of the Web. */
  async encryptWebStream(options: SealOptions & SignalOption): Promise<BytesTransform> {
    return toWeb(await this.encryptStream(options))
  }

  /** As `decryptStream`, for streams of the Web. */
  async decryptWebStream(options: OpenOptions & SignalOption = {}): Promise<BytesTransform> {
    return toWeb(await this.decryptStream(options))
  }

  /**
   * Opens an encrypted file to read parts of it. Its last segment is checked, so that one that was cut is refused here;
   * the others are when they are read. Throws as `decryptFile`, and ERR_ARGUMENT_INVALID for a compressed file.
   */
  async openRandomAccess(path: string, options: OpenOptions = {}): Promise<EncryptedFileReader> {
    const { EncryptedFileReader: Reader } = await import('./random-access.ts')
    return Reader.open(this.#keys.unlocker(options), path, options)
  }

  /**
   * Encrypts the files of a folder into another one. Run again, it skips what is done. Symbolic links are not followed;
   * look at `failed` of the report. Throws ERR_ARGUMENT_INVALID, ERR_ABORTED, ERR_DISK_FULL, ERR_FILE_MISSING.
   */
  async encryptFolder(from: string, to: string, options: EncryptFolderOptions): Promise<FolderReport> {
    return (await import('./encrypt-folder.ts')).encryptFolder(this.#keys, from, to, options)
  }

  /** The reverse. What is not encrypted is skipped. */
  async decryptFolder(from: string, to: string, options: DecryptFolderOptions = {}): Promise<FolderReport> {
    const { decryptFolder } = await import('./decrypt-folder.ts')
    return decryptFolder(this.#keys.unlocker(options), from, to, options)
  }

  /** The encrypted files in a folder and below, by their headers: no key is needed, nothing is proved. */
  async *listEncryptedFiles(
    folder: string,
    options: ListFilesOptions = {},
  ): AsyncGenerator<EncryptedFileInfo> {
    yield* (await import('./list-files.ts')).listEncryptedFiles(folder, options)
  }

  /** What the header of a file says, without any key. Throws ERR_NOT_CIPHERTEXT, ERR_FILE_DAMAGED, ERR_FILE_MISSING. */
  async inspectFile(path: string): Promise<EncryptedFileInfo> {
    return (await import('./list-files.ts')).inspectFile(path)
  }

  /**
   * Re-encrypts a file in its place under the active key of its keyring; one that is under it already stays as it is.
   * A file that changes meanwhile is left alone: ERR_FILE_CHANGED. Throws as `decryptFile`.
   */
  async reencryptFile(path: string, options: ReencryptFileOptions = {}): Promise<ReencryptFileResult> {
    return (await import('./reencrypt-file.ts')).reencryptFile(this.#keys, path, options)
  }
}

async function toWeb(stream: Transform): Promise<BytesTransform> {
  const { Duplex } = await import('node:stream')
  const { readable, writable } = Duplex.toWeb(stream)
  return { readable, writable }
}
