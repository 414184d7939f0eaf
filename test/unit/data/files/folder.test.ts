/** Folders: names kept or encrypted, what is skipped, what fails, going on after a stop. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encryptFile } from '../../../../src/data/files/encrypt-file.ts'
import { codeOf, FilesPlace } from './kit.ts'

const PII = { keyType: 'pii' } as const
const TREE: Readonly<Record<string, string>> = {
  'a.txt': 'first',
  empty: '',
  'photos/2024/ö ☃.jpg': 'x'.repeat(200_000),
  'photos/b': 'second',
  'deep/er/and/deeper': 'third',
}
let place: FilesPlace
const from = (): string => place.path('from')
const to = (): string => place.path('to')
const back = (): string => place.path('back')

function plant(folder: string, tree: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

/** Every file with its content. */
function treeOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(files.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]))
}

beforeEach(() => {
  place = new FilesPlace()
  plant(from(), TREE)
})
afterEach(() => place.end())

const encrypt = (more: object = {}) => place.kw.files.encryptFolder(from(), to(), { ...PII, ...more })
const decrypt = (more: object = {}) => place.kw.files.decryptFolder(to(), back(), more)
const SIZE = Object.values(TREE).join('').length
const ALL = Object.keys(TREE).length

describe.each(['keep', 'encrypt'] as const)('a folder, names: %s', (names) => {
  it('comes back, and a second run finds nothing to do', async () => {
    mkdirSync(join(from(), 'nothing in it'))
    expect(await encrypt({ names })).toMatchObject({
      done: ALL,
      current: 0,
      skipped: 0,
      failed: 0,
      bytes: SIZE,
    })
    expect(await encrypt({ names })).toMatchObject({ done: 0, current: ALL, failed: 0 })
    expect(await decrypt()).toMatchObject({ done: ALL, failed: 0 })
    expect(await decrypt()).toMatchObject({ done: 0, current: ALL, failed: 0 })
    expect(treeOf(back())).toEqual(TREE)
    expect(existsSync(join(back(), 'nothing in it'))).toBe(names === 'keep')
  })

  it('is looked at first where that is wanted, and nothing is written', async () => {
    const report = await encrypt({ names, dryRun: true })
    expect(report).toMatchObject({ dryRun: true, done: ALL, failed: 0, bytes: SIZE })
    expect(existsSync(to())).toBe(false)
    await encrypt({ names })
    expect(await decrypt({ dryRun: true })).toMatchObject({ dryRun: true, done: ALL })
    expect(existsSync(back())).toBe(false)
  })

  it('takes what is new, and what changed only with force', async () => {
    await encrypt({ names })
    plant(from(), { 'new/file': 'new', 'photos/b': 'changed' })
    utimesSync(join(from(), 'photos/b'), 1_700_000_000, 1_700_000_000)
    const report = await encrypt({ names })
    expect(report).toMatchObject({ done: 1, current: ALL - 1, failed: 1 })
    expect(report.items[0]).toMatchObject({ path: 'photos/b', outcome: 'failed', code: 'ERR_FILE_EXISTS' })
    expect(await encrypt({ names, force: true })).toMatchObject({ done: 1, current: ALL, failed: 0 })
    await decrypt()
    expect(treeOf(back())).toEqual({ ...TREE, 'new/file': 'new', 'photos/b': 'changed' })
  })

  it('goes on after a stop', async () => {
    const abort = new AbortController()
    const options = { names, signal: abort.signal, onItem: () => abort.abort() }
    expect(await codeOf(encrypt(options))).toBe('ERR_ABORTED')
    const { current, done, failed } = await encrypt({ names })
    expect(failed).toBe(0)
    expect(current).toBeGreaterThan(0)
    expect(current + done).toBe(ALL)
    await decrypt()
    expect(treeOf(back())).toEqual(TREE)
    expect(Object.keys(treeOf(to())).every((name) => name.endsWith('.kwf'))).toBe(true)
  })

  it('under another key is still known', async () => {
    await encrypt({ names })
    await place.kw.keys.rotate('pii', { force: true, now: true })
    expect(await encrypt({ names })).toMatchObject({ current: ALL, done: 0 })
    for await (const { path } of place.kw.files.listEncryptedFiles(to()))
      await place.kw.files.reencryptFile(path)
    expect(await encrypt({ names })).toMatchObject({ current: ALL, done: 0 })
    expect(await decrypt({ keyType: 'pii' })).toMatchObject({ done: ALL })
    expect(treeOf(back())).toEqual(TREE)
  })
})

