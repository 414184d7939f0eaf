/** A Keywright in memory, a folder of backups, and trees to back up. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import memoryProvider from '../../providers/memory.ts'
import { encodeFrames } from '../../src/data/backups/frames.ts'
import {
  type BackupIdentity,
  type BackupManifest,
  identityMembers,
  manifestOf,
  newBackupId,
} from '../../src/data/backups/manifest.ts'
import type { AuditSink } from '../../src/index.ts'
import { Keywright } from '../../src/keywright.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import memoryStore from '../../stores/memory.ts'
import { FakeClock } from '../kit/clock.ts'

export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), 'keywright-backups-'))
  readonly backups = join(this.folder, 'backups')
  readonly clock = new FakeClock()
  readonly provider = memoryProvider({ name: 'memory' })
  readonly store = memoryStore()
  readonly keywright: Keywright

  constructor(audit?: AuditSink) {
    this.keywright = new Keywright({
      provider: this.provider,
      store: this.store,
      policy: defaultPolicy({ provider: 'memory' }),
      clock: this.clock.forProcess(),
      ...(audit === undefined ? {} : { audit }),
    })
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  /** A folder with these files. */
  async tree(name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
    const root = this.path(name)
    await mkdir(root, { recursive: true })
    for (const [file, content] of Object.entries(files)) {
      await mkdir(join(root, file, '..'), { recursive: true })
      await writeFile(join(root, file), content)
    }
    return root
  }

  /** A backup of a few bytes. */
  async backup(name = 'app', content: string | Uint8Array = 'content') {
    return this.keywright.backups.create({ to: this.backups, name, source: { stream: once(content) } })
  }

  /** What a restored stream holds. */
  async restored(from: string): Promise<string> {
    const chunks: Uint8Array[] = []
    const to = async (chunk: Uint8Array): Promise<void> => void chunks.push(chunk)
    await this.keywright.backups.restore({ from, to })
    return Buffer.concat(chunks).toString()
  }

  /** Everything in the folder of backups, leftovers too. */
  async entries(): Promise<string[]> {
    return (await readdir(this.backups).catch(() => [])).sort()
  }

  async end(): Promise<void> {
    await this.keywright.close()
    for (const entry of readdirSync(this.folder, { recursive: true, withFileTypes: true }))
      if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o700).catch(() => undefined)
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A backup as only who has the keys could write it, with the frames that are given. */
  async forge(
    kind: BackupIdentity['kind'],
    frames: (identity: BackupIdentity) => AsyncIterable<Uint8Array>,
    changes: Partial<BackupManifest> = {},
  ): Promise<string> {
    const now = this.clock.now()
    const identity: BackupIdentity = {
      id: newBackupId(now),
      name: 'forged',
      kind,
      created: new Date(now).toISOString(),
      tool: 'test',
      compression: 'none',
    }
    const sealed = await this.sealed(frames(identity), { purpose: 'keywright backup' })
    const path = join(this.backups, identity.id)
    await mkdir(path, { recursive: true })
    await writeFile(join(path, 'backup.kwf'), sealed)
    const manifest = manifestOf(identity, {
      encrypted: true,
      storedBytes: sealed.length,
      sha256: sha256(sealed),
      contentBytes: 0,
      files: 0,
    })
    await writeFile(join(path, 'manifest.json'), JSON.stringify({ ...manifest, ...changes }))
    return path
  }

  async sealed(chunks: AsyncIterable<Uint8Array>, context: Record<string, string>): Promise<Buffer> {
    const stream = await this.keywright.files.encryptStream({
      keyType: 'backups',
      context,
      recoverable: true,
    })
    const done = buffer(stream)
    await pipeline(chunks, stream)
    return done
  }
}

/** The frames of an honest stream around some content. */
export function framesOf(
  identity: BackupIdentity,
  content: AsyncIterable<Uint8Array>,
  more: { checksums?: () => Uint8Array[]; tail?: object } = {},
): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  return encodeFrames({
    head: identityMembers(identity),
    content: counted(),
    checksums: more.checksums ?? (() => []),
    tail: () => ({ contentBytes: bytes, sha256: hash.digest('hex'), files: 0, ...more.tail }),
  })
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export async function* once(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

/** Everything about a tree that a backup keeps. */
export function pictureOf(root: string): Record<string, unknown> {
  const paths = ['', ...readdirSync(root, { recursive: true, encoding: 'utf8' })].sort()
  return Object.fromEntries(
    paths.map((path) => {
      const stats = lstatSync(join(root, path))
      const seconds = Math.floor(stats.mtimeMs / 1000)
      const facts = { mode: stats.mode.toString(8), uid: stats.uid, gid: stats.gid, seconds }
      if (stats.isSymbolicLink()) return [path, { ...facts, target: readlinkSync(join(root, path)) }]
      return [path, stats.isFile() ? { ...facts, content: sha256(readFileSync(join(root, path))) } : facts]
    }),
  )
}
