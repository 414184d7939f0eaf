/** Files on full and read-only disks, and a folder whose encryption is killed again and again. */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectFile } from '../../src/data/files/list-files.ts'
import { codeOf, FilesPlace } from '../unit/data/files/kit.ts'

const CANNOT_MOUNT = 'only root may mount the file system that this needs'
const PII = { keyType: 'pii' } as const

let place: FilesPlace
const mounts: string[] = []
beforeEach(() => {
  place = new FilesPlace()
})
afterEach(async () => {
  for (const mount of mounts.splice(0)) spawnSync('umount', ['-l', mount])
  await place.end()
})

function mount(name: string, options: string): string | undefined {
  const path = place.path(name)
  mkdirSync(path)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status !== 0) return undefined
  mounts.push(path)
  return path
}

describe('a disk that is full', () => {
  it.for([
    ['a small file', 2 * 2 ** 20, 0, 'none'],
    ['a compressed file', 2 * 2 ** 20, 0, 'zstd'],
    ['a large file, by workers', 65 * 2 ** 20, 2, 'none'],
  ] as const)('leaves nothing of %s', async ([_, bytes, workers, compression], { skip }) => {
    const disk = mount('disk', 'size=1m,mode=0700') ?? skip(CANNOT_MOUNT)
    const input = place.write('in', compression === 'zstd' ? randomBytes(bytes) : Buffer.alloc(bytes))
    const options = { ...PII, workers, compression }
    await expect(place.kw.files.encryptFile(input, join(disk, 'out'), options)).rejects.toMatchObject({
      code: 'ERR_DISK_FULL',
      hint: expect.stringContaining('free some space'),
    })
    expect(readdirSync(disk)).toEqual([])
    await place.kw.files.encryptFile(input, place.path('sealed'), options)
    const opened = place.kw.files.decryptFile(place.path('sealed'), join(disk, 'out'), { workers })
    expect(await codeOf(opened)).toBe('ERR_DISK_FULL')
    expect(readdirSync(disk)).toEqual([])
  })

  it('ends the work on a folder, which goes on when there is space', async ({ skip }) => {
    const disk = mount('disk', 'size=1m,mode=0700') ?? skip(CANNOT_MOUNT)
    mkdirSync(place.path('from'))
    for (let file = 0; file < 20; file++) place.write(`from/${file}`, 100_000)
    const run = () => place.kw.files.encryptFolder(place.path('from'), join(disk, 'to'), PII)
    expect(await codeOf(run())).toBe('ERR_DISK_FULL')
    const done = readdirSync(join(disk, 'to'))
    expect(done.filter((name) => !name.endsWith('.kwf'))).toEqual([])
    spawnSync('mount', ['-o', 'remount,size=8m', disk])
    expect(await run()).toMatchObject({ current: done.length, done: 20 - done.length, failed: 0 })
  })
})

it('a disk that is read-only gives its code', async ({ skip }) => {
  const disk = mount('disk', 'size=1m,mode=0700') ?? skip(CANNOT_MOUNT)
  await place.kw.files.encryptFile(place.write('in', 10), join(disk, 'sealed'), PII)
  spawnSync('mount', ['-o', 'remount,ro', disk])
  expect(await codeOf(place.kw.files.encryptFile(place.path('in'), join(disk, 'out'), PII))).toBe(
    'ERR_OUTPUT_FAILED',
  )
  expect(await codeOf(place.kw.files.reencryptFile(join(disk, 'sealed')))).toBe('')
  await place.kw.keys.rotate('pii', { force: true, now: true })
  expect(await codeOf(place.kw.files.reencryptFile(join(disk, 'sealed')))).toBe('ERR_OUTPUT_FAILED')
})

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const FILES = 40
const FILE_BYTES = 4 * 2 ** 20

describe('the program, killed with -9', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-killed-'))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64'),
  }
  const start = (...argv: string[]) =>
    spawn(process.execPath, [MAIN, ...argv], { cwd: folder, env, stdio: 'ignore' })
  const run = (...argv: string[]): { code: number | null; out: string } => {
    const { status, stdout } = spawnSync(process.execPath, [MAIN, ...argv], { cwd: folder, env })
    return { code: status, out: stdout.toString() }
  }

  it('leaves whole files and goes on, as often as it takes', async () => {
    run('init')
    mkdirSync(join(folder, 'from'))
    for (let file = 0; file < FILES; file++) {
      const path = join(folder, 'from', String(file))
      writeFileSync(path, String(file))
      truncateSync(path, FILE_BYTES)
    }
    const argv = ['encrypt-dir', '--key-type', 'pii', '--names', 'encrypt', 'from', 'to']
    const made = (): string[] => {
      try {
        return readdirSync(join(folder, 'to')).filter((name) => name.endsWith('.kwf'))
      } catch {
        return []
      }
    }
    for (const stopAt of [1, 6, 15, 25]) {
      const child = start(...argv)
      while (made().length < stopAt && child.exitCode === null) await delay(2)
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('close', resolve))
      for (const name of made())
        expect(await inspectFile(join(folder, 'to', name))).toMatchObject({ plaintextBytes: FILE_BYTES })
    }
    const last = run(...argv, '--json')
    expect(last.code).toBe(0)
    const { current, done } = JSON.parse(last.out) as { current: number; done: number }
    expect(current + done).toBe(FILES)
    expect(made()).toHaveLength(FILES)
    expect(run('decrypt-dir', 'to', 'back').code).toBe(0)
    for (let file = 0; file < FILES; file++)
      expect(
        readFileSync(join(folder, 'back', String(file)))
          .subarray(0, 3)
          .toString(),
      ).toMatch(new RegExp(`^${file}\0`))
  })
})
