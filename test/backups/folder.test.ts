/** Folders: what comes back is what was there; what cannot be kept is told. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, truncateSync, utimesSync } from 'node:fs'
import { chmod, chown, lutimes, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BackupProgress } from '../../src/data/backups/create.ts'
import { expectCode } from '../kit/failures.ts'
import { Lab, pictureOf } from './kit.ts'

const isRoot = process.getuid?.() === 0

let lab: Lab
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.end())

const create = (folder: string, more = {}) =>
  lab.keywright.backups.create({ to: lab.backups, name: 'tree', source: { folder }, ...more })

async function roundTrip(folder: string, more = {}): Promise<void> {
  const { path } = await create(folder, more)
  const to = lab.path(`restored-${randomBytes(4).toString('hex')}`)
  await lab.keywright.backups.restore({ from: path, to })
  expect(pictureOf(to)).toEqual(pictureOf(folder))
}

describe('what comes back', () => {
  it.each(['none', 'zstd'] as const)('is the whole tree (compression %s)', async (compression) => {
    const root = await lab.tree('tree', {
      empty: '',
      one: 'x',
      'sub/segment': randomBytes(65_536),
      'sub/deep/large': randomBytes(3_000_001),
      'sub/ünïcode 🔑': 'name',
      'sub/new\nline': 'name',
      [`sub/${'long'.repeat(60)}`]: 'name of 240 bytes',
      [`${'folder-of-some-length/'.repeat(12)}file`]: 'deep',
      'secret.key': 'mode 600',
      'run.sh': 'mode 755',
      old: 'from 1970',
      future: 'from 2050',
    })
    await mkdir(join(root, 'nothing'))
    await mkdir(join(root, 'locked'))
    await writeFile(join(root, 'locked/file'), 'in a folder nobody writes into')
    await symlink('../one', join(root, 'sub/link'))
    await symlink('sub', join(root, 'to-folder'))
    await symlink('nowhere', join(root, 'broken'))
    await lutimes(join(root, 'broken'), 1_000_000_000, 1_000_000_000)
    await chmod(join(root, 'secret.key'), 0o600)
    await chmod(join(root, 'run.sh'), 0o755)
    await utimes(join(root, 'old'), 5, 5)
    utimesSync(join(root, 'future'), 2_524_608_000, 2_524_608_000)
    await chmod(join(root, 'locked'), 0o555)
    await chmod(root, 0o750)
    await roundTrip(root, { compression })
  })

  it.skipIf(!isRoot)('has the owners and the set-id bits, where root restores', async () => {
    const root = await lab.tree('tree', { a: 'a', b: 'b', c: 'mode 0' })
    await chown(join(root, 'a'), 1234, 5678)
    await chmod(join(root, 'a'), 0o4750)
    await chown(join(root, 'b'), 1_000_660_000, 1_000_660_001)
    await chmod(join(root, 'c'), 0)
    await roundTrip(root)
  })

  it('is any tree', async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
      .filter((one) => !/[/\0]/.test(one) && one !== '.' && one !== '..' && Buffer.from(one).length < 200)
    const files = fc.dictionary(name, fc.uint8Array({ maxLength: 2000 }), { maxKeys: 12 })
    let run = 0
    await fc.assert(
      fc.asyncProperty(files, files, async (outer, inner) => {
        run++
        const below = Object.entries(inner).map(([one, content]) => [`in side/${one}`, content])
        const all = { ...outer, ...Object.fromEntries(below) }
        await roundTrip(await lab.tree(`tree ${run}`, 'in side' in outer ? inner : all))
      }),
      { numRuns: 12 },
    )
  })

  it('comes as a tar archive into a sink', async () => {
    const root = await lab.tree('tree', { 'a/b': 'ada' })
    const { path } = await create(root)
    const chunks: Uint8Array[] = []
    await lab.keywright.backups.restore({
      from: path,
      to: async (chunk) => void chunks.push(Buffer.from(chunk)),
    })
    const listed = spawnSync('tar', ['-xOf', '-', './a/b', 'a/b'], { input: Buffer.concat(chunks) })
    expect(listed.stdout.toString()).toBe('ada')
  })
})

describe('what is left out', () => {
  it('is told: sockets, pipes, links that leave the folder', async () => {
    const root = await lab.tree('tree', { 'sub/file': 'x' })
    await symlink('/etc/passwd', join(root, 'absolute'))
    await symlink('../../outside', join(root, 'sub/up'))
    await symlink('sub/../../outside', join(root, 'sneaky'))
    spawnSync('mkfifo', [join(root, 'pipe')])
    const server = createServer().listen(join(root, 'socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    const { files, left, path } = await create(root)
    server.close()
    expect([files, left]).toEqual([
      1,
      { count: 5, names: ['absolute', 'pipe', 'sneaky', 'socket', 'sub/up'] },
    ])
    const to = lab.path('out')
    await lab.keywright.backups.restore({ from: path, to })
    expect((await readdir(to, { recursive: true })).sort()).toEqual(['sub', 'sub/file'])
  })

  it('is the folder of backups itself', async () => {
    const root = await lab.tree('tree', { file: 'x' })
    const to = join(root, 'backups')
    const first = await lab.keywright.backups.create({ to, name: 'tree', source: { folder: root } })
    const second = await lab.keywright.backups.create({ to, name: 'tree', source: { folder: root } })
    expect([first.files, second.files, second.left.count]).toEqual([1, 1, 0])
  })

  it('are names: neither the file nor the manifest tells one', async () => {
    const root = await lab.tree('the-name-of-the-tree', { 'the-name-of-a-file': 'the content of a file' })
    const { file, path } = await create(root)
    const stored = Buffer.concat(['manifest.json', file].map((one) => readFileSync(join(path, one))))
    for (const text of ['the-name-of', 'the content']) expect(stored.includes(text)).toBe(false)
  })
})

describe('a source that is not as it should be', () => {
  const nothingIsLeft = async (): Promise<void> => expect(await lab.entries()).toEqual([])

  it('is not there', async () => {
    await expectCode(create(lab.path('nowhere')), 'ERR_FILE_MISSING')
    await nothingIsLeft()
  })

  it('lies in the folder of backups', async () => {
    await mkdir(join(lab.backups, 'x'), { recursive: true })
    for (const folder of [lab.backups, join(lab.backups, 'x')])
      await expectCode(create(folder), 'ERR_ARGUMENT_INVALID')
  })

  it('has a name that is not UTF-8', async () => {
    const root = await lab.tree('tree', { ok: '' })
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x41])]), 'x')
    await expectCode(create(root), 'ERR_FILE_UNREADABLE')
    await nothingIsLeft()
  })

  it('grows while it is read: what was there when it was opened is kept, and told', async () => {
    const root = await lab.tree('tree', { log: Buffer.alloc(4_000_000, 'a') })
    let isGrown = false
    const { changed, path } = await create(root, {
      onProgress: ({ bytes }: BackupProgress) => {
        if (bytes === 0 || isGrown) return
        appendFileSync(join(root, 'log'), 'more')
        isGrown = true
      },
    })
    expect(changed).toEqual({ count: 1, names: ['log'] })
    const to = lab.path('out')
    await lab.keywright.backups.restore({ from: path, to })
    expect(readFileSync(join(to, 'log'))).toEqual(Buffer.alloc(4_000_000, 'a'))
  })

  it('shrinks while it is read', async () => {
    const root = await lab.tree('tree', { log: Buffer.alloc(8_000_000, 'a') })
    const onProgress = ({ bytes }: BackupProgress): void => {
      if (bytes > 0) truncateSync(join(root, 'log'), 10)
    }
    await expectCode(create(root, { onProgress }), 'ERR_FILE_CHANGED')
    await nothingIsLeft()
  })
})

describe('a target', () => {
  it('that exists is left alone without force, whatever it is', async () => {
    const { path } = await create(await lab.tree('tree', { file: 'new' }))
    await lab.tree('there', { mine: 'mine' })
    await writeFile(lab.path('a-file'), 'mine')
    await symlink('nowhere', lab.path('a-link'))
    for (const name of ['there', 'a-file', 'a-link'])
      await expectCode(lab.keywright.backups.restore({ from: path, to: lab.path(name) }), 'ERR_FILE_EXISTS')
    expect(readFileSync(lab.path('there/mine'), 'utf8')).toBe('mine')
    expect(readFileSync(lab.path('a-file'), 'utf8')).toBe('mine')
  })

  it('is replaced as a whole with force, a folder that nobody writes into too', async () => {
    const root = await lab.tree('tree', { file: 'new' })
    const { path } = await create(root)
    const there = await lab.tree('there', { 'mine/file': 'mine' })
    await chmod(join(there, 'mine'), 0o555)
    await lab.keywright.backups.restore({ from: path, to: there, force: true })
    expect(pictureOf(there)).toEqual(pictureOf(root))
    await writeFile(lab.path('a-file'), 'mine')
    await lab.keywright.backups.restore({ from: path, to: lab.path('a-file'), force: true })
    expect(pictureOf(lab.path('a-file'))).toEqual(pictureOf(root))
    expect((await readdir(lab.folder)).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('in a folder that is not there', async () => {
    const { path } = await create(await lab.tree('tree', { file: 'new' }))
    await expectCode(
      lab.keywright.backups.restore({ from: path, to: lab.path('no/where') }),
      'ERR_FILE_MISSING',
    )
    expect(existsSync(lab.path('no'))).toBe(false)
  })

  it('that is a link is not followed with force', async () => {
    const { path } = await create(await lab.tree('tree', { file: 'new' }))
    await lab.tree('there', { mine: 'mine' })
    await symlink('there', lab.path('link'))
    const restoring = lab.keywright.backups.restore({ from: path, to: lab.path('link'), force: true })
    await expectCode(restoring, 'ERR_ARGUMENT_INVALID')
    expect(readFileSync(lab.path('there/mine'), 'utf8')).toBe('mine')
  })
})
