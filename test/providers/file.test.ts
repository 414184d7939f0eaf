import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import fileProvider, { createKeyFile, type FileProviderOptions } from '../../providers/file.ts'
import type { KeyProvider } from '../../src/provider.ts'
import {
  expectNoSecret,
  failureOf,
  runProviderConformance,
  sameBytes,
  wrapContext,
} from '../conformance/provider.ts'

const rootKey = Uint8Array.from(randomBytes(32))
const rootSecret = { bytes: rootKey, kind: 'key' } as const
const password = 'correct horse battery staple'
const kdf = { memoryKiB: 7168, passes: 5 }
const context = wrapContext()

let root: string
let path: string
let count = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'keywright-file-'))
})
afterAll(() => rm(root, { force: true, recursive: true }))
beforeEach(() => {
  path = newPath()
})

function newPath(): string {
  count += 1
  return join(root, String(count), 'master.key')
}

function open(options: Partial<FileProviderOptions> = {}): KeyProvider {
  return fileProvider({ checkIntervalMs: 0, path, rootSecret, ...options })
}

async function openNew(options: Partial<FileProviderOptions> = {}): Promise<KeyProvider> {
  const provider = open({ create: true, ...options })
  await provider.describeMasterKey()
  return provider
}

async function rejects(call: () => Promise<unknown>, code: string): Promise<void> {
  const error = await failureOf(call)
  expect(error).toMatchObject({ code, hint: expect.stringMatching(/\w+ \w+/) })
  expectNoSecret(error, [rootKey, password])
}

runProviderConformance('file, sealed by a key', {
  async open() {
    const paths = [newPath(), newPath()] as const
    path = paths[0]
    return [await openNew({ path: paths[0] }), await openNew({ path: paths[1] })]
  },
  reopen: async () => open(),
  async openBroken() {
    path = newPath()
    return { provider: open(), repair: async () => void (await createKeyFile({ path, rootSecret })) }
  },
  secrets: () => [rootKey],
})

runProviderConformance('file, sealed by a password', {
  async open() {
    const secret = { kdf, rootSecret: { kind: 'password', password } } as const
    path = newPath()
    return [await openNew(secret), await openNew({ ...secret, path: newPath() })]
  },
  reopen: async () => open({ rootSecret: { kind: 'password', password } }),
  async openBroken() {
    path = newPath()
    await mkdir(join(path, '..'))
    await writeFile(path, '')
    const provider = open({ create: true })
    return { provider, repair: () => rm(path) }
  },
  secrets: () => [password],
})

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
    await writeFile(join(root, 'a-file'), '')
    await rejects(
      () => createKeyFile({ path: join(root, 'a-file', 'x', 'key'), rootSecret }),
      'ERR_PROVIDER_FAILED',
    )
    const signal = AbortSignal.abort()
    expect(await failureOf(() => createKeyFile({ path, rootSecret, signal }))).toMatchObject({
      code: 'ERR_ABORTED',
    })
    expect(existsSync(path)).toBe(false)
  })
})

describe('a key file that does not open', () => {
  const broken: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    ['missing', 'ERR_KEY_FILE_MISSING', () => rm(path)],
    ['a link to nothing', 'ERR_KEY_FILE_MISSING', () => rm(path).then(() => symlink('nowhere', path))],
    ['empty', 'ERR_KEY_FILE_EMPTY', () => writeFile(path, '')],
    [
      'truncated',
      'ERR_KEY_FILE_TRUNCATED',
      async () => writeFile(path, (await readFile(path)).subarray(0, -20)),
    ],
    ['a folder', 'ERR_KEY_FILE_UNREADABLE', () => rm(path).then(() => mkdir(path))],
    [
      'corrupt',
      'ERR_KEY_FILE_CORRUPT',
      async () => writeFile(path, (await readFile(path, 'utf8')).replace('A', 'B')),
    ],
    ['no key file', 'ERR_KEY_FILE_CORRUPT', () => writeFile(path, 'not a key file')],
    ['huge', 'ERR_KEY_FILE_CORRUPT', () => writeFile(path, Buffer.alloc(2_000_000))],
  ]

  it.each(broken)('%s: %s', async (_, code, damage) => {
    await createKeyFile({ path, rootSecret })
    await damage()
    for (const create of code === 'ERR_KEY_FILE_MISSING' ? [false] : [false, true]) {
      const provider = open({ create })
      const wrapped = await openNew({ path: newPath() }).then((other) => other.wrapKey(rootKey, context))
      await rejects(() => provider.wrapKey(rootKey, context), code)
      await rejects(() => provider.unwrapKey(wrapped, context), code)
      await rejects(() => provider.describeMasterKey(), code)
      await rejects(async () => provider.rotateMasterKey?.(), code)
    }
    expect(existsSync(path)).toBe(code !== 'ERR_KEY_FILE_MISSING')
  })

  it.each(broken)('%s while it is in use: no new wraps, old ones open', async (_, code, damage) => {
    const provider = await openNew()
    const wrapped = await provider.wrapKey(rootKey, context)
    await damage()
    await rejects(() => provider.wrapKey(rootKey, context), code)
    await rejects(() => provider.wrapKey(rootKey, context), code)
    await rejects(async () => provider.rotateMasterKey?.(), code)
    expect(sameBytes(await provider.unwrapKey(wrapped, context), rootKey)).toBe(true)
    expect(existsSync(path)).toBe(code !== 'ERR_KEY_FILE_MISSING')
  })

  it('is unreadable without permission', async ({ skip }) => {
    skip(process.getuid?.() === 0, 'root may read every file')
    await createKeyFile({ path, rootSecret })
    await chmod(path, 0o000)
    await rejects(() => open({ create: true }).wrapKey(rootKey, context), 'ERR_KEY_FILE_UNREADABLE')
  })
})

