/** encrypt-file, decrypt-file, encrypt-dir, decrypt-dir, inspect-file: in files, in pipes, and what bad input gets. */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { byteText } from '../../src/cli/byte-progress.ts'
import { Workplace } from './cli-kit.ts'
import { endPrograms, startProgram } from './program-kit.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  await place.init()
})
afterEach(() => {
  endPrograms()
  place.leave()
})

const kw = (...argv: string[]) => place.keywright(argv)
const PII = ['--key-type', 'pii']

describe('a file', () => {
  it('goes to its name with .kwf, and back', async () => {
    writeFileSync('a.csv', 'id,name\n1,Ada\n', { mode: 0o640 })
    const made = await kw('encrypt-file', ...PII, 'a.csv')
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(made.out).toMatch(/^a\.csv\.kwf: 14 bytes under key \d+ \(pii\), \d\.\d s\n$/)
    expect(statSync('a.csv.kwf').mode & 0o777).toBe(0o640)
    renameSync('a.csv', 'before.csv')
    expect(await kw('decrypt-file', 'a.csv.kwf')).toMatchObject({ code: 0, err: '' })
    expect(place.read('a.csv')).toBe(place.read('before.csv'))
  })

  it('tells as JSON what was done', async () => {
    writeFileSync('a', 'content')
    const options = [
      '--tenant',
      'acme',
      '--context',
      'purpose=test',
      '--zstd',
      '--recoverable',
      '--workers',
      '2',
    ]
    const made = await place.json(['encrypt-file', ...PII, ...options, 'a', 'b'])
    expect(made).toMatchObject({ input: 'a', output: 'b', keyring: 'pii/acme', plaintextBytes: 7 })
    const opened = await place.json([
      'decrypt-file',
      ...PII,
      '--tenant',
      'acme',
      '--context',
      'purpose=test',
      'b',
      'c',
    ])
    expect(opened).toMatchObject({ keyring: 'pii/acme', plaintextBytes: 7 })
    expect(place.read('c')).toBe('content')
  })

  it('goes through pipes', async () => {
    const sealed = await place.keywright(['encrypt-file', ...PII, '-', 'a.kwf'], { stdin: 'from a pipe' })
    expect(sealed).toMatchObject({ code: 0, out: '' })
    expect(sealed.err).toMatch(/^keywright: encrypted 11 bytes in \d+\.\d s\n$/)
    expect(statSync('a.kwf').mode & 0o777).toBe(0o600)
    expect(await kw('decrypt-file', 'a.kwf', '-', '--quiet')).toEqual({
      code: 0,
      out: 'from a pipe',
      err: '',
    })
    writeFileSync('plain', 'to a pipe')
    const line = '"$0" "$1" encrypt-file --key-type pii plain - -q | "$0" "$1" decrypt-file - -q'
    const env = { ...process.env, ...place.env }
    expect(execFileSync('sh', ['-c', line, process.execPath, MAIN], { env }).toString()).toBe('to a pipe')
  })

  it('is told by its header, without a key', async () => {
    writeFileSync('a', randomBytes(100))
    await kw('encrypt-file', ...PII, 'a')
    const { out } = await kw('inspect-file', 'a.kwf')
    expect(out).toMatch(/keyring +pii\nbytes +168 \(168 bytes\)\nplaintext bytes +100\ncompression +none\n/)
    await kw('encrypt-file', ...PII, '--recoverable', '--zstd', 'a', 'b')
    expect(await place.json(['inspect-file', 'b'])).toMatchObject({
      keyring: 'pii',
      compression: 'zstd',
      recovery: { keyring: 'pii', version: 1, wraps: [{ provider: 'file' }] },
    })
    expect(
      await place.keywright(['inspect-file', 'b'], { env: { ENCRYPTION_MASTER_KEY: undefined } }),
    ).toMatchObject({ code: 0 })
  })

  it('opens when the key store is lost', async () => {
    writeFileSync('a', 'the only copy')
    await kw('encrypt-file', ...PII, '--recoverable', 'a', 'a.kwf')
    for (const name of readdirSync('.', { recursive: true }).map(String))
      if (name.includes('keys.db')) renameSync(name, `${name}-lost`)
    expect((await kw('decrypt-file', 'a.kwf', 'b')).code).not.toBe(0)
    expect(await kw('decrypt-file', '--without-store', 'a.kwf', 'b')).toMatchObject({ code: 0, err: '' })
    expect(place.read('b')).toBe('the only copy')
    expect(await kw('decrypt-file', '--without-store', 'a.kwf', '-', '-q')).toMatchObject({
      out: 'the only copy',
    })
    mkdirSync('folder')
    renameSync('a.kwf', 'folder/a.kwf')
    expect(await kw('decrypt-dir', '--without-store', 'folder', 'back')).toMatchObject({ code: 0 })
    expect(place.read('back/a')).toBe('the only copy')
  })
})

