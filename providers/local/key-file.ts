/** One opened key file: reads it when it changed, refuses to go back, adds master key versions. */
import type { KeyObject } from 'node:crypto'
import { KeywrightError } from '../../src/provider.ts'
import { deriveSealingKey, type Kdf, type KdfOptions } from './kdf.ts'
import {
  keyFileStamp,
  makeKeyFile,
  masterKeyIdOf,
  type RawKeyFile,
  readKeyFile,
  replaceKeyFile,
  rootSecretMissing,
} from './key-file-io.ts'
import {
  addMasterKeyVersion,
  formatKeyFile,
  type KeyFileDocument,
  type MasterKeyset,
  openClearKeyset,
  openSealedKeyset,
  parseKeyFile,
} from './master-keyset.ts'
import type { HeldRootSecret } from './root-secret.ts'

export interface KeyFileSettings {
  readonly path: string
  readonly root: HeldRootSecret | undefined
  /** Make the file when it is missing at the first use. */
  readonly create: boolean
  readonly production: boolean
  readonly checkIntervalMs: number
  readonly lockTimeoutMs?: number
  readonly kdf?: KdfOptions
}

/** A key file as it was read. */
export interface OpenedKeyFile {
  readonly keyset: MasterKeyset
  readonly masterKeyId: string
  readonly raw: RawKeyFile
  /** Absent when the file is not sealed. */
  readonly seal?: { readonly kdf: Kdf; readonly key: KeyObject }
}

/** Permission bits of anybody but the owner. */
export const OTHERS_MODE = 0o077

export class KeyFile {
  readonly #settings: KeyFileSettings
  #opened: OpenedKeyFile | undefined
  #checkedAt = Number.NEGATIVE_INFINITY
  #derived: { readonly parameters: string; readonly key: KeyObject } | undefined
  #closed = false
  /** Loads run one after another, so that an older content never replaces a newer one. */
  #running: Promise<unknown> = Promise.resolve()
  #waiting: Promise<OpenedKeyFile> | undefined

  /** The file is first read by the first call. */
  constructor(settings: KeyFileSettings) {
    this.#settings = settings
  }

  /** What was read last, without looking at the file. */
  get opened(): OpenedKeyFile | undefined {
    return this.#opened
  }

  /**
   * What is in memory, for unwrapping: versions never change, and a lost file is no reason to stop reading.
   */
  async known(): Promise<OpenedKeyFile> {
    return this.#opened ?? this.reload()
  }

