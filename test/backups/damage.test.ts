/** Whatever is changed in a backup is noticed before anything takes the place of its target. */

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { restoreBackup } from '../../src/data/backups/reader.ts'
import { expectCode } from '../kit/failures.ts'
import { framesOf, Lab, once, sha256 } from './kit.ts'

let lab: Lab
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.end())

/** Verifying and both ways of restoring fail, and the target stays as it was. */
async function expectDamaged(from: string): Promise<void> {
  await writeFile(lab.path('target'), 'as it was')
  const given: Uint8Array[] = []
  const sink = async (chunk: Uint8Array): Promise<void> => void given.push(chunk)
  const { backups } = lab.keywright
  await expectCode(backups.verify({ from }), 'ERR_BACKUP_DAMAGED')
  await expectCode(backups.restore({ from, to: sink }), 'ERR_BACKUP_DAMAGED')
  expect(given).toEqual([])
  await expectCode(backups.restore({ from, to: lab.path('target'), force: true }), 'ERR_BACKUP_DAMAGED')
  await expectCode(
    restoreBackup({ provider: lab.provider, from, to: lab.path('target'), force: true }),
    'ERR_BACKUP_DAMAGED',
  )
  expect(readFileSync(lab.path('target'), 'utf8')).toBe('as it was')
  expect((await readdir(lab.folder)).filter((name) => name.startsWith('.'))).toEqual([])
}

/** Changes the data file, and the manifest so that it fits: only what is inside can tell. */
async function rewrite(path: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
  const changed = change(readFileSync(join(path, 'backup.kwf')))
  await writeFile(join(path, 'backup.kwf'), changed)
  await edit(path, { storedBytes: changed.length, sha256: sha256(changed) })
}

async function edit(path: string, members: object): Promise<void> {
  const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))
  await writeFile(join(path, 'manifest.json'), JSON.stringify({ ...manifest, ...members }))
}

