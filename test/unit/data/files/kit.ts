/** A Keywright and a folder to work in. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lazyAuditLog } from '../../../../src/audit/lazy-log.ts'
import { FileKeys } from '../../../../src/data/files/file-keys.ts'
import { Keyrings } from '../../../../src/keys/keyrings.ts'
import { ProviderCalls } from '../../../../src/keys/provider-calls.ts'
import type { Keywright } from '../../../../src/keywright.ts'
import { type ProcessOptions, World, type WorldParts } from '../../../kit/world.ts'

export class FilesPlace {
  readonly folder = mkdtempSync(join(tmpdir(), 'keywright-files-'))
  readonly world: World
  readonly kw: Keywright

  constructor(parts: WorldParts = {}, options: ProcessOptions = {}) {
    this.world = new World(parts)
    this.kw = this.world.open(options)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** A file of random bytes, or of those given. */
  write(name: string, content: number | Uint8Array | string): string {
    const path = this.path(name)
    writeFileSync(path, typeof content === 'number' ? randomBytes(content) : content)
    return path
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name))
  }

  /** Everything that is there, in order. */
  get names(): string[] {
    return readdirSync(this.folder, { recursive: true }).map(String).sort()
  }

  /** The parts inside a Keywright, for what its callers cannot ask for. The first use of a keyring needs a key. */
  fileKeys(): FileKeys {
    const { clock, policy, provider, store } = this.world
    const now = (): number => clock.now()
    const calls = new ProviderCalls({ providers: [provider.client()], now })
    const services = { store: store.client(), calls, audit: lazyAuditLog(undefined), policy, clock }
    return new FileKeys(services, new Keyrings(services))
  }

  async end(): Promise<void> {
    await this.world.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** What a promise was rejected with: its code, or '' when it was not. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => '',
    (error: { code?: string }) => error.code ?? String(error),
  )
}

/** Lengths at which the segments of a file begin and end. */
export const EDGES = [0, 1, 65_479, 65_480, 65_481, 130_999, 131_000, 131_001, 65_480 + 4 * 65_520, 600_000]