describe('bad input', () => {
  it.each([
    ['no key type', ['encrypt-file', 'a'], 2, /--key-type is missing.*ERR_ARGUMENT_INVALID/],
    ['no such file', ['encrypt-file', ...PII, 'no'], 1, /there is no file no \(ERR_FILE_MISSING\)/],
    ['a folder', ['encrypt-file', ...PII, 'folder'], 1, /folder is a folder \(ERR_FILE_UNREADABLE\)/],
    [
      'a target that exists',
      ['encrypt-file', ...PII, 'a', 'b'],
      1,
      /b exists already \(ERR_FILE_EXISTS\)\nhint: .*--force/,
    ],
    ['one name twice', ['encrypt-file', ...PII, '--force', 'a', './a'], 2, /both input and output/],
    ['plain text to decrypt', ['decrypt-file', 'a', 'c'], 1, /ERR_NOT_CIPHERTEXT/],
    ['a name that tells no target', ['decrypt-file', 'a'], 2, /nothing says where the result goes/],
    [
      'a tenant without a key type',
      ['decrypt-file', '--tenant', 'x', 'a', 'c'],
      2,
      /--tenant needs --key-type/,
    ],
    [
      'a key type without a store',
      ['decrypt-file', ...PII, '--without-store', 'a', 'c'],
      2,
      /takes no --key-type/,
    ],
    [
      'workers that are none',
      ['encrypt-file', ...PII, '--workers', 'many', 'a', 'c'],
      2,
      /--workers is not a whole number/,
    ],
    [
      'a size that is none',
      ['decrypt-file', '--max-inflated', 'much', 'a', 'c'],
      2,
      /--max-inflated is not a size/,
    ],
    [
      'a folder in itself',
      ['encrypt-dir', ...PII, '.', 'folder'],
      2,
      /one of the two folders is in the other/,
    ],
    ['a file as a folder', ['encrypt-dir', ...PII, 'a', 'out'], 1, /ERR_FILE_MISSING|ERR_FILE_UNREADABLE/],
    ['a header of no file', ['inspect-file', 'a'], 1, /ERR_NOT_CIPHERTEXT/],
  ])('%s', async (_, argv, code, err) => {
    writeFileSync('a', 'plain')
    writeFileSync('b', 'precious')
    mkdirSync('folder')
    const before = place.fingerprint()
    const result = await kw(...argv)
    expect(result).toMatchObject({ code, out: '' })
    expect(result.err).toMatch(err)
    expect(place.fingerprint()).toBe(before)
  })

  it('binary is not written to a terminal', async () => {
    const { code, err } = await place.keywright(['encrypt-file', ...PII, '-'], { stdin: 'x', tty: true })
    expect([code, err]).toEqual([2, expect.stringContaining('standard output is the terminal')])
  })

  it('a standard output that is full is told', () => {
    writeFileSync('a', 'content')
    const line = '"$0" "$1" encrypt-file --key-type pii a - > /dev/full'
    const { status, stderr } = spawnSync('sh', ['-c', line, process.execPath, MAIN], {
      env: { ...process.env, ...place.env },
    })
    expect([status, stderr.toString()]).toEqual([1, expect.stringContaining('(ERR_OUTPUT_FAILED)')])
  })

  it('a file that was cut gives nothing, and in a pipe exit code 1', async () => {
    writeFileSync('a', randomBytes(200_000))
    await kw('encrypt-file', ...PII, 'a')
    truncateSync('a.kwf', 150_000)
    expect(await kw('decrypt-file', 'a.kwf', 'b')).toMatchObject({ code: 1, out: '' })
    expect(existsSync('b')).toBe(false)
    expect(await kw('decrypt-file', 'a.kwf', '-')).toMatchObject({ code: 1 })
  })
})