  /**
   * What is in the file, for wrapping: nothing is wrapped under a key that is not in the file any more. Looks
   * at the file when the last look is longer ago than the interval, or now when `always`.
   */
  async fresh(always: boolean): Promise<OpenedKeyFile> {
    const opened = this.#opened
    const now = performance.now()
    if (opened === undefined) return this.reload()
    if (!always && now - this.#checkedAt < this.#settings.checkIntervalMs) return opened
    if ((await keyFileStamp(this.#settings.path)) !== opened.raw.stamp) return this.reload()
    this.#checkedAt = now
    return opened
  }

  /** Reads the file after this call has begun, once for all who wait. */
  reload(): Promise<OpenedKeyFile> {
    if (this.#waiting === undefined) {
      const load = this.#running.then(() => {
        this.#waiting = undefined
        return this.#load()
      })
      this.#waiting = load
      this.#running = load.catch(() => undefined)
    }
    return this.#waiting
  }

  /** Adds a master key version, under the lock of the file and to what stands in it then. */
  async rotate(signal: AbortSignal | undefined): Promise<void> {
    const { lockTimeoutMs, path } = this.#settings
    await this.fresh(true) // makes the file where that is wanted
    const next = async () => {
      const { keyset, raw, seal } = await this.reload()
      return { before: raw, text: formatKeyFile(addMasterKeyVersion(keyset, Date.now()), seal) }
    }
    await replaceKeyFile(path, next, { lockTimeoutMs, signal })
    await this.reload() // new wraps use what was read back
  }

  close(): void {
    this.#closed = true
    this.#opened = undefined
    this.#derived = undefined
  }

  async #load(): Promise<OpenedKeyFile> {
    const now = performance.now()
    this.#checkedAt = Number.NEGATIVE_INFINITY // a failure is looked at again by the next wrap
    const raw = await this.#read()
    const document = parseKeyFile(raw.text, this.#settings.path)
    const opened =
      document.kdf === undefined ? this.#openClear(document, raw) : await this.#unseal(document, raw)
    if (this.#opened !== undefined) this.#assertSuccessor(this.#opened.keyset, opened.keyset)
    if (this.#closed) return opened
    this.#opened = opened
    this.#checkedAt = now
    return opened
  }

  /**
   * Makes the file only when this process has not seen it yet: a file that went away is not replaced by
   * another.
   */
  async #read(): Promise<RawKeyFile> {
    const { path, root } = this.#settings
    try {
      return await readKeyFile(path)
    } catch (error) {
      const create = this.#settings.create && this.#opened === undefined
      if (!create || !hasCode(error, 'ERR_KEY_FILE_MISSING')) throw error
    }
    await makeKeyFile(this.#settings, root).catch((error: unknown) => {
      if (!hasCode(error, 'ERR_KEY_FILE_EXISTS')) throw error // another process was first: use its file
    })
    return readKeyFile(path)
  }

  #openClear(document: KeyFileDocument, raw: RawKeyFile): OpenedKeyFile {
    const { path, production, root } = this.#settings
    if (production)
      throw unsealed(path, 'which production does not allow', 'make a sealed one with: keywright init')
    if (root !== undefined) {
      // Else whoever can write the folder could hand us master keys of their own.
      throw unsealed(
        path,
        'but a root secret is configured',
        'use a sealed key file, or unset the root secret',
      )
    }
    if ((raw.mode & OTHERS_MODE) !== 0) {
      throw unsealed(path, 'and other users may read or write it', `chmod 600 ${path}`)
    }
    return { keyset: openClearKeyset(document), masterKeyId: masterKeyIdOf(document.id), raw }
  }

  async #unseal(document: KeyFileDocument, raw: RawKeyFile): Promise<OpenedKeyFile> {
    const { path, root } = this.#settings
    const { kdf } = document
    if (root === undefined || kdf === undefined) throw rootSecretMissing(`the key file is sealed: ${path}`)
    const sealedWith = kdf.name === 'hkdf-sha256' ? 'key' : 'password'
    if (sealedWith !== root.kind) throw wrongKind(path, sealedWith)
    const key = await this.#sealingKey(root, kdf)
    const keyset = openSealedKeyset(document, key)
    if (keyset === undefined) throw wrongSecret(path, root.kind)
    return { keyset, masterKeyId: masterKeyIdOf(keyset.id), raw, seal: { kdf, key } }
  }

  /** Deriving costs a tenth of a second, and the salt stays the same for the life of a file. */
  async #sealingKey(root: HeldRootSecret, kdf: Kdf): Promise<KeyObject> {
    const parameters = JSON.stringify(kdf)
    if (this.#derived?.parameters === parameters) return this.#derived.key
    const key = await deriveSealingKey(root, kdf)
    this.#derived = { key, parameters }
    return key
  }

  #assertSuccessor(before: MasterKeyset, after: MasterKeyset): void {
    const { path } = this.#settings
    if (after.id !== before.id) {
      throw new KeywrightError('ERR_KEY_FILE_FOREIGN', `the key file was replaced by another one: ${path}`, {
        details: { found: masterKeyIdOf(after.id), expected: masterKeyIdOf(before.id) },
        hint: 'put the former key file back; to change key files, export the keyrings and import them under the new one',
      })
    }
    const kept = before.versions.every(({ key, version }) =>
      after.versions.some((other) => other.version === version && other.key.equals(key)),
    )
    if (after.generation >= before.generation && kept) return
    throw new KeywrightError(
      'ERR_KEY_FILE_ROLLED_BACK',
      `the key file was replaced by an older copy: ${path}`,
      {
        details: { found: after.generation, expected: before.generation },
        hint: 'put the latest key file back: keys wrapped under its newer versions do not open without it',
      },
    )
  }
}

function hasCode(error: unknown, code: KeywrightError['code']): boolean {
  return error instanceof KeywrightError && error.code === code
}

function unsealed(path: string, why: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_KEY_FILE_UNSEALED', `the key file is not sealed, ${why}: ${path}`, { hint })
}

function wrongKind(path: string, sealedWith: 'key' | 'password'): KeywrightError {
  const [is, given] = sealedWith === 'key' ? ['root key', 'password'] : ['password', 'root key']
  return new KeywrightError(
    'ERR_ROOT_SECRET_WRONG',
    `the key file is sealed with a ${is}, not a ${given}: ${path}`,
    {
      hint: `configure the ${is} with which the key file was made`,
    },
  )
}

function wrongSecret(path: string, kind: HeldRootSecret['kind']): KeywrightError {
  const name = kind === 'key' ? 'root key' : 'password'
  return new KeywrightError('ERR_ROOT_SECRET_WRONG', `wrong ${name} or damaged file: ${path}`, {
    hint: `check the ${name}; if it is right, restore the key file from a backup`,
  })
}