describe('names', () => {
  it('that are encrypted tell nothing, but to whoever may decrypt them', async () => {
    await encrypt({ names: 'encrypt', context: { purpose: 'archive' } })
    const names = readdirSync(to())
    expect(names).toHaveLength(ALL)
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}\.kwf$/)
    const bytes = names.map((name) => readFileSync(join(to(), name)).toString('latin1')).join()
    expect(bytes).not.toMatch(/photos|a\.txt/)
    expect(await decrypt()).toMatchObject({ done: 0, failed: ALL })
    expect(await decrypt({ context: { purpose: 'archive' } })).toMatchObject({ done: ALL, failed: 0 })
  })

  it.each(['../outside', '/etc/passwd', 'a/../../b', 'a//b', './a', '', 'nul\0', 'a\\..\\b'])(
    'that lead out of the folder are refused: %j',
    async (name) => {
      mkdirSync(to())
      // Only who may encrypt can make such a file.
      await encryptFile(place.fileKeys(), join(from(), 'a.txt'), join(to(), 'x.kwf'), PII, { name })
      const report = await decrypt()
      expect(report).toMatchObject({ done: 0, failed: 1 })
      expect(report.items[0]).toMatchObject({ code: 'ERR_FILE_DAMAGED' })
      expect(place.names.filter((path) => /outside|passwd/.test(path))).toEqual([])
    },
  )

  it('of a folder that is a link in the target are refused', async () => {
    await encrypt()
    mkdirSync(back())
    mkdirSync(place.path('elsewhere'))
    symlinkSync(place.path('elsewhere'), join(back(), 'photos'))
    const report = await decrypt()
    expect(report.failed).toBeGreaterThan(0)
    expect(report.items.every(({ code }) => code === 'ERR_FILE_EXISTS')).toBe(true)
    expect(readdirSync(place.path('elsewhere'))).toEqual([])
  })
})

it('two files that carry one name do not replace each other, whatever is wanted', async () => {
  await encrypt({ names: 'encrypt' })
  const [made = ''] = readdirSync(to())
  copyFileSync(join(to(), made), join(to(), 'copy.kwf'))
  const report = await decrypt({ force: true })
  expect(report).toMatchObject({ done: ALL, failed: 1 })
  expect(report.items[0]).toMatchObject({ code: 'ERR_FILE_EXISTS' })
  expect(treeOf(back())).toEqual(TREE)
})

describe('what is no file of ours', () => {
  it('is skipped and told', async () => {
    symlinkSync('/etc/passwd', join(from(), 'link'))
    symlinkSync('photos', join(from(), 'folder-link'))
    execFileSync('mkfifo', [join(from(), 'pipe')])
    plant(from(), { '.keywright-0123456789abcdef01234567.tmp': 'left by kill -9' })
    await place.kw.files.encryptFile(join(from(), 'a.txt'), join(from(), 'done.kwf'), PII)
    const report = await encrypt()
    expect(report).toMatchObject({ done: ALL, skipped: 5, failed: 0 })
    const reasons = Object.fromEntries(report.items.map(({ path, reason }) => [path, reason]))
    expect(reasons).toEqual({
      link: 'symlink',
      'folder-link': 'symlink',
      pipe: 'special',
      '.keywright-0123456789abcdef01234567.tmp': 'temporary',
      'done.kwf': 'encrypted',
    })
    plant(to(), { 'plain.txt': 'not encrypted' })
    expect((await decrypt()).items).toMatchObject([
      { path: 'plain.txt', outcome: 'skipped', reason: 'plain' },
    ])
  })

  it('and a bad file stops no other', async () => {
    await encrypt()
    truncateSync(join(to(), 'photos/2024/ö ☃.jpg.kwf'), 100_000)
    writeFileSync(join(to(), 'a.txt.kwf'), 'KWF1 nonsense')
    const report = await decrypt()
    expect(report).toMatchObject({ done: ALL - 2, failed: 2 })
    const codes = Object.fromEntries(report.items.map(({ path, code }) => [path, code]))
    expect(codes).toEqual({
      'a.txt.kwf': 'ERR_FILE_DAMAGED',
      'photos/2024/ö ☃.jpg.kwf': 'ERR_DECRYPTION_FAILED',
    })
    expect(Object.keys(treeOf(back()))).toHaveLength(ALL - 2)
  })

  it.runIf(process.getuid?.() === 0)('nor does a folder that cannot be read', async () => {
    chmodSync(place.folder, 0o777)
    for (const path of [
      from(),
      ...readdirSync(from(), { recursive: true }).map((name) => join(from(), String(name))),
    ])
      chmodSync(path, 0o755)
    chmodSync(join(from(), 'deep'), 0o700)
    process.seteuid?.(65_534)
    try {
      const report = await encrypt()
      expect(report).toMatchObject({ done: ALL - 1, failed: 1 })
      expect(report.items[0]).toMatchObject({ path: 'deep', code: 'ERR_FILE_UNREADABLE' })
    } finally {
      process.seteuid?.(0)
    }
  })
})

