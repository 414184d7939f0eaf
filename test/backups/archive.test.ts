/** Archives as no backup has them: nothing is written outside of the target, and nothing through a link. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { pack } from 'tar-stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isInnerName, staysInside } from '../../src/data/backups/tree-names.ts'
import { expectCode } from '../kit/failures.ts'
import { framesOf, Lab, once } from './kit.ts'

let lab: Lab
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.end())

interface Entry {
  readonly name: string
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'fifo'
  readonly linkname?: string
  readonly content?: string
}

function archive(entries: readonly Entry[]): AsyncIterable<Uint8Array> {
  const tar = pack()
  for (const { content = '', ...header } of entries) {
    if ((header.type ?? 'file') === 'file') tar.entry({ type: 'file', ...header }, content)
    else tar.entry(header)
  }
  tar.finalize()
  return tar as AsyncIterable<Uint8Array>
}

const hashesOf = (entries: readonly Entry[]): Buffer[] =>
  entries
    .filter(({ type = 'file' }) => type === 'file')
    .map(({ content = '' }) => createHash('sha256').update(content).digest())

/** The data file of a backup with these entries, made by somebody who has the keys. */
async function backupOf(entries: readonly Entry[], hashes = hashesOf(entries)): Promise<string> {
  const path = await lab.forge('folder', (identity) =>
    framesOf(identity, archive(entries), { checksums: () => hashes.splice(0) }),
  )
  return join(path, 'backup.kwf')
}

const root: Entry = { name: '.', type: 'directory' }

it('as a backup has them', async () => {
  const entries: Entry[] = [
    root,
    { name: 'a', type: 'directory' },
    { name: 'a/b', content: 'ada' },
    { name: 'l', type: 'symlink', linkname: 'a/b' },
  ]
  await lab.keywright.backups.restore({ from: await backupOf(entries), to: lab.path('out') })
  expect((await readdir(lab.path('out'), { recursive: true })).sort()).toEqual(['a', 'a/b', 'l'])
})

