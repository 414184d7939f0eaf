import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import fileProvider, { createKeyFile, type FileProviderOptions } from '../../providers/file.ts'
import { failureOf, runProviderConformance, sameBytes } from '../conformance/provider.ts'
import {
  byPassword,
  context,
  kdf,
  makeRoot,
  openAt,
  openNewAt,
  password,
  rejects,
  rootKey,
  rootSecret,
} from './file-kit.ts'

let files: Awaited<ReturnType<typeof makeRoot>>
let path: string
beforeAll(async () => {
  files = await makeRoot()
})
afterAll(() => files.remove())
beforeEach(() => {
  path = files.newPath()
})

const open = (options: Partial<FileProviderOptions> = {}) => openAt(path, options)
const openNew = (options: Partial<FileProviderOptions> = {}) => openNewAt(path, options)

/** The path of a key file with another master key. */
const otherFile = async (): Promise<string> => {
  const other = files.newPath()
  await createKeyFile({ path: other, rootSecret })
  return other
}

/** A master key that no key file holds. */
const NO_SUCH_KEY = `keyfile:${'0'.repeat(32)}`
const SKIPS = [
  {
    reason: 'a key file has no states; one that is gone or unreadable has codes of its own: ERR_KEY_FILE_…',
    tests: [
      'a disabled master key refuses, an enabled one serves again',
      'a deleted master key has its code',
      'a missing permission has its code',
    ],
  },
  {
    reason: 'a file has no server and takes no credentials',
    tests: [
      'an unreachable server fails with its code',
      'a hanging server ends with the signal',
      'throttled, then served',
      'credentials that expire are renewed',
    ],
  },
]

runProviderConformance(
  'file, sealed by a key',
  {
    async open() {
      const paths = [files.newPath(), files.newPath()] as const
      path = paths[0]
      return [await openNewAt(paths[0]), await openNewAt(paths[1])]
    },
    reopen: async () => open(),
    async openBroken() {
      path = files.newPath()
      return { provider: open(), repair: async () => void (await createKeyFile({ path, rootSecret })) }
    },
    openPinned: async (pinnedVersion) => open({ pinnedVersion }),
    openUnknown: async () => openAt(await otherFile(), { masterKeyId: NO_SUCH_KEY }),
    secrets: () => [rootKey],
  },
  SKIPS,
)

runProviderConformance(
  'file, sealed by a password',
  {
    async open() {
      const secret = { kdf, ...byPassword(password) }
      path = files.newPath()
      return [await openNew(secret), await openNewAt(files.newPath(), secret)]
    },
    reopen: async () => open(byPassword(password)),
    openPinned: async (pinnedVersion) => open({ ...byPassword(password), pinnedVersion }),
    openUnknown: async () => openAt(await otherFile(), { masterKeyId: NO_SUCH_KEY }),
    async openBroken() {
      path = files.newPath()
      await mkdir(join(path, '..'))
      await writeFile(path, '')
      const provider = open({ create: true })
      return { provider, repair: () => rm(path) }
    },
    secrets: () => [password],
  },
  SKIPS,
)