describe('folders', () => {
  it('keep their mode, and may be closed to others', async () => {
    chmodSync(join(from(), 'photos'), 0o750)
    await encrypt()
    expect(lstatSync(join(to(), 'photos')).mode & 0o777).toBe(0o750)
  })

  it.each([
    ['in the source', () => join(from(), 'sealed')],
    ['the source', () => from()],
    ['around the source', () => place.folder],
  ])('of the target may not be %s', async (_, target) => {
    const before = place.names
    expect(await codeOf(place.kw.files.encryptFolder(from(), target(), PII))).toBe('ERR_ARGUMENT_INVALID')
    expect(place.names).toEqual(before)
  })

  it('are not gone through when an option is misspelt', async () => {
    expect(await codeOf(encrypt({ names: 'encrypted' }))).toBe('ERR_ARGUMENT_INVALID')
    expect(await codeOf(place.kw.files.encryptStream({ ...PII, compression: 'gzip' as never }))).toBe(
      'ERR_ARGUMENT_INVALID',
    )
    expect(existsSync(to())).toBe(false)
  })

  it('that are not there, and key types that are not, are told at once', async () => {
    const { files } = place.kw
    expect(await codeOf(files.encryptFolder(place.path('no'), to(), PII))).toBe('ERR_FILE_MISSING')
    expect(await codeOf(files.encryptFolder(from(), to(), { keyType: 'nonsense' }))).toBe(
      'ERR_KEY_TYPE_UNKNOWN',
    )
    place.world.provider.mode = 'down'
    expect(await codeOf(encrypt({ keyType: 'session' }))).toBe('ERR_PROVIDER_UNAVAILABLE')
    expect(existsSync(to())).toBe(false)
  })

  it('tell how far they are', async () => {
    const seen: number[] = []
    let total = 0
    await encrypt({
      onProgress: (progress: { bytes: number; total: number }) => {
        seen.push(progress.bytes)
        total = progress.total
      },
    })
    expect(total).toBe(SIZE)
    expect(seen.at(-1)).toBe(SIZE)
    expect(statSync(join(to(), 'a.txt.kwf')).size).toBe(52 + 5 + 16)
  })
})

it('listing tells of encrypted files by their headers, and of everything else', async () => {
  await encrypt({ compression: 'zstd', recoverable: true })
  rmSync(join(to(), 'deep'), { recursive: true })
  plant(to(), { plain: 'plain', nothing: '', 'bad.kwf': 'KWF1 bad' })
  symlinkSync('plain', join(to(), 'link'))
  place.world.store.down = true // no key is needed
  const others: [string, string][] = []
  const onOther = (path: string, why: string | { code: string }): void =>
    void others.push([path.slice(to().length + 1), typeof why === 'string' ? why : why.code])
  const files = await Array.fromAsync(place.kw.files.listEncryptedFiles(to(), { onOther }))
  expect(files).toHaveLength(ALL - 1)
  for (const file of files)
    expect(file).toMatchObject({ compression: 'zstd', recoverable: true, hasName: false })
  expect(others.sort()).toEqual([
    ['bad.kwf', 'ERR_FILE_DAMAGED'],
    ['link', 'symlink'],
    ['nothing', 'plain'],
    ['plain', 'plain'],
  ])
})