describe('refused', () => {
  it.each<[string, Entry[]]>([
    ['a name that goes up', [{ name: '../evil', content: 'x' }]],
    ['one that goes up on the way', [{ name: 'a/../../evil', content: 'x' }]],
    ['an absolute name', [{ name: '/tmp/keywright-evil', content: 'x' }]],
    ['a name with a dot', [{ name: './evil', content: 'x' }]],
    ['an empty part', [{ name: 'a//evil', content: 'x' }]],
    ['a folder that goes up', [{ name: '../evil', type: 'directory' }]],
    ['a link that goes up', [{ name: 'l', type: 'symlink', linkname: '../evil' }]],
    ['an absolute link', [{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }]],
    ['a link that goes up behind a name', [{ name: 'l', type: 'symlink', linkname: 'a/../../evil' }]],
    ['a hard link', [{ name: 'l', type: 'link', linkname: '/etc/passwd' }]],
    ['a device', [{ name: 'd', type: 'character-device' }]],
    ['a pipe', [{ name: 'p', type: 'fifo' }]],
  ])('%s, by verify too', async (_, entries) => {
    const from = await backupOf([root, ...entries])
    await expectCode(lab.keywright.backups.verify({ from }), 'ERR_BACKUP_DAMAGED')
    await expectCode(lab.keywright.backups.restore({ from, to: lab.path('out') }), 'ERR_BACKUP_DAMAGED')
    expect((await readdir(lab.folder)).sort()).toEqual(['backups'])
    expect(existsSync('/tmp/keywright-evil')).toBe(false)
  })

  it.each<[string, Entry[]]>([
    [
      'a file twice',
      [
        { name: 'a', content: '1' },
        { name: 'a', content: '2' },
      ],
    ],
    [
      'a folder twice',
      [
        { name: 'a', type: 'directory' },
        { name: 'a', type: 'directory' },
      ],
    ],
    [
      'a file and a link',
      [
        { name: 'a', content: '1' },
        { name: 'a', type: 'symlink', linkname: 'b' },
      ],
    ],
    ['a link twice', [1, 2].map(() => ({ name: 'a', type: 'symlink' as const, linkname: 'b' }))],
    [
      'a file through a link',
      [
        { name: 'l', type: 'symlink', linkname: '.' },
        { name: 'l/x', content: '1' },
      ],
    ],
    ['a file in a folder that is missing', [{ name: 'no/x', content: '1' }]],
    [
      'a file below a file',
      [
        { name: 'a', content: '1' },
        { name: 'a/x', content: '1' },
      ],
    ],
  ])('%s', async (_, entries) => {
    const from = await backupOf([root, ...entries])
    await expectCode(lab.keywright.backups.restore({ from, to: lab.path('out') }), 'ERR_BACKUP_DAMAGED')
    expect((await readdir(lab.folder)).sort()).toEqual(['backups'])
  })

  it.each<[string, (hashes: Buffer[]) => Buffer[]]>([
    ['with a wrong checksum', ([first = Buffer.alloc(32)]) => [first, Buffer.alloc(32)]],
    ['with checksums in another order', (hashes) => hashes.reverse()],
    ['with a checksum too few', (hashes) => hashes.slice(1)],
    ['with a checksum too many', (hashes) => [...hashes, Buffer.alloc(32)]],
  ])('files %s', async (_, change) => {
    const entries = [root, { name: 'a', content: '1' }, { name: 'b', content: '2' }]
    const from = await backupOf(entries, change(hashesOf(entries)))
    await expectCode(lab.keywright.backups.verify({ from }), 'ERR_BACKUP_DAMAGED')
  })

  it('what is no archive, and half of one', async () => {
    const half = Buffer.concat(
      await Array.fromAsync(archive([root, { name: 'a', content: 'x'.repeat(900) }])),
    )
    for (const content of [Buffer.alloc(2000, 'x'), half.subarray(0, 1300)]) {
      const path = await lab.forge('folder', (identity) => framesOf(identity, once(content)))
      const from = join(path, 'backup.kwf')
      await expectCode(lab.keywright.backups.verify({ from }), 'ERR_BACKUP_DAMAGED')
      await expectCode(lab.keywright.backups.restore({ from, to: lab.path('out') }), 'ERR_BACKUP_DAMAGED')
    }
  })
})

describe('names', () => {
  it.each([
    ['a', true],
    ['a/b c/ü', true],
    ['..a/b..', true],
    ['', false],
    ['.', false],
    ['..', false],
    ['a/', false],
    ['/a', false],
    ['a/./b', false],
    ['a\0b', false],
  ])('%j: %s', (name, isInner) => {
    expect(isInnerName(name)).toBe(isInner)
  })

  it('links that stay inside by their names never lead out, whatever they lead through', () => {
    const part = fc.constantFrom('a', 'b', 'c', '..', '.')
    const target = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
    const place = fc.constantFrom('l', 'a/l', 'a/b/l', 'm', 'b/m', 'a/c')
    fc.assert(
      fc.property(fc.array(fc.tuple(place, target), { maxLength: 5 }), (links) => {
        const base = mkdtempSync(join(tmpdir(), 'keywright-links-'))
        try {
          const tree = join(base, 'out', 'side', 'tree')
          mkdirSync(join(tree, 'a/b'), { recursive: true })
          mkdirSync(join(tree, 'b'))
          const made = links.filter(([name, to]) => {
            if (!staysInside(name, to) || existsSync(join(tree, name))) return false
            try {
              symlinkSync(to, join(tree, name))
              return true
            } catch {
              return false // the same name twice
            }
          })
          for (const [name] of made) {
            let real: string
            try {
              real = realpathSync(join(tree, name))
            } catch {
              continue // it leads nowhere, or in circles
            }
            expect(`${real}/`.startsWith(`${realpathSync(tree)}/`), `${name} in ${dirname(tree)}`).toBe(true)
          }
        } finally {
          rmSync(base, { recursive: true })
        }
      }),
      { numRuns: 300 },
    )
  })
})
