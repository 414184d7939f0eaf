/** Full disks and read-only ones: every failure has a code, nothing is half-written, and afterwards all goes on. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ErrorCode, type Keywright, KeywrightError } from '../../src/index.ts'
import { openPlace, type Place, placeIn } from '../race/support/place.ts'

const CANNOT_MOUNT = 'only root may mount the file system that this needs'
const ATTEMPTS = 200

let folder: string
const mounts: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-disk-'))
})
afterEach(() => {
  for (const mount of mounts.splice(0).reverse()) spawnSync('umount', ['-l', mount])
  rmSync(folder, { recursive: true, force: true })
})

/** Mounts something below the folder of the test; `undefined` for who may not. */
function mount(name: string, ...args: readonly string[]): string | undefined {
  const path = join(folder, name)
  mkdirSync(path)
  if (spawnSync('mount', [...args, path]).status !== 0) return undefined
  mounts.push(path)
  return path
}

const smallDisk = (name: string): string | undefined =>
  mount(name, '-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs')

/** Takes all the space there is, to the last byte. */
function fill(disk: string): void {
  const file = openSync(join(disk, 'ballast'), 'a')
  try {
    for (const size of [65_536, 4096, 64, 1]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size))
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
      }
    }
  } finally {
    closeSync(file)
  }
}

const drain = (disk: string): void => rmSync(join(disk, 'ballast'))

/** Repeats what needs space until it fails; resolves to the code. Room that was reserved earlier may last a while. */
async function codeOf(attempt: () => Promise<unknown>): Promise<ErrorCode> {
  for (let turn = 0; turn < ATTEMPTS; turn++) {
    try {
      await attempt()
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
      expect(error.hint).toMatch(/\w{3,} \w/)
      return error.code
    }
  }
  throw new Error(`did not fail in ${ATTEMPTS} attempts`)
}

/** A Keywright whose messages are leased one by one, so that encrypting soon needs the store. */
const POLICY = { keyTypes: { pii: { maxMessages: 60, rotation: { messages: 60, auto: false } } } }

interface Sealed {
  readonly place: Place
  readonly values: Map<string, string>
}

async function encryptSome(keywright: Keywright, sealed: Sealed, keyType = 'pii'): Promise<void> {
  const text = `value ${sealed.values.size}`
  sealed.values.set(await keywright.encrypt(keyType, text), text)
}

async function prepare(place: Place): Promise<Sealed> {
  const sealed = { place, values: new Map<string, string>() }
  await using keywright = await openPlace(place, { create: true })
  for (let n = 0; n < 5; n++) await encryptSome(keywright, sealed)
  return sealed
}

async function expectAllDecrypt(keywright: Keywright, { values }: Sealed): Promise<void> {
  for (const [ciphertext, text] of values) expect(await keywright.decrypt(ciphertext)).toBe(text)
}

/** What a new process sees: everything sound, nothing lost, and every operation works. */
async function expectToGoOn(sealed: Sealed): Promise<void> {
  await using keywright = await openPlace(sealed.place)
  expect(await keywright.check()).toMatchObject({ state: 'ok' })
  expect(await keywright.verifyAudit()).toMatchObject({ ok: true, problems: [] })
  await expectAllDecrypt(keywright, sealed)
  await keywright.keys.rotate('pii', { force: true, now: true })
  await keywright.keys.rotateMaster('file')
  expect(await keywright.keys.rewrap()).toMatchObject({ conflicts: 0 })
  await encryptSome(keywright, sealed)
  await encryptSome(keywright, sealed, 'session')
  await expectAllDecrypt(keywright, sealed)
  expect(await keywright.verifyAudit()).toMatchObject({ ok: true, problems: [] })
  const keys = (await keywright.keys.list({ keyring: 'pii' })).map(({ version }) => version)
  expect(keys).toEqual(keys.map((_, index) => index + 1))
}

const leftovers = (disk: string): string[] => readdirSync(disk).filter((name) => /tmp/.test(name))