describe('data that were changed, with a manifest that was made to fit', () => {
  const flip = (at: (length: number) => number) => (bytes: Buffer) => {
    const index = at(bytes.length)
    bytes[index] = (bytes[index] ?? 0) ^ 1
    return bytes
  }
  it.each([
    ['its first byte', flip(() => 0)],
    ['its header length', flip(() => 5)],
    ['its key id', flip(() => 9)],
    ['its flags', flip(() => 11)],
    ['the wrapped key', flip(() => 60)],
    ['a byte in the middle', flip((length) => length >> 1)],
    ['its last byte', flip((length) => length - 1)],
    ['cut by one byte', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['cut in the middle', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    ['cut behind its first segment', (bytes: Buffer) => bytes.subarray(0, 65_536)],
    ['cut to its magic', (bytes: Buffer) => bytes.subarray(0, 4)],
    ['empty', () => Buffer.alloc(0)],
    ['with a byte more', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['twice', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
    ['random', (bytes: Buffer) => randomBytes(bytes.length)],
  ])('%s', async (_, change) => {
    const { path } = await lab.backup('app', randomBytes(300_000))
    await rewrite(path, change)
    const verifying = lab.keywright.backups.verify({ from: path })
    // A header that names another key is told as such: it may be a backup of another installation.
    await expectCode(verifying, 'ERR_BACKUP_DAMAGED', 'ERR_KEY_UNKNOWN')
  })

  it('two segments swapped', async () => {
    const { path } = await lab.backup('app', randomBytes(400_000))
    await rewrite(path, (bytes) => {
      const end = bytes.length - (bytes.length % 65_536)
      const [a, b] = [bytes.subarray(end - 65_536, end), bytes.subarray(end - 131_072, end - 65_536)]
      return Buffer.concat([bytes.subarray(0, end - 131_072), a, b, bytes.subarray(end)])
    })
    await expectDamaged(path)
  })

  it('a target stays what it was', async () => {
    const { path } = await lab.backup('app', randomBytes(300_000))
    await rewrite(path, (bytes) => bytes.subarray(0, -40_000))
    await expectDamaged(path)
  })

  it('a folder that was restored in part is gone', async () => {
    const folder = await lab.tree('tree', { a: randomBytes(100_000), b: randomBytes(100_000) })
    const { path } = await lab.keywright.backups.create({ to: lab.backups, name: 'tree', source: { folder } })
    await rewrite(path, (bytes) => bytes.subarray(0, -60_000))
    await expectDamaged(path)
    await expectCode(lab.keywright.backups.restore({ from: path, to: lab.path('new') }), 'ERR_BACKUP_DAMAGED')
    expect((await readdir(lab.folder)).sort()).toEqual(['backups', 'target', 'tree'])
  })
})

describe('a manifest that was changed', () => {
  it.each([
    ['name', { name: 'other' }],
    ['kind', { kind: 'sqlite' }],
    ['created', { created: '2026-01-01T00:00:00.001Z' }],
    ['tool', { tool: 'keywright 9.9.9' }],
    ['compression', { compression: 'zstd' }],
    ['encrypted', { encrypted: false, file: 'backup.kwb' }],
    ['sha256', { sha256: '0'.repeat(64) }],
    ['storedBytes', { storedBytes: 1 }],
    ['contentBytes', { contentBytes: 1 }],
    ['files', { files: 2 }],
    ['id', { id: '20260101T000000Z-000000000000' }],
    ['version', { version: 2 }],
    ['format', { format: 'other' }],
    ['file', { file: '../../etc/passwd' }],
    ['a wrong type', { storedBytes: '12' }],
    ['a name that is no name', { name: '../x' }],
  ])('%s', async (_, members) => {
    const { path } = await lab.backup()
    if ('encrypted' in members)
      await writeFile(join(path, 'backup.kwb'), readFileSync(join(path, 'backup.kwf')))
    await edit(path, members)
    await expectDamaged(path)
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['empty', ''],
    ['endless', ' '.repeat(20_000)],
  ])('%s', async (_, text) => {
    const { id, path } = await lab.backup()
    await writeFile(join(path, 'manifest.json'), text)
    await expectDamaged(path)
    const [listed] = await lab.keywright.backups.list(lab.backups)
    expect(listed).toMatchObject({ id, problem: expect.stringContaining('damaged') })
  })

  it('of a newer version says what to do', async () => {
    const { path } = await lab.backup()
    await edit(path, { version: 2 })
    const { hint } = await expectCode(lab.keywright.backups.verify({ from: path }), 'ERR_BACKUP_DAMAGED')
    expect(hint).toContain('newer version')
  })

  it('gone: the data alone are enough', async () => {
    const { file, path } = await lab.backup('app', 'ada')
    await rm(join(path, 'manifest.json'))
    await expectDamaged(path)
    expect(await lab.restored(join(path, file))).toBe('ada')
  })
})

describe('a backup passed off as another one', () => {
  it('older data under a newer manifest', async () => {
    const [older, newer] = [await lab.backup('app', 'old'), await lab.backup('app', 'new')]
    await rewrite(newer.path, () => readFileSync(join(older.path, 'backup.kwf')))
    await expectDamaged(newer.path)
  })

  it('a whole older one in the folder of a newer one', async () => {
    const [older, newer] = [await lab.backup('app', 'old'), await lab.backup('app', 'new')]
    await rm(newer.path, { recursive: true })
    await cp(older.path, newer.path, { recursive: true })
    await expectDamaged(newer.path)
    expect(await lab.restored(older.path)).toBe('old')
  })

  it('the backup of another name', async () => {
    const [other, ours] = [await lab.backup('other', 'x'), await lab.backup('app', 'y')]
    await rewrite(ours.path, () => readFileSync(join(other.path, 'backup.kwf')))
    await expectDamaged(ours.path)
  })

  it('a file that an application encrypted under the same key', async () => {
    const { path } = await lab.backup()
    const honest = (await lab.keywright.backups.list(lab.backups))[0]?.manifest
    if (honest === undefined) throw new Error('no manifest')
    const file = await lab.sealed(framesOf(honest, once('chosen')), { purpose: 'upload' })
    await rewrite(path, () => file)
    await expectDamaged(path)
  })

  it('nothing at all, and what is no backup', async () => {
    await expectCode(lab.keywright.backups.verify({ from: lab.path('nowhere') }), 'ERR_BACKUP_UNKNOWN')
    await mkdir(lab.path('empty'))
    await expectDamaged(lab.path('empty'))
    await writeFile(lab.path('text'), 'some text')
    await expectDamaged(lab.path('text'))
  })
})

describe('a stream that its maker got wrong', () => {
  const frame = (type: string, text: string): Buffer => {
    const bytes = Buffer.from(text)
    const header = Buffer.alloc(5)
    header.write(type)
    header.writeUInt32BE(bytes.length, 1)
    return Buffer.concat([header, bytes])
  }

  const whole = async (frames: AsyncIterable<Uint8Array>): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync(frames))

  it.each<[string, (honest: Buffer) => Buffer]>([
    ['without a tail', (honest) => honest.subarray(0, honest.lastIndexOf('{"contentBytes"') - 5)],
    ['cut within its tail', (honest) => honest.subarray(0, -3)],
    ['with content behind its tail', (honest) => Buffer.concat([honest, frame('D', 'more')])],
    ['with two heads', (honest) => Buffer.concat([honest, honest.subarray(4)])],
    ['with an unknown part', (honest) => Buffer.concat([honest, frame('X', '')])],
    ['with half a part', (honest) => Buffer.concat([honest, Buffer.from('D')])],
    ['with a checksum too many', (honest) => splice(honest, frame('C', 'c'.repeat(32)))],
    ['with half a checksum', (honest) => splice(honest, frame('C', 'c'))],
    ['with a tail that is no JSON', (honest) => replaceTail(honest, frame('T', 'x'))],
    ['with a tail that lacks members', (honest) => replaceTail(honest, frame('T', '{}'))],
    ['with a tail of another content', (honest) => replaceTail(honest, frame('T', tail('other')))],
    ['that does not begin as one', (honest) => Buffer.concat([Buffer.from('KWB2'), honest.subarray(4)])],
    ['that is empty', () => Buffer.alloc(0)],
    ['with a part of a gigabyte', (honest) => Buffer.concat([honest, Buffer.from('D\x40\0\0\0')])],
  ])('%s', async (_, change) => {
    const path = await lab.forge('stream', (identity) => {
      const changed = whole(framesOf(identity, once('content'))).then(change)
      return (async function* () {
        yield await changed
      })()
    })
    await expectDamaged(join(path, 'backup.kwf'))
  })

  const tailAt = (honest: Buffer): number => honest.lastIndexOf('{"contentBytes"') - 5
  const splice = (honest: Buffer, part: Buffer): Buffer =>
    Buffer.concat([honest.subarray(0, tailAt(honest)), part, honest.subarray(tailAt(honest))])
  const replaceTail = (honest: Buffer, part: Buffer): Buffer =>
    Buffer.concat([honest.subarray(0, tailAt(honest)), part])
  const tail = (content: string): string =>
    JSON.stringify({ contentBytes: content.length, sha256: sha256(Buffer.from(content)), files: 1 })
})