describe('making a key file', () => {
  it('makes folder and file for the owner alone, and tells which master key it is', async () => {
    const made = await createKeyFile({ path, rootSecret })
    expect(made).toMatchObject({ masterKeyVersion: '1', sealed: true })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
    expect((await open().describeMasterKey()).id).toBe(made.masterKeyId)
    expect((await readdir(join(path, '..'))).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it.each([
    ['a key file', () => createKeyFile({ path, rootSecret })],
    ['an empty file', () => mkdir(join(path, '..')).then(() => writeFile(path, ''))],
    ['a folder', () => mkdir(path, { recursive: true })],
    ['a dangling link', () => mkdir(join(path, '..')).then(() => symlink('nowhere', path))],
  ])('refuses where %s is, and leaves it untouched', async (_, prepare) => {
    await prepare()
    const content = () => readFile(path).catch((error: NodeJS.ErrnoException) => error.code)
    const before = await content()
    await rejects(() => createKeyFile({ path, rootSecret }), 'ERR_KEY_FILE_EXISTS')
    expect(await content()).toEqual(before)
  })

  it('eight at once make one file; who asked for a new one is told', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => createKeyFile({ path, rootSecret })),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_KEY_FILE_EXISTS' })
    }
  })

  it('eight providers with create: true share the one file they made', async () => {
    const providers = Array.from({ length: 8 }, () => open({ create: true }))
    const wraps = await Promise.all(providers.map((provider) => provider.wrapKey(rootKey, context)))
    expect(new Set(wraps.map(({ masterKeyId }) => masterKeyId)).size).toBe(1)
    for (const wrapped of wraps)
      expect(sameBytes(await open().unwrapKey(wrapped, context), rootKey)).toBe(true)
  })

  it('a first call that rotates makes the file too', async () => {
    expect(await open({ create: true }).rotateMasterKey?.()).toMatchObject({ version: '2' })
  })

  it('refuses an unsealed file in production, and makes nothing', async () => {
    await rejects(() => createKeyFile({ path, production: true }), 'ERR_ROOT_SECRET_MISSING')
    const provider = fileProvider({ create: true, path, production: true })
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_ROOT_SECRET_MISSING')
    expect(existsSync(path)).toBe(false)
  })

  it('says so when it cannot write', async () => {
    await writeFile(join(files.root, 'a-file'), '')
    for (const bad of [join('a-file', 'key'), join('a-file', 'x', 'key')]) {
      const create = () => createKeyFile({ path: join(files.root, bad), rootSecret })
      await rejects(create, 'ERR_PROVIDER_FAILED')
    }
    const signal = AbortSignal.abort()
    expect(await failureOf(() => createKeyFile({ path, rootSecret, signal }))).toMatchObject({
      code: 'ERR_ABORTED',
    })
    expect(existsSync(path)).toBe(false)
  })
})

describe('an unsealed key file', () => {
  it('works for development and says loudly what it is', async () => {
    const provider = fileProvider({ create: true, path })
    const wrapped = await provider.wrapKey(rootKey, context)
    expect(sameBytes(await provider.unwrapKey(wrapped, context), rootKey)).toBe(true)
    const { warnings = [] } = await provider.describeMasterKey()
    expect(warnings.join()).toContain('THE MASTER KEY LIES IN CLEAR')
    await provider.rotateMasterKey?.()
    expect(sameBytes(await fileProvider({ path }).unwrapKey(wrapped, context), rootKey)).toBe(true)
  })

  it.each([
    ['in production', async () => fileProvider({ path, production: true })],
    ['where a root secret is configured', async () => open()],
    ['that others may read', async () => chmod(path, 0o640).then(() => fileProvider({ path }))],
  ])('is refused %s', async (_, make) => {
    await createKeyFile({ path })
    const provider = await make()
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_KEY_FILE_UNSEALED')
  })

  it('does not take the place of a sealed one', async () => {
    const provider = await openNew()
    await rm(path)
    await createKeyFile({ path })
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_KEY_FILE_UNSEALED')
  })
})

describe('modes and links', () => {
  it('warns of a sealed file that others may read, and a rotation keeps its mode', async () => {
    const provider = await openNew()
    expect((await provider.describeMasterKey()).warnings).toEqual([])
    await chmod(path, 0o640)
    expect((await provider.describeMasterKey()).warnings?.join()).toContain('chmod 600')
    await provider.rotateMasterKey?.()
    expect((await stat(path)).mode & 0o777).toBe(0o640)
  })

  it('a rotation through a symbolic link replaces the file behind it', async () => {
    await createKeyFile({ path, rootSecret })
    const link = join(files.root, 'link.key')
    await symlink(path, link)
    await openAt(link).rotateMasterKey?.()
    expect((await open().describeMasterKey()).version).toBe('2')
    expect((await openAt(link).describeMasterKey()).version).toBe('2')
  })
})
