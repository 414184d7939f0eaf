import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import fileProvider, { createKeyFile, type FileProviderOptions } from '../../providers/file.ts'
import { failureOf, sameBytes } from '../conformance/provider.ts'
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
    ['a pipe', 'ERR_KEY_FILE_UNREADABLE', () => rm(path).then(() => execFileSync('mkfifo', [path]))],
    ['a folder', 'ERR_KEY_FILE_UNREADABLE', () => rm(path).then(() => mkdir(path))],
    [
      'corrupt',
      'ERR_KEY_FILE_CORRUPT',
      async () =>
        writeFile(path, (await readFile(path, 'utf8')).replace('"generation": 1', '"generation": 2')),
    ],
    ['no key file', 'ERR_KEY_FILE_CORRUPT', () => writeFile(path, 'not a key file')],
    ['huge', 'ERR_KEY_FILE_CORRUPT', () => writeFile(path, Buffer.alloc(2_000_000))],
  ]

  it.each(broken)('%s: %s', async (_, code, damage) => {
    await createKeyFile({ path, rootSecret })
    await damage()
    for (const create of code === 'ERR_KEY_FILE_MISSING' ? [false] : [false, true]) {
      const provider = open({ create })
      const wrapped = await openNewAt(files.newPath()).then((other) => other.wrapKey(rootKey, context))
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
    const newer = { ...wrapped, masterKeyVersion: '2' }
    await rejects(() => provider.unwrapKey(newer, context), code)
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
    path = files.newPath()
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
