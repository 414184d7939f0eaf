import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  decryptLine,
  encryptLine,
  type LineLog,
  type LogHead,
  lineLog,
} from '../../src/integrations/log-lines.ts'
import type { Keywright } from '../../src/keywright.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith, World } from '../kit/world.ts'
import { newPlace, openPlace, type Place, removePlace } from '../race/support/place.ts'
import { duringOutage, revokeActive, SECRET } from './storage-kit.ts'

let world: World
let kw: Keywright
let folder: string
let path: string

beforeEach(() => {
  world = new World({ policy: policyWith({ audit_logs: { compromised: 'refuse' } }) })
  kw = world.open()
  folder = mkdtempSync(join(tmpdir(), 'keywright-log-'))
  path = join(folder, 'app.log')
})
afterEach(async () => {
  await world.end()
  rmSync(folder, { recursive: true })
})

const textsOf = async (log: LineLog): Promise<string[]> =>
  (await Array.fromAsync(log.read())).map(({ text }) => text)
const linesOf = (): string[] => readFileSync(path, 'utf8').trimEnd().split('\n')
const write = (lines: readonly string[]): void =>
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''))

describe('a line', () => {
  it('is one line of ciphertext, bound to log and position', async () => {
    const line = await encryptLine(kw, `${SECRET}\nsecond`, { log: 'api', position: 7 })
    expect(line).toMatch(/^kw1\.[\w-]+$/)
    expect(await decryptLine(kw, line, { log: 'api', position: 7 })).toBe(`${SECRET}\nsecond`)
    await expectCode(decryptLine(kw, line, { log: 'api', position: 8 }), 'ERR_DECRYPTION_FAILED')
    await expectCode(decryptLine(kw, line, { log: 'api' }), 'ERR_DECRYPTION_FAILED')
    await expectCode(decryptLine(kw, line, { log: 'web', position: 7 }), 'ERR_DECRYPTION_FAILED')
    await kw.ready(['pii'])
    const pii = { log: 'api', position: 7, keyType: 'pii' }
    await expectCode(decryptLine(kw, line, pii), 'ERR_KEYRING_MISMATCH')
    const tenant = { log: 'api', tenant: 'acme' }
    expect(await decryptLine(kw, await encryptLine(kw, 'x', tenant), tenant)).toBe('x')
    expect((await kw.keys.list()).map(({ keyring }) => keyring).sort()).toContain('audit_logs')
  })

  it.each([{ log: '' }, { log: 'a', position: -1 }, { log: 'a', position: 1.5 }])(
    'refuses %o',
    async (options) => {
      await expectCode(async () => encryptLine(kw, 'x', options), 'ERR_ARGUMENT_INVALID')
      await expectCode(async () => decryptLine(kw, 'x', options), 'ERR_ARGUMENT_INVALID')
    },
  )
})

