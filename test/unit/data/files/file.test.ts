/** One file to another: round trips, and what becomes of mode, time, target and leftovers. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { codeOf, EDGES, FilesPlace, sha256 } from './kit.ts'

const PII = { keyType: 'pii' } as const
let place: FilesPlace
beforeEach(() => {
  place = new FilesPlace()
})
afterEach(() => place.end())

const encrypt = (input: string, output: string, more: object = {}) =>
  place.kw.files.encryptFile(place.path(input), place.path(output), { ...PII, ...more })
const decrypt = (input: string, output: string, more: object = {}) =>
  place.kw.files.decryptFile(place.path(input), place.path(output), more)

describe('a file comes back', () => {
  it.each(EDGES)('of %i bytes', async (bytes) => {
    place.write('in', bytes)
    const made = await encrypt('in', 'sealed')
    const segments = 1 + Math.ceil(Math.max(0, bytes - 65_480) / 65_520)
    expect(made).toMatchObject({
      keyring: 'pii',
      plaintextBytes: bytes,
      encryptedBytes: 52 + bytes + 16 * segments,
    })
    expect(statSync(place.path('sealed')).size).toBe(made.encryptedBytes)
    expect(await decrypt('sealed', 'out')).toEqual(made)
    expect(place.read('out')).toEqual(place.read('in'))
    expect(place.names).toEqual(['in', 'out', 'sealed'])
  })

  it.each([0, 1, 65_480, 600_000])('compressed, of %i bytes', async (bytes) => {
    place.write('in', Buffer.alloc(bytes, 'compressible '))
    const made = await encrypt('in', 'sealed', { compression: 'zstd' })
    expect(statSync(place.path('sealed')).size).toBe(made.encryptedBytes)
    if (bytes > 1000) expect(made.encryptedBytes).toBeLessThan(bytes / 100)
    expect(await decrypt('sealed', 'out')).toMatchObject({ plaintextBytes: bytes })
    expect(place.read('out')).toEqual(place.read('in'))
  })

  it('of a tenant, bound to a context', async () => {
    place.write('in', 100_000)
    const options = { tenant: 'acme', context: { purpose: 'export' } }
    expect(await encrypt('in', 'sealed', options)).toMatchObject({ keyring: 'pii/acme' })
    await decrypt('sealed', 'out', { ...PII, ...options })
    expect(place.read('out')).toEqual(place.read('in'))
  })

  it('with the mode and the time of its source, and without the bits that run it as somebody else', async () => {
    place.write('in', 10)
    chmodSync(place.path('in'), 0o6754)
    utimesSync(place.path('in'), 1_600_000_000, 1_600_000_000.25)
    await encrypt('in', 'sealed')
    await decrypt('sealed', 'out')
    for (const name of ['sealed', 'out']) {
      const { mode, mtimeMs } = statSync(place.path(name))
      expect([name, mode & 0o7777, Math.round(mtimeMs)]).toEqual([name, 0o754, 1_600_000_000_250])
    }
  })

  it('from where a symbolic link leads', async () => {
    place.write('in', 10)
    symlinkSync('in', place.path('link'))
    await encrypt('link', 'sealed')
    await decrypt('sealed', 'out')
    expect(place.read('out')).toEqual(place.read('in'))
  })
})

describe('by workers', () => {
  it('it is the same as by this thread', async () => {
    const size = 64 * 2 ** 20 + 12_345
    place.write('in', Buffer.alloc(size, 'some content'))
    const seen: number[] = []
    const onProgress = ({ bytes }: { bytes: number }): void => void seen.push(bytes)
    await encrypt('in', 'sealed', { workers: 2, onProgress })
    await decrypt('sealed', 'out', { workers: 3, onProgress })
    await decrypt('sealed', 'here')
    expect(sha256(place.read('out'))).toBe(sha256(place.read('in')))
    expect(sha256(place.read('here'))).toBe(sha256(place.read('in')))
    expect(seen.at(-1)).toBe(size)
  })

  it('damage is found, and a stop heard', async () => {
    place.write('in', Buffer.alloc(65 * 2 ** 20))
    await encrypt('in', 'sealed')
    const bytes = place.read('sealed')
    bytes[50_000_000] = (bytes[50_000_000] ?? 0) ^ 1
    place.write('damaged', bytes)
    expect(await codeOf(decrypt('damaged', 'out', { workers: 2 }))).toBe('ERR_DECRYPTION_FAILED')
    const abort = new AbortController()
    const stopped = encrypt('in', 'out', { workers: 2, signal: abort.signal })
    setTimeout(() => abort.abort(), 5)
    expect(await codeOf(stopped)).toBe('ERR_ABORTED')
    expect(place.names).toEqual(['damaged', 'in', 'sealed'])
  })

  it('an error of whoever is told ends the work, and only that', async () => {
    place.write('in', '')
    truncateSync(place.path('in'), 600 * 2 ** 20)
    const onProgress = (): void => {
      throw new Error('told too much')
    }
    for (const workers of [0, 1])
      await expect(encrypt('in', 'out', { workers, onProgress })).rejects.toThrow('told too much')
    expect(place.names).toEqual(['in'])
  })

  it.each([-1, 1.5, 65, Number.NaN])('%d of them are refused', async (workers) => {
    expect(await codeOf(encrypt('in', 'out', { workers }))).toBe('ERR_ARGUMENT_INVALID')
  })
})

describe('a target that is there', () => {
  it('is refused, unless it is to be replaced', async () => {
    place.write('in', 10)
    place.write('out', 'precious')
    await expect(encrypt('in', 'out')).rejects.toMatchObject({
      code: 'ERR_FILE_EXISTS',
      hint: expect.stringContaining('--force'),
    })
    expect(place.read('out').toString()).toBe('precious')
    await encrypt('in', 'out', { force: true })
    await decrypt('out', 'back')
    expect(place.read('back')).toEqual(place.read('in'))
  })

  it('is refused when it appears while the file is written', async () => {
    place.write('in', 10)
    const onProgress = (): void => writeFileSync(place.path('out'), 'precious')
    expect(await codeOf(encrypt('in', 'out', { onProgress }))).toBe('ERR_FILE_EXISTS')
    expect(place.read('out').toString()).toBe('precious')
    expect(place.names).toEqual(['in', 'out'])
  })

  it.each([
    ['a folder', (path: string) => mkdirSync(path)],
    ['a link', (path: string) => symlinkSync('elsewhere', path)],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
  ])('is never replaced when it is %s', async (_, make) => {
    place.write('in', 10)
    make(place.path('out'))
    const before = lstatSync(place.path('out')).ino
    expect(await codeOf(encrypt('in', 'out', { force: true }))).toBe('ERR_FILE_EXISTS')
    expect(lstatSync(place.path('out')).ino).toBe(before)
    expect(place.names).toEqual(['in', 'out'])
  })

  it('is refused when it is the source itself, by whatever name', async () => {
    place.write('in', 'the only copy')
    linkSync(place.path('in'), place.path('same'))
    for (const output of ['in', './in', 'same'])
      expect(await codeOf(encrypt('in', output, { force: true }))).toBe('ERR_ARGUMENT_INVALID')
    expect(place.read('in').toString()).toBe('the only copy')
  })
})

describe('a source that cannot be read', () => {
  it.each([
    ['is not there', 'ERR_FILE_MISSING', () => undefined],
    ['is a folder', 'ERR_FILE_UNREADABLE', (path: string) => mkdirSync(path)],
    ['is a pipe nobody writes to', 'ERR_FILE_UNREADABLE', (path: string) => execFileSync('mkfifo', [path])],
    ['is a link to nothing', 'ERR_FILE_MISSING', (path: string) => symlinkSync('nowhere', path)],
  ])('because it %s', async (_, code, make) => {
    make(place.path('in'))
    expect(await codeOf(encrypt('in', 'out'))).toBe(code)
    expect(await codeOf(decrypt('in', 'out'))).toBe(code)
    rmSync(place.path('in'), { recursive: true, force: true })
    expect(place.names).toEqual([])
  })

  it.runIf(process.getuid?.() === 0)('or for want of permission, on either side', async () => {
    place.write('in', 10)
    chmodSync(place.path('in'), 0o600)
    mkdirSync(place.path('closed'), 0o755)
    chmodSync(place.folder, 0o755)
    process.seteuid?.(65_534)
    try {
      expect(await codeOf(encrypt('in', 'out'))).toBe('ERR_FILE_UNREADABLE')
    } finally {
      process.seteuid?.(0)
    }
    chmodSync(place.path('in'), 0o644)
    process.seteuid?.(65_534)
    try {
      expect(await codeOf(encrypt('in', 'closed/out'))).toBe('ERR_OUTPUT_FAILED')
    } finally {
      process.seteuid?.(0)
    }
    expect(place.names).toEqual(['closed', 'in'])
  })

  it('and a target whose folder is not there', async () => {
    place.write('in', 10)
    await expect(encrypt('in', 'no/out')).rejects.toMatchObject({
      code: 'ERR_OUTPUT_FAILED',
      hint: expect.stringContaining('folder'),
    })
  })
})

describe('a source that changes while it is read', () => {
  it.each([
    ['grows', (path: string) => appendFileSync(path, 'more')],
    ['shrinks', (path: string) => truncateSync(path, 5)],
    ['is written at the same length', (path: string) => writeFileSync(path, Buffer.alloc(40 * 2 ** 20, 1))],
    [
      'is replaced',
      (path: string) => {
        rmSync(path)
        writeFileSync(path, 'other')
      },
    ],
    ['is removed', (path: string) => rmSync(path)],
  ])('because it %s: nothing is written', async (_, change) => {
    const path = place.write('in', Buffer.alloc(40 * 2 ** 20))
    for (const compression of ['none', 'zstd'] as const) {
      writeFileSync(path, Buffer.alloc(40 * 2 ** 20))
      let isChanged = false
      const onProgress = (): void => {
        if (!isChanged) change(path)
        isChanged = true
      }
      expect(await codeOf(encrypt('in', 'out', { onProgress, compression }))).toBe('ERR_FILE_CHANGED')
      expect(place.names.filter((name) => name !== 'in')).toEqual([])
    }
  })
})

describe('a signal', () => {
  it.each(['none', 'zstd'] as const)(
    'stops the work and leaves nothing (compression: %s)',
    async (compression) => {
      place.write('in', Buffer.alloc(40 * 2 ** 20))
      expect(await codeOf(encrypt('in', 'out', { compression, signal: AbortSignal.abort() }))).toBe(
        'ERR_ABORTED',
      )
      const abort = new AbortController()
      const onProgress = (): void => abort.abort()
      expect(await codeOf(encrypt('in', 'out', { compression, signal: abort.signal, onProgress }))).toBe(
        'ERR_ABORTED',
      )
      await encrypt('in', 'sealed', { compression })
      const again = new AbortController()
      const stopped = decrypt('sealed', 'out', { signal: again.signal, onProgress: () => again.abort() })
      expect(await codeOf(stopped)).toBe('ERR_ABORTED')
      expect(place.names.filter((name) => name.includes('tmp'))).toEqual([])
    },
  )
})

describe('the event loop', () => {
  it('has its turns while this thread works', async () => {
    place.write('in', Buffer.alloc(100 * 2 ** 20))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await encrypt('in', 'sealed')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
    expect(readFileSync(place.path('sealed')).subarray(0, 4).toString()).toBe('KWF1')
  })
})

it('workers start in a program that is given on the command line', () => {
  const input = place.write('in', '')
  truncateSync(input, 70 * 2 ** 20)
  const crew = JSON.stringify(new URL('../../../../src/data/files/block-crew.ts', import.meta.url).href)
  const program = `
    import { openSync } from 'node:fs'
    import { createSecretKey } from 'node:crypto'
    const { runBlocks } = await import(${crew})
    const key = { key: createSecretKey(new Uint8Array(32)), noncePrefix: new Uint8Array(7) }
    const [input, output] = ${JSON.stringify([input, place.path('out')])}
    await runBlocks(
      {
        input: { fd: openSync(input), path: input },
        output: { fd: openSync(output, 'w'), path: output, stream: { key, at: 0 } },
        plaintextBytes: ${70 * 2 ** 20},
      },
      { workers: 1 },
    )`
  execFileSync(process.execPath, ['--input-type=module', '-e', program])
  expect(statSync(place.path('out')).size).toBeGreaterThan(70 * 2 ** 20)
})
