/** The command line in this process: a folder to work in, streams that are kept, an environment of its own. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { run } from '../../src/cli/run.ts'

export interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Both outputs say that they are terminals. Nothing is ever asked: standard input is none. */
  readonly tty?: boolean
  /** Milliseconds that the clock is ahead. */
  readonly later?: number
  readonly signal?: AbortSignal
}

export const DAY_MS = 86_400_000

export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'keywright-cli-'))
  readonly rootKey = randomBytes(32).toString('base64')
  readonly #before = process.cwd()

  /** Relative paths are those of the folder until `leave`. */
  constructor() {
    process.chdir(this.folder)
  }

  /** The environment in which everything is sealed under a root key. */
  get env(): Record<string, string | undefined> {
    return { ENCRYPTION_MASTER_KEY: this.rootKey }
  }

  async keywright(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    const out = new Collector(options.tty)
    const err = new Collector(options.tty)
    const { stdin = '', env = {}, later = 0, signal = new AbortController().signal } = options
    const code = await run(argv, {
      stdin: Readable.from(stdin.length === 0 ? [] : [Buffer.from(stdin)]),
      stdout: out,
      stderr: err,
      env: { ...this.env, ...env },
      versions: { node: process.versions.node, openssl: process.versions.openssl },
      now: () => Date.now() + later,
      signal,
    })
    return { code, out: out.text, err: err.text }
  }

  /** A new installation. */
  async init(): Promise<void> {
    const { code, err } = await this.keywright(['init'])
    if (code !== 0) throw new Error(err)
  }

  /** What a command prints with --json. Throws when it fails. */
  async json(argv: readonly string[], options: RunOptions = {}): Promise<unknown> {
    const { code, out, err } = await this.keywright([...argv, '--json'], options)
    if (code !== 0) throw new Error(err)
    return JSON.parse(out)
  }

  /** Encrypts and gives the ciphertext. */
  async encrypt(value: string, ...options: string[]): Promise<string> {
    const { out, err, code } = await this.keywright(['encrypt', ...options], { stdin: value })
    if (code !== 0) throw new Error(err)
    return out.trim()
  }

  /**
   * Names and contents of all files. SQLite's shared memory, and what any open of a store leaves in its log, are no
   * change of what is stored.
   */
  fingerprint(): string {
    const hash = createHash('sha256')
    const names = existsSync(this.folder)
      ? readdirSync(this.folder, { recursive: true, withFileTypes: true })
      : []
    for (const entry of names.sort((a, b) =>
      join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1,
    )) {
      const path = join(entry.parentPath, entry.name)
      if (/-(wal|shm)$|\.lock$/.test(path)) continue
      hash.update(`${path}\n`)
      if (entry.isFile()) hash.update(readFileSync(path))
    }
    return hash.digest('hex')
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8')
  }

  leave(): void {
    process.chdir(this.#before)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

class Collector extends Writable {
  readonly isTTY: boolean
  readonly #chunks: Buffer[] = []

  constructor(isTTY = false) {
    super()
    this.isTTY = isTTY
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk))
    done()
  }
}