describe('a log in a file', () => {
  let log: LineLog
  beforeEach(() => {
    log = lineLog(kw, { path, log: 'app' })
  })

  it('gives its lines back, and grows over processes', async () => {
    expect(await log.verify()).toEqual({ ok: true, lines: 0, torn: false })
    expect(await textsOf(log)).toEqual([])
    const first = await log.append([SECRET, 'two'])
    expect(first.position).toBe(2)
    const other = lineLog(world.open(), { path, log: 'app' })
    const head = await other.append('three')
    expect(await textsOf(log)).toEqual([SECRET, 'two', 'three'])
    expect(await Array.fromAsync(other.read())).toEqual([
      { position: 1, text: SECRET },
      { position: 2, text: 'two' },
      { position: 3, text: 'three' },
    ])
    expect(readFileSync(path, 'utf8')).not.toContain(SECRET)
    expect(linesOf()[2]).toMatch(/^3 kw1\./)
    for (const expected of [first, head]) expect((await log.verify({ expected })).ok).toBe(true)
    expect(await log.append([])).toEqual(head)
  })

  it('writes what many append at once, in whole', async () => {
    const other = lineLog(world.open(), { path, log: 'app' })
    const heads = await Promise.all(
      Array.from({ length: 60 }, (_, at) => (at % 2 ? log : other).append([`${at}a`, `${at}b`])),
    )
    expect(new Set(heads.map(({ position }) => position)).size).toBe(60)
    const texts = await textsOf(log)
    expect(texts).toHaveLength(120)
    for (let at = 0; at < texts.length; at += 2) expect(texts[at + 1]).toBe(texts[at]?.replace('a', 'b'))
    expect(await log.verify()).toEqual({ ok: true, lines: 120, torn: false })
  })

  it.each<[string, (lines: string[]) => string[], number]>([
    ['removed', (lines) => lines.toSpliced(2, 1), 3],
    ['removed and counted anew', (lines) => renumber(lines.toSpliced(2, 1)), 3],
    ['removed at the start', (lines) => lines.slice(1), 1],
    ['cut at the end', (lines) => lines.slice(0, 4), 5],
    ['swapped', ([a = '', b = '', ...rest]) => renumber([b, a, ...rest]), 1],
    ['repeated', ([a = '', ...rest]) => renumber([a, a, ...rest]), 2],
    ['added', (lines) => renumber([...lines, lines[4] ?? '']), 6],
    ['written in clear', (lines) => lines.with(3, '4 hello'), 4],
    ['changed', (lines) => lines.with(1, flip(lines[1] ?? '', 30)), 2],
    ['given another key id', (lines) => lines.with(1, flip(lines[1] ?? '', 10)), 2],
    ['emptied', (lines) => lines.with(1, ''), 2],
  ])('finds lines that were %s', async (_, change, line) => {
    await log.append(['1', '2', '3', '4', '5'])
    write(change(linesOf()))
    const report = await log.verify()
    expect(report).toMatchObject({ ok: false, problem: { line } })
    expect(report.lines).toBe(line - 1)
    const given: string[] = []
    const read = (async () => {
      for await (const { text } of log.read()) given.push(text)
    })()
    if (change.toString().includes('slice(0, 4)')) await read
    else await expectCode(read, 'ERR_AUDIT_TAMPERED')
    expect(given).toEqual(['1', '2', '3', '4', '5'].slice(0, line - 1))
  })

  it('refuses to add to a log that was cut, so that nothing hides it', async () => {
    await log.append(['1', '2', '3'])
    write(linesOf().slice(0, 2))
    await expectCode(log.append('4'), 'ERR_AUDIT_TAMPERED')
    write([])
    await expectCode(log.append('4'), 'ERR_AUDIT_TAMPERED')
    rmSync(`${path}.head`)
    write(['1 kw1.x'])
    await expectCode(log.append('4'), 'ERR_AUDIT_TAMPERED')
    expect(await log.verify()).toMatchObject({ ok: false })
    write(['no such log'])
    await expectCode(log.append('4'), 'ERR_AUDIT_TAMPERED')
  })

  it('finds an end that was cut together with the head, by a head that was noted elsewhere', async () => {
    const early = await log.append('1')
    const headFile = readFileSync(`${path}.head`, 'utf8')
    const late: LogHead = await log.append(['2', '3'])
    write(linesOf().slice(0, 1))
    writeFileSync(`${path}.head`, headFile)
    expect((await log.verify()).ok).toBe(true)
    expect((await log.verify({ expected: early })).ok).toBe(true)
    expect(await log.verify({ expected: late })).toMatchObject({ ok: false, lines: 1 })
  })

  it('goes on behind an unfinished line', async () => {
    await log.append(['1', '2'])
    appendFileSync(path, '3 kw1.AAA')
    expect(await log.verify()).toEqual({ ok: true, lines: 2, torn: true })
    expect(await textsOf(log)).toEqual(['1', '2'])
    await log.append('3')
    expect(await textsOf(log)).toEqual(['1', '2', '3'])
  })

  it('does not open as another log', async () => {
    await log.append('1')
    await expectCode(textsOf(lineLog(kw, { path, log: 'other' })), 'ERR_AUDIT_TAMPERED')
  })

  it('goes on over rotations; under a revoked key lines are refused as such', async () => {
    await log.append('1')
    await kw.keys.rotate('audit_logs', { force: true, now: true })
    await log.append('2')
    expect(await textsOf(log)).toEqual(['1', '2'])
    await revokeActive(kw, 'audit_logs')
    await expectCode(log.verify(), 'ERR_KEY_COMPROMISED')
    await log.append('3')
    expect(linesOf()).toHaveLength(3)
  })

  it('an outage is an error, and writes nothing', async () => {
    await log.append('1')
    const started = duringOutage(world)
    const broken = lineLog(started, { path, log: 'app' })
    await expectCode(broken.append('2'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(textsOf(broken), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(broken.verify(), 'ERR_PROVIDER_UNAVAILABLE')
    await started.close()
    expect((await log.verify()).lines).toBe(1)
  })

  it('takes lines up to its limit, and no failure spoils the lines of others', async () => {
    const [large, , small] = await Promise.allSettled([
      log.append('x'.repeat(48_001)),
      log.append('x'.repeat(48_000)),
      log.append('small'),
    ])
    expect(large).toMatchObject({ status: 'rejected', reason: { code: 'ERR_VALUE_TOO_LARGE' } })
    expect(small.status).toBe('fulfilled')
    await expectCode(log.append(5 as never), 'ERR_VALUE_TYPE')
    expect((await textsOf(log)).map(({ length }) => length)).toEqual([48_000, 5])
    expect((await log.verify()).ok).toBe(true)
  })

  it('says which file cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '')
    const wrong = lineLog(kw, { path: join(folder, 'file', 'app.log'), log: 'app' })
    const error = await expectCode(wrong.append('1'), 'ERR_OUTPUT_FAILED')
    expect(error.message).toContain(folder)
    await expectCode(
      lineLog(kw, { path: folder, log: 'app' }).append('1'),
      'ERR_OUTPUT_FAILED',
      'ERR_AUDIT_FAILED',
    )
    await expectCode(() => lineLog(kw, { path, log: '' }), 'ERR_ARGUMENT_INVALID')
  })
})

const renumber = (lines: readonly string[]): string[] =>
  lines.map((line, at) => line.replace(/^\d+/, String(at + 1)))

/** Changes one character of base64url. */
const flip = (line: string, at: number): string =>
  line.slice(0, at) + (line[at] === 'A' ? 'B' : 'A') + line.slice(at + 1)

describe('several processes', () => {
  let place: Place
  beforeEach(async () => {
    place = newPlace()
    const first = await openPlace(place, { create: true })
    await first.keys.create('audit_logs')
    await first.close()
  })
  afterEach(() => removePlace(place))

  it('write one log; what a killed one was told is there stays', async () => {
    const start = (name: string, count: number) => {
      const file = fileURLToPath(new URL('./log-writer.ts', import.meta.url))
      const child = spawn(process.execPath, [file, JSON.stringify(place), path, name, String(count)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const told: string[] = []
      const lines = createInterface({ input: child.stdout })
      const done = new Promise<void>((resolve) => child.once('close', () => resolve()))
      return { child, told, lines, done }
    }
    const killed = start('killed', 100_000)
    const ended = start('ended', 30)
    ended.lines.on('line', (line) => ended.told.push(line))
    killed.lines.on('line', (line) => {
      killed.told.push(line)
      if (killed.told.length === 20) killed.child.kill('SIGKILL')
    })
    await Promise.all([killed.done, ended.done])
    const own = await openPlace(place)
    const log = lineLog(own, { path, log: 'test' })
    await log.append('after')
    const entries = (await Array.fromAsync(log.read())).map(({ position, text }) => `${position} ${text}`)
    expect(entries).toEqual(expect.arrayContaining([...killed.told, ...ended.told]))
    expect(ended.told).toHaveLength(30)
    expect((await log.verify()).ok).toBe(true)
    expect(existsSync(`${path}.head`)).toBe(true)
    await own.close()
  }, 60_000)
})