describe('a folder', () => {
  beforeEach(() => {
    mkdirSync('from/sub', { recursive: true })
    writeFileSync('from/a', 'first')
    writeFileSync('from/sub/b', 'second')
    symlinkSync('a', 'from/link')
  })

  it('goes to another and back, with a word on what was skipped', async () => {
    const dry = await kw('encrypt-dir', ...PII, '--dry-run', 'from', 'to')
    expect(dry.out).toMatch(/^2 files would be encrypted, 1 skipped: 11 bytes/)
    expect(existsSync('to')).toBe(false)
    const made = await kw('encrypt-dir', ...PII, '--names', 'encrypt', 'from', 'to')
    expect(made.out).toMatch(/^2 files encrypted, 1 skipped: 11 bytes/)
    expect(made.err).toBe('keywright: link skipped: a symbolic link is not followed\n')
    expect((await kw('encrypt-dir', ...PII, '--names', 'encrypt', 'from', 'to', '-q')).out).toMatch(
      /^0 files encrypted, 2 as they should be/,
    )
    expect(await place.json(['decrypt-dir', 'to', 'back'])).toMatchObject({ done: 2, failed: 0 })
    expect(place.read('back/sub/b')).toBe('second')
  })

  it('with a bad file gives the others, and exit code 1', async () => {
    await kw('encrypt-dir', ...PII, 'from', 'to')
    truncateSync('to/a.kwf', 60)
    const { code, out, err } = await kw('decrypt-dir', 'to', 'back')
    expect(code).toBe(1)
    expect(out).toMatch(/^1 file decrypted, 1 failed/)
    expect(err).toMatch(/warning: a\.kwf: decryption failed \(ERR_DECRYPTION_FAILED\)\n/)
    expect(err).toMatch(/1 file could not be decrypted \(ERR_JOB_INCOMPLETE\)/)
    expect(place.read('back/sub/b')).toBe('second')
  })
})

describe('progress', () => {
  it('has a bar, a rate and the time that is left', () => {
    expect(byteText({ bytes: 3 * 2 ** 29, total: 2 ** 31, rate: 2 ** 28 })).toBe(
      '███████████████░░░░░  1.5 GiB of 2 GiB, 256 MiB/s, 2 seconds left',
    )
    expect(byteText({ bytes: 2048, rate: 1024 })).toBe('2 KiB, 1 KiB/s')
    expect(byteText({ bytes: 0, total: 0, rate: 0 })).toContain('0 bytes of 0 bytes')
  })

  it('is shown on a terminal only', async () => {
    writeFileSync('big', '')
    truncateSync('big', 400 * 2 ** 20)
    const shown = await place.keywright(['encrypt-file', ...PII, 'big'], { tty: true })
    expect(shown.err).toMatch(/[█░]{20} {2}[\d.]+ MiB of 400 MiB, [\d.]+ [MG]iB\/s/)
    writeFileSync('small', 'x')
    expect((await kw('encrypt-file', ...PII, 'small')).err).toBe('')
  })
})

it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
  '%s leaves no half file under the name of the target',
  async (signal) => {
    writeFileSync('big', Buffer.alloc(1))
    truncateSync('big', 8 * 2 ** 30) // sparse: more than is encrypted before the signal comes
    const program = startProgram(['encrypt-file', ...PII, 'big'], { cwd: place.folder, env: place.env })
    const temporary = (): string[] => readdirSync('.').filter((name) => name.startsWith('.keywright-'))
    while (temporary().length === 0 && program.child.exitCode === null) await delay(5)
    await delay(50)
    program.child.kill(signal)
    const { code } = await program.ended
    expect(existsSync('big.kwf')).toBe(false)
    if (signal === 'SIGKILL') return expect(temporary()).toHaveLength(1)
    expect(code).toBe(signal === 'SIGINT' ? 130 : 143)
    expect(temporary()).toEqual([])
  },
)