describe('root secret', () => {
  const byPassword = (text: string) => ({ rootSecret: { kind: 'password', password: text } }) as const

  it.each([
    ['one character less', password.slice(1)],
    ['one character more', `${password} `],
    ['another case', password.replace('c', 'C')],
  ])('refuses a password with %s', async (_, wrong) => {
    await createKeyFile({ kdf, path, ...byPassword(password) })
    const provider = open(byPassword(wrong))
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_ROOT_SECRET_WRONG')
    expect(String(await failureOf(() => provider.describeMasterKey()))).toContain(
      'wrong password or damaged file',
    )
    await open(byPassword(password)).describeMasterKey()
  })

  it('refuses a root key with one bit flipped', async () => {
    await createKeyFile({ path, rootSecret })
    const bytes = rootKey.with(0, (rootKey[0] ?? 0) ^ 1)
    const error = await failureOf(() => open({ rootSecret: { bytes, kind: 'key' } }).describeMasterKey())
    expect(error).toMatchObject({
      code: 'ERR_ROOT_SECRET_WRONG',
      message: expect.stringContaining('wrong root key'),
    })
  })

  it('says when it is a password in place of a key, and the reverse', async () => {
    await createKeyFile({ path, rootSecret })
    const error = await failureOf(() => open(byPassword(password)).describeMasterKey())
    expect(error).toMatchObject({
      message: expect.stringContaining('sealed with a root key, not a password'),
    })
    path = newPath()
    await createKeyFile({ kdf, path, ...byPassword(password) })
    const reverse = await failureOf(() => open().describeMasterKey())
    expect(reverse).toMatchObject({
      message: expect.stringContaining('sealed with a password, not a root key'),
    })
  })

  it('is missing for a sealed file', async () => {
    await createKeyFile({ path, rootSecret })
    await rejects(() => fileProvider({ path }).wrapKey(rootKey, context), 'ERR_ROOT_SECRET_MISSING')
  })

  it('is checked before any file is touched', () => {
    for (const options of [{ path, ...byPassword('short') }, { path: '' }, { path, pinnedVersion: '1.0' }]) {
      expect(() => fileProvider(options)).toThrow(expect.objectContaining({ hint: expect.any(String) }))
    }
  })

  it('the file holds neither it nor a master key in clear', async () => {
    const provider = await openNew(byPassword(password))
    await provider.wrapKey(rootKey, context)
    const text = await readFile(path, 'utf8')
    expect(text).not.toContain(password)
    expect(Object.keys(JSON.parse(text))).not.toContain('keys')
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
    const link = join(root, 'link.key')
    await symlink(path, link)
    await open({ path: link }).rotateMasterKey?.()
    expect((await open().describeMasterKey()).version).toBe('2')
    expect((await open({ path: link }).describeMasterKey()).version).toBe('2')
  })
})

