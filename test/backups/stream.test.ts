/** Streams: every length comes back; what fails leaves nothing; what is wrong is refused before anything is written. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectCode } from '../kit/failures.ts'
import { MemorySink } from '../kit/sink.ts'
import { Lab, once } from './kit.ts'

let lab: Lab
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.end())

const create = (stream: AsyncIterable<Uint8Array>, more = {}) =>
  lab.keywright.backups.create({ to: lab.backups, name: 'dump', source: { stream }, ...more })

const SEGMENT = 65_536
describe.each(['none', 'zstd'] as const)('compression %s', (compression) => {
  it.each([1, 2, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 1_048_576, 1_048_577, 5_000_000])(
    '%i bytes come back',
    async (length) => {
      const content = randomBytes(length)
      const made = await create(once(content.subarray(0, 7), content.subarray(7)), { compression })
      expect(made).toMatchObject({ contentBytes: length, files: 1, kind: 'stream', compression })
      expect((await stat(join(made.path, made.file))).size).toBe(made.storedBytes)
      const to = lab.path('restored')
      await lab.keywright.backups.restore({ from: made.path, to })
      expect(readFileSync(to).equals(content)).toBe(true)
      expect((await stat(to)).mode & 0o777).toBe(0o600)
    },
  )

  it('nothing comes back as nothing, where that is allowed', async () => {
    const stream = once()
    const source = { stream, allowEmpty: true }
    const { path } = await create(stream, { compression, source })
    expect(await lab.restored(path)).toBe('')
  })
})

it('compresses what can be', async () => {
  const { storedBytes } = await create(once(Buffer.alloc(1_000_000, 'abc')), { compression: 'zstd' })
  expect(storedBytes).toBeLessThan(5_000)
})

it('holds one file, opens without its folder, and is for its owner alone', async () => {
  const { file, id, path } = await lab.backup('app', 'ada')
  expect((await readdir(path)).sort()).toEqual([file, 'manifest.json'])
  for (const one of [path, join(path, file), join(path, 'manifest.json')])
    expect((await stat(one)).mode & 0o077).toBe(0)
  await writeFile(lab.path('elsewhere'), readFileSync(join(path, file)))
  expect(await lab.keywright.backups.verify({ from: lab.path('elsewhere') })).toMatchObject({
    id,
    name: 'app',
  })
})

describe('nothing is left of a backup', () => {
  afterEach(async () => expect(await lab.entries()).toEqual([]))

  it('whose stream fails', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield randomBytes(200_000)
      throw new RangeError('the dump broke')
    }
    await expect(create(failing())).rejects.toThrow('the dump broke')
  })

  it('whose stream is empty', async () => {
    const { hint } = await expectCode(create(once()), 'ERR_INPUT_INVALID')
    expect(hint).toContain('--allow-empty')
  })

  it.each([0, 3])('that is stopped after %i chunks', async (chunks) => {
    const stop = new AbortController()
    let ended = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (let n = 0; ; n++) {
          if (n === chunks) stop.abort()
          yield randomBytes(100_000)
          await new Promise((resolve) => setImmediate(resolve))
        }
      } finally {
        ended = true
      }
    }
    await expectCode(create(endless(), { signal: stop.signal }), 'ERR_ABORTED')
    await expect.poll(() => ended).toBe(true)
  })

  it.each([
    ['a name', { name: '../x' }, 'ERR_ARGUMENT_INVALID'],
    ['an empty name', { name: '' }, 'ERR_ARGUMENT_INVALID'],
    ['no name', { name: undefined }, 'ERR_ARGUMENT_INVALID'],
    ['text in place of bytes', { source: { stream: ['text'] } }, 'ERR_ARGUMENT_INVALID'],
    ['a key type', { keyType: 'backup' }, 'ERR_KEY_TYPE_UNKNOWN'],
    ['a tenant', { tenant: '../x' }, 'ERR_TENANT_INVALID'],
    ['a key type that makes search tokens', { keyType: 'blind_index' }, 'ERR_ARGUMENT_INVALID'],
  ] as const)('with %s that is not allowed', async (_, options, code) => {
    await expectCode(create(once('x'), options), code)
  })
})

it('a full disk is told, and leaves nothing', async () => {
  await mkdir(lab.backups)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', lab.backups])
  if (mounted.status !== 0) return expect(process.env['CI']).toBeUndefined() // only root may mount
  try {
    await expectCode(create(once(randomBytes(600_000))), 'ERR_DISK_FULL')
    expect(await lab.entries()).toEqual([])
    const { path } = await create(once(randomBytes(250_000)))
    await expectCode(
      lab.keywright.backups.restore({ from: path, to: join(lab.backups, 'out') }),
      'ERR_DISK_FULL',
    )
    expect(await lab.entries()).toEqual([path.slice(lab.backups.length + 1)])
  } finally {
    spawnSync('umount', ['-l', lab.backups])
  }
})

it('many at once do not collide', async () => {
  const made = await Promise.all(Array.from({ length: 8 }, (_, n) => lab.backup('app', `backup ${n}`)))
  expect((await lab.entries()).length).toBe(8)
  for (const [n, { path }] of made.entries()) expect(await lab.restored(path)).toBe(`backup ${n}`)
})

it('two restorations to one place: one has it, the other one is told', async () => {
  const [{ path: a }, { path: b }] = [await lab.backup('app', 'first'), await lab.backup('app', 'second')]
  const to = lab.path('target')
  const outcomes = await Promise.allSettled([a, b].map((from) => lab.keywright.backups.restore({ from, to })))
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(['first', 'second']).toContain(readFileSync(to, 'utf8'))
  expect((await readdir(lab.folder)).filter((name) => name.startsWith('.'))).toEqual([])
})

it.each([null, 0, '', 'false', undefined])('encrypt %j encrypts: only false does not', async (encrypt) => {
  expect(await create(once('x'), { encrypt })).toMatchObject({ encrypted: true, file: 'backup.kwf' })
})

describe('not encrypted', () => {
  const plain = () => create(once('in clear'), { encrypt: false })

  it('says so, and is read only by who insists', async () => {
    const { encrypted, file, path } = await plain()
    expect([encrypted, file]).toEqual([false, 'backup.kwb'])
    const { hint } = await expectCode(lab.restored(path), 'ERR_ARGUMENT_INVALID')
    expect(hint).toContain('--allow-unencrypted')
    const to = lab.path('out')
    await lab.keywright.backups.restore({ from: path, to, allowUnencrypted: true })
    expect(readFileSync(to, 'utf8')).toBe('in clear')
  })

  it('never passes for an encrypted one', async () => {
    const { path: forged } = await plain()
    const { path } = await create(once('ours'))
    await writeFile(join(path, 'backup.kwf'), readFileSync(join(forged, 'backup.kwb')))
    await expectCode(lab.restored(path), 'ERR_ARGUMENT_INVALID')
    const insisting = lab.keywright.backups.verify({ from: path, allowUnencrypted: true })
    await expectCode(insisting, 'ERR_BACKUP_DAMAGED')
  })
})

it('stands in the audit log before it takes effect', async () => {
  const sink = new MemorySink()
  const audited = new Lab(sink)
  try {
    const { id, path } = await audited.backup('app')
    await audited.keywright.backups.restore({ from: path, to: audited.path('out'), reason: 'drill' })
    await audited.backup('app')
    await audited.keywright.backups.remove({ folder: audited.backups, id, reason: 'old' })
    const events = sink.records.filter(({ event }) => event.startsWith('backup.'))
    expect(events.map(({ event, reason, details }) => [event, reason, details?.['id'] === id])).toEqual([
      ['backup.create', undefined, true],
      ['backup.restore', 'drill', true],
      ['backup.create', undefined, false],
      ['backup.remove', 'old', true],
    ])
    expect(events[0]).toMatchObject({
      keyring: 'backups',
      details: { kind: 'stream', name: 'app', encrypted: true },
    })
    expect(existsSync(path)).toBe(false)
  } finally {
    await audited.end()
  }
})
