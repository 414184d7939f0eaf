import { copyFile, rename, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import fileProvider, { createKeyFile, type FileProviderOptions } from '../../providers/file.ts'
import {
  addMasterKeyVersion,
  createMasterKeyset,
  formatKeyFile,
} from '../../providers/local/master-keyset.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { failureOf, sameBytes } from '../conformance/provider.ts'
import { context, makeRoot, openAt, openNewAt, rejects, rootKey, rootSecret } from './file-kit.ts'

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

describe('versions', () => {
  it('another file is foreign, by both names', async () => {
    const first = await openNew()
    const second = await openNewAt(files.newPath())
    const wrapped = await first.wrapKey(rootKey, context)
    const error = await failureOf(() => second.unwrapKey(wrapped, context))
    const { id } = await second.describeMasterKey()
    expect(error).toMatchObject({
      code: 'ERR_KEY_FILE_FOREIGN',
      hint: expect.stringContaining('put back the key file'),
    })
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

  it('a lower generation is refused even where no version is lost', async () => {
    const keyset = addMasterKeyVersion(createMasterKeyset(0), 1)
    await createKeyFile({ path })
    await writeFile(path, formatKeyFile(keyset))
    const provider = fileProvider({ checkIntervalMs: 0, path })
    await provider.wrapKey(rootKey, context)
    await writeFile(path, formatKeyFile({ ...keyset, generation: 1 }))
    await rejects(() => provider.wrapKey(rootKey, context), 'ERR_KEY_FILE_ROLLED_BACK')
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