describe('a full disk', () => {
  it('with the audit log on it stops every change before it begins', async ({ skip }) => {
    const disk = smallDisk('disk') ?? skip(CANNOT_MOUNT)
    const sealed = await prepare(placeIn(disk, POLICY))
    {
      await using keywright = await openPlace(sealed.place)
      await encryptSome(keywright, sealed)
      const keysBefore = await keywright.keys.list()
      const keyFile = readFileSync(join(disk, 'master.keys'))
      fill(disk)
      const changes = [
        () => keywright.keys.rotate('pii', { force: true, now: true }),
        () => keywright.keys.rotateMaster('file'),
        () => keywright.keyring('pii', { tenant: 'new' }),
        () => keywright.keys.suspend(keysBefore[0]?.id ?? 0, 'full'),
      ]
      for (const change of changes) expect(await codeOf(change)).toBe('ERR_AUDIT_FAILED')
      expect((await keywright.keys.list()).map(({ id, state }) => [id, state])).toEqual(
        keysBefore.map(({ id, state }) => [id, state]),
      )
      expect(readFileSync(join(disk, 'master.keys'))).toEqual(keyFile)
      expect(await codeOf(() => encryptSome(keywright, sealed))).toMatch(/^ERR_(STORE_FULL|KEY_EXHAUSTED)$/)
      await expectAllDecrypt(keywright, sealed)
      drain(disk)
      await keywright.keys.rotate('pii', { force: true, now: true })
      await encryptSome(keywright, sealed)
    }
    await expectToGoOn(sealed)
    expect(leftovers(disk)).toEqual([])
  })

  it('without the audit log on it leaves store and key file as they were', async ({ skip }) => {
    const disk = smallDisk('disk') ?? skip(CANNOT_MOUNT)
    const place = placeIn(disk, POLICY, { ENCRYPTION_AUDIT_PATH: join(folder, 'audit.jsonl') })
    const sealed = await prepare(place)
    {
      await using keywright = await openPlace(place)
      await encryptSome(keywright, sealed)
      await keywright.keys.rotateMaster('file')
      const keyFile = readFileSync(join(disk, 'master.keys'))
      fill(disk)
      const rotate = () => keywright.keys.rotate('pii', { force: true, now: true })
      expect(await codeOf(rotate)).toBe('ERR_STORE_FULL')
      const keys = await keywright.keys.list()
      expect(await codeOf(() => keywright.keyring('pii', { tenant: 'new' }))).toBe('ERR_STORE_FULL')
      expect(await codeOf(() => keywright.keys.rewrap())).toBe('ERR_STORE_FULL')
      expect(await codeOf(() => keywright.keys.rotateMaster('file'))).toBe('ERR_PROVIDER_FAILED')
      expect(await keywright.keys.list()).toEqual(keys)
      expect(readFileSync(join(disk, 'master.keys'))).toEqual(keyFile)
      await expectAllDecrypt(keywright, sealed)
    }
    drain(disk)
    await expectToGoOn(sealed)
    expect(leftovers(disk)).toEqual([])
  })

  it('does not take a new installation, and leaves nothing of it', async ({ skip }) => {
    const disk = smallDisk('disk') ?? skip(CANNOT_MOUNT)
    fill(disk)
    const place = placeIn(join(disk, 'deep'), POLICY)
    await expect(openPlace(place, { create: true })).rejects.toMatchObject({ code: 'ERR_STORE_FULL' })
    expect(readdirSync(place.folder)).toEqual([])
    drain(disk)
    await expectToGoOn(await prepare(place))
  })

  it('opens, or says that it is full, and loses nothing', async ({ skip }) => {
    const disk = smallDisk('disk') ?? skip(CANNOT_MOUNT)
    const sealed = await prepare(placeIn(disk, POLICY))
    fill(disk)
    try {
      await using keywright = await openPlace(sealed.place)
      await expectAllDecrypt(keywright, sealed)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_STORE_FULL' })
    }
    drain(disk)
    await expectToGoOn(sealed)
  })
})

/** File modes do not stop root, a mount does. */
describe('a read-only disk', () => {
  it('decrypts, and refuses every change with its code', async ({ skip }) => {
    const disk = smallDisk('disk') ?? skip(CANNOT_MOUNT)
    const sealed = await prepare(placeIn(disk, POLICY))
    const view = mount('view', '--bind', '-o', 'ro', disk) ?? skip(CANNOT_MOUNT)
    const { environment } = sealed.place
    const viewed = placeIn(view, POLICY, {
      ENCRYPTION_MASTER_KEY: environment['ENCRYPTION_MASTER_KEY'] ?? '',
    })
    {
      await using keywright = await openPlace(viewed)
      await expectAllDecrypt(keywright, sealed)
      expect(await keywright.verifyAudit()).toMatchObject({ ok: true })
      const [key] = await keywright.keys.list()
      const changes = [
        () => keywright.keys.rotate('pii', { force: true }),
        () => keywright.keys.rotateMaster('file'),
        () => keywright.keyring('session'),
        () => keywright.keys.suspend(key?.id ?? 0, 'read-only'),
      ]
      for (const change of changes) expect(await codeOf(change)).toBe('ERR_AUDIT_FAILED')
      expect(await codeOf(() => keywright.encrypt('pii', 'x'))).toBe('ERR_STORE_READ_ONLY')
    }
    {
      await using keywright = await openPlace(viewed, { audit: false })
      expect(await codeOf(() => keywright.keys.rotate('pii', { force: true }))).toBe('ERR_STORE_READ_ONLY')
      expect(await codeOf(() => keywright.keys.rotateMaster('file'))).toBe('ERR_PROVIDER_FAILED')
      await expectAllDecrypt(keywright, sealed)
    }
    await expectToGoOn(sealed)
  })

  it('takes no new installation, and says why', async ({ skip }) => {
    const view = mount('view', '-t', 'tmpfs', '-o', 'size=64k,ro', 'tmpfs') ?? skip(CANNOT_MOUNT)
    for (const place of [placeIn(view), placeIn(join(view, 'new'))]) {
      await expect(openPlace(place, { create: true })).rejects.toMatchObject({ code: 'ERR_STORE_READ_ONLY' })
    }
  })
})
