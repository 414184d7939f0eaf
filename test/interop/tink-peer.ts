/**
 * Tink for Python as a peer to test our formats against: an implementation that shares no code with ours.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { pythonWithRequirements } from './python.ts'

const SCRIPT = fileURLToPath(new URL('./tink_peer.py', import.meta.url))
const CLOSE_MS = 5_000

/** Key templates of Tink; both X-AES ones have 12 bytes of salt. */
export type TinkTemplate =
  | 'AES256_GCM'
  | 'AES256_GCM_RAW'
  | 'X_AES_256_GCM'
  | 'X_AES_256_GCM_RAW'
  | 'HMAC_SHA256_PRF'

/** Why there is no peer here. A test skips with this reason. */
export interface TinkMissing {
  readonly missing: string
}

/** What Tink refused or could not do, in its words. */
export class TinkPeerError extends Error {
  override readonly name = 'TinkPeerError'
}

type Reply = { readonly id: number } & ({ readonly ok: unknown } | { readonly error: string })

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/**
 * Starts the peer, setting up its Python first where needed (up to a few minutes, once). Close it when done.
 *
 * Where that is not possible it resolves to the reason, but throws when CI is set: there the tests must run.
 */
export async function openTinkPeer(): Promise<TinkPeer | TinkMissing> {
  const opened = await tryOpen()
  if ('missing' in opened && process.env['CI']) throw new TinkPeerError(opened.missing)
  return opened
}

async function tryOpen(): Promise<TinkPeer | TinkMissing> {
  const found = await pythonWithRequirements()
  if ('missing' in found) return found
  const peer = new TinkPeer(spawn(found.python, ['-I', SCRIPT]))
  try {
    await peer.version()
    return peer
  } catch (error) {
    await peer.close()
    return { missing: `Tink for Python does not start: ${(error as Error).message}` }
  }
}

/** One Python process. Keysets are cleartext Tink JSON; every method rejects with {@link TinkPeerError}. */
export class TinkPeer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #exited: Promise<unknown>
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #stderr = ''

  /** Use {@link openTinkPeer}. */
  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#exited = once(child, 'close').then(
      () => this.#fail(`it ended: ${this.#stderr.trim().split('\n').at(-1)}`),
      (error: Error) => this.#fail(error.message),
    )
    child.stderr.on('data', (data) => {
      this.#stderr = (this.#stderr + data).slice(-2000)
    })
    child.stdin.on('error', () => undefined) // a write after its end; 'close' tells who waits
    createInterface({ input: child.stdout }).on('line', (line) => this.#settle(JSON.parse(line) as Reply))
  }

  /** The version of Tink. */
  async version(): Promise<string> {
    return this.#text('version', {})
  }

  /** Encrypts with the keyset's primary key, AES-GCM or X-AES-GCM. */
  async encrypt(keyset: string, plaintext: Uint8Array, associatedData: Uint8Array): Promise<Buffer> {
    return this.#bytes('aead_encrypt', { keyset, data: plaintext, associatedData })
  }

  /** Decrypts with whichever key of the keyset fits. */
  async decrypt(keyset: string, ciphertext: Uint8Array, associatedData: Uint8Array): Promise<Buffer> {
    return this.#bytes('aead_decrypt', { keyset, data: ciphertext, associatedData })
  }

  /** Encrypts with the primary key of a streaming keyset (AesGcmHkdfStreamingKey). */
  async encryptStream(keyset: string, plaintext: Uint8Array, associatedData: Uint8Array): Promise<Buffer> {
    return this.#bytes('streaming_encrypt', { keyset, data: plaintext, associatedData })
  }

  /** Decrypts a whole stream with a streaming keyset. */
  async decryptStream(keyset: string, ciphertext: Uint8Array, associatedData: Uint8Array): Promise<Buffer> {
    return this.#bytes('streaming_decrypt', { keyset, data: ciphertext, associatedData })
  }

  /** The first `length` bytes of the primary key's PRF. */
  async prf(keyset: string, input: Uint8Array, length: number): Promise<Buffer> {
    return this.#bytes('prf_compute', { keyset, data: input, length })
  }

  /** A new keyset of one key, as Tink writes it in JSON. */
  async generate(template: TinkTemplate): Promise<string> {
    return this.#text('generate', { template })
  }

  /** Reads JSON and writes binary. */
  async jsonToBinary(keyset: string): Promise<Buffer> {
    return this.#bytes('json_to_binary', { keyset })
  }

  /** Reads binary and writes JSON. */
  async binaryToJson(keyset: Uint8Array): Promise<string> {
    return this.#text('binary_to_json', { data: keyset })
  }

  /** Encrypts a keyset under the AEAD keyset `kek`, in both serializations. */
  async encryptKeyset(
    keyset: string,
    kek: string,
    associatedData: Uint8Array,
  ): Promise<{ json: string; binary: Buffer }> {
    const made = await this.#call('encrypt_keyset', { keyset, kek, associatedData })
    const { json, binary } = made as { json: string; binary: string }
    return { json, binary: Buffer.from(binary, 'base64') }
  }

  /** Opens an encrypted keyset in either serialization and gives it in clear, as JSON. */
  async decryptKeyset(
    encrypted: string | Uint8Array,
    kek: string,
    associatedData: Uint8Array,
  ): Promise<string> {
    const operation = typeof encrypted === 'string' ? 'decrypt_keyset_json' : 'decrypt_keyset_binary'
    return this.#text(operation, { encrypted, kek, associatedData })
  }

  /** Ends the process. Twice is harmless. */
  async close(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS)
    await this.#exited
    clearTimeout(timer)
  }

  async #bytes(op: string, members: Record<string, unknown>): Promise<Buffer> {
    return Buffer.from(await this.#text(op, members), 'base64')
  }

  async #text(op: string, members: Record<string, unknown>): Promise<string> {
    const value = await this.#call(op, members)
    if (typeof value !== 'string') throw new TinkPeerError(`${op} gave no text`)
    return value
  }

  async #call(op: string, members: Record<string, unknown>): Promise<unknown> {
    if (this.#child.exitCode !== null || this.#child.stdin.writableEnded) {
      throw new TinkPeerError('the peer is closed')
    }
    const id = ++this.#lastId
    const request: Record<string, unknown> = { id, op }
    for (const [name, value] of Object.entries(members)) {
      request[name] = value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify(request)}\n`)
    })
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('ok' in reply) waiting?.resolve(reply.ok)
    else waiting?.reject(new TinkPeerError(reply.error))
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new TinkPeerError(reason))
    this.#waiting.clear()
  }
}