describe('versions', () => {
  it('another file is foreign, by both names', async () => {
    const first = await openNew()
    const second = await openNew({ path: newPath() })
    const wrapped = await first.wrapKey(rootKey, context)
    const error = await failureOf(() => second.unwrapKey(wrapped, context))
    const { id } = await second.describeMasterKey()
    expect(error).toMatchObject({ code: 'ERR_KEY_FILE_FOREIGN', hint: expect.stringContaining('rewrap') })
    expect(String(error)).toContain(wrapped.masterKeyId)
    expect(String(error)).toContain(id)
    const odd = await failureOf(() => second.unwrapKey({ ...wrapped, masterKeyId: 'evil\u001b[2J' }, context))
    expect(String(odd)).not.toContain('evil')
  })

  it.each(['0', '2', '01', '1 ', '1.0', '', '-1', '__proto__', 'latest'])(
    'has no version %j',
    async (version) => {
      const provider = await openNew()
      const wrapped = await provider.wrapKey(rootKey, context)
      const unwrap = () => provider.unwrapKey({ ...wrapped, masterKeyVersion: version }, context)
      await rejects(unwrap, 'ERR_MASTER_KEY_NOT_FOUND')
    },
  )

  it('a pinned version is the one that wraps, and such a provider does not rotate', async () => {
    const free = await openNew()
    await free.rotateMasterKey?.()
    const pinned = open({ pinnedVersion: '1' })
    const wrapped = await pinned.wrapKey(rootKey, context)
    expect(wrapped.masterKeyVersion).toBe('1')
    expect((await pinned.describeMasterKey()).version).toBe('1')
    expect([pinned.rotateMasterKey, pinned.capabilities.rotatesMasterKey]).toEqual([undefined, false])
    const newer = await free.wrapKey(rootKey, context)
    expect(newer.masterKeyVersion).toBe('2')
    expect((await pinned.rewrapKey?.(newer, context))?.masterKeyVersion).toBe('1')
    await rejects(() => open({ pinnedVersion: '3' }).wrapKey(rootKey, context), 'ERR_MASTER_KEY_NOT_FOUND')
  })

  it('an older copy of the file is refused while the process lives, also one that went its own way', async () => {
    const provider = await openNew()
    const copy = `${path}.copy`
    await copyFile(path, copy)
    await provider.rotateMasterKey?.()
    const wrapped = await provider.wrapKey(rootKey, context)
    await copyFile(path, `${path}.latest`)
    await rename(copy, path)
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_KEY_FILE_ROLLED_BACK')
    await open().rotateMasterKey?.()
    await open().rotateMasterKey?.()
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_KEY_FILE_ROLLED_BACK')
    await rejects(async () => provider.rotateMasterKey?.(), 'ERR_KEY_FILE_ROLLED_BACK')
    expect((await provider.unwrapKey(wrapped, context)).length).toBe(32)
    await rename(`${path}.latest`, path)
    expect((await provider.wrapKey(rootKey, context)).masterKeyVersion).toBe('2')
  })

  it('another key file in its place is refused while the process lives', async () => {
    const provider = await openNew()
    await rm(path)
    await createKeyFile({ path, rootSecret })
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_KEY_FILE_FOREIGN')
  })

  it('wraps use the version that another process added, at the latest after the interval', async () => {
    const provider = await openNew()
    const slow = open({ checkIntervalMs: 3_600_000 })
    await slow.wrapKey(rootKey, context)
    await provider.rotateMasterKey?.()
    expect((await open().wrapKey(rootKey, context)).masterKeyVersion).toBe('2')
    expect((await slow.wrapKey(rootKey, context)).masterKeyVersion).toBe('1')
    const newer = await provider.wrapKey(rootKey, context)
    expect((await slow.unwrapKey(newer, context)).length).toBe(32) // reads the file for a version it does not know
    expect((await slow.wrapKey(rootKey, context)).masterKeyVersion).toBe('2')
  })

  it('rotations of one and of several providers at once are all kept', async () => {
    const providers = [await openNew(), open(), open()]
    const wraps = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const provider = providers[index % 3] as KeyProvider
        await provider.rotateMasterKey?.()
        return provider.wrapKey(rootKey, context)
      }),
    )
    const fresh = open()
    expect((await fresh.describeMasterKey()).version).toBe('13')
    for (const wrapped of wraps)
      expect(sameBytes(await fresh.unwrapKey(wrapped, context), rootKey)).toBe(true)
  })

  it('an abort during the wait for the lock ends it with its code, whatever the reason', async () => {
    const provider = await openNew()
    for (const [reason, code] of [
      [new Error('because'), 'ERR_ABORTED'],
      ['text', 'ERR_ABORTED'],
      [new DOMException('late', 'TimeoutError'), 'ERR_PROVIDER_TIMEOUT'],
    ] as const) {
      const controller = new AbortController()
      const rotation = failureOf(async () => provider.rotateMasterKey?.({ signal: controller.signal }))
      controller.abort(reason)
      expect(await rotation).toMatchObject({ code })
    }
    expect((await open().describeMasterKey()).version).toBe('1')
  })

  it('refuses calls after it was closed, and opens no file any more', async () => {
    const provider = await openNew()
    await provider.close?.()
    for (const call of [() => provider.wrapKey(rootKey, context), () => provider.describeMasterKey()]) {
      expect(await failureOf(call)).toMatchObject({ code: 'ERR_CLOSED' })
    }
  })
})
