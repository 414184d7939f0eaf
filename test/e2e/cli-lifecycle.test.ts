/** `lifecycle`, `worker` and `queue` as a person and a timer use them, and how they end when they are told to. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { open } from '../../src/compose.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { type Result, type RunOptions, Workplace } from './cli-kit.ts'
import { endPrograms, type Program, startProgram } from './program-kit.ts'

const ROWS = 300
const POLICY = {
  version: 1,
  provider: 'file',
  providers: { file: { type: 'file', path: '.keywright/master.keys' } },
  keyTypes: { pii: { rotation: { auto: false }, cache: { refresh: '200ms' } } },
  sources: {
    people: {
      type: 'sqlite',
      path: './app.db',
      table: 'people',
      columns: { ssn: { keyType: 'pii', row: 'id' } },
    },
  },
}

let place: Workplace
async function begin(): Promise<void> {
  place = new Workplace()
  await place.init()
  writeFileSync('config/encryption.json', JSON.stringify(POLICY))
}
function end(): void {
  endPrograms()
  place.leave()
}

/** Each test has an installation and a table of its own. */
function eachAnew(): void {
  beforeEach(async () => {
    await begin()
    await fill()
  })
  afterEach(end)
}

/** A table under the first key of `pii`. */
async function fill(): Promise<void> {
  const keywright = await open({ environment: place.env, audit: false })
  const field = keywright.field('people.ssn')
  const table = new DatabaseSync('app.db')
  table.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, ssn TEXT)')
  const insert = table.prepare('INSERT INTO people VALUES (?, ?)')
  for (let id = 1; id <= ROWS; id++) insert.run(id, await field.encrypt(`row ${id}`, { row: String(id) }))
  table.close()
  await keywright.close()
}

const run = (argv: readonly string[], options?: RunOptions): Promise<Result> => place.keywright(argv, options)
const start = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Program =>
  startProgram(argv, { cwd: place.folder, env: { ...place.env, ...env } })

async function until(what: () => boolean, program: Program): Promise<void> {
  while (!what()) {
    if (program.child.exitCode !== null) throw new Error(JSON.stringify(await program.ended))
    await delay(10)
  }
}

/** A new key that encrypts already. */
async function rotate(): Promise<void> {
  expect((await run(['keys', 'rotate', 'pii', '--force', '--now'])).code).toBe(0)
}

describe('lifecycle run', () => {
  eachAnew()

  it('does what is due, in one table or one report', async () => {
    await rotate()
    const { code, err, out } = await run(['lifecycle', 'run', '--report', 'report.json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/rotate-due +nothing due +no keyring is due/)
    expect(out).toMatch(/reencrypt +done +300 values in 300 rows re-encrypted \(pii\)/)
    expect(out).toMatch(/census +done +300 values under 2 keys/)
    expect(JSON.parse(readFileSync('report.json', 'utf8'))).toMatchObject({
      job: 'lifecycle',
      outcome: 'finished',
    })
    expect(await place.json(['lifecycle', 'run', '--task', 'report'])).toMatchObject({
      steps: [{ task: 'report', outcome: 'done', details: { keys: 2 } }],
    })
    expect(await run(['audit', 'verify'])).toMatchObject({ code: 0 })
  })

  it('does one task for one key type', async () => {
    const report = (await place.json([
      'lifecycle',
      'run',
      '--task',
      'rotate',
      '--key-type',
      'pii',
      '--force',
    ])) as {
      steps: { details: unknown }[]
    }
    expect(report.steps[0]?.details).toMatchObject({ rotated: [{ keyring: 'pii', why: 'forced' }] })
  })

  it('goes on when a task fails, and ends with 1 and what failed', async () => {
    await rotate()
    writeFileSync('app.db', 'this is no database')
    const { code, err, out } = await run(['lifecycle', 'run'])
    expect(code).toBe(1)
    expect(out).toMatch(/reencrypt +failed/)
    expect(out).toMatch(/report +done/)
    expect(err).toContain('not everything that was due is done: reencrypt, census')
    expect(err).toMatch(/hint: \S/)
  })
})

describe('lifecycle watch', () => {
  eachAnew()

  const WATCH = ['lifecycle', 'watch', '--schedule', 'report=* * * * * *', '--json']
  const events = ({ out }: Program): string[] =>
    out()
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => (JSON.parse(line) as { event: string }).event)

  it('runs on its schedule; a second one stands by and takes over when the first is told to end', async () => {
    const first = start(WATCH)
    await until(() => events(first).includes('finished'), first)
    const second = start(WATCH)
    await until(() => events(second).includes('standby'), second)
    first.child.kill('SIGTERM')
    expect(await first.ended).toMatchObject({ code: 143, err: '' })
    expect(events(first).at(-1)).toBe('stopped')
    await until(() => events(second).includes('finished'), second)
    second.child.kill('SIGINT')
    expect((await second.ended).code).toBe(130)
    expect(await place.json(['lifecycle', 'report'])).toMatchObject({
      runs: { report: { outcome: 'finished' } },
    })
  })

  it('takes over from one that was killed', async () => {
    const first = startHurried()
    await until(() => events(first).includes('finished'), first)
    const second = startHurried()
    await until(() => events(second).includes('standby'), second)
    first.child.kill('SIGKILL')
    await until(() => events(second).includes('finished'), second)
  })

  /** The same with a clock that runs twenty times as fast: the lease of one that died is over in a second. */
  function startHurried(): Program {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'hurried-watch.ts')], {
      cwd: place.folder,
      env: { PATH: process.env['PATH'], ...place.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    hurried.push(() => child.kill('SIGKILL'))
    const out = (): string => Buffer.concat(chunks).toString()
    return { child, out, ended: Promise.resolve({ code: null, out: '', err: '' }) }
  }
  const hurried: (() => void)[] = []
  afterEach(() => {
    for (const end of hurried.splice(0)) end()
  })

  it('ends in order in the middle of a re-encryption, which then goes on', async () => {
    await rotate()
    const argv = [
      'lifecycle',
      'watch',
      '--schedule',
      'reencrypt:pii=* * * * * *',
      '--batch',
      '10',
      '--rate',
      '50',
      '--json',
    ]
    const program = start(argv)
    await until(() => program.out().includes('"begun"'), program)
    await delay(600)
    program.child.kill('SIGTERM')
    expect((await program.ended).code).toBe(143)
    const { steps } = (await place.json(['lifecycle', 'run', '--task', 'reencrypt'])) as {
      steps: { details: { report: unknown } }[]
    }
    expect(steps[0]?.details.report).toMatchObject({ places: [{ resumed: true, counts: { rows: ROWS } }] })
  })
})

const server = await serverFor(redis)

describe.skipIf(server.skip)(`worker and queue ${server.skip ?? ''}`, () => {
  eachAnew()

  let queue: RedisServer
  let env: Readonly<Record<string, string>>
  beforeAll(async () => {
    queue = await startRedis()
    env = { ENCRYPTION_QUEUE_URL: `redis://:${queue.password}@127.0.0.1:${queue.port}/0` }
  })
  afterAll(() => queue?.stop())

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('a worker ends in order with %s, and the next one goes on', async (signal, code) => {
    await rotate()
    const slow = start(['worker', '--rate', '100', '--concurrency', '1'], env)
    await until(() => slow.out().includes('ready'), slow)
    const id = (await run(['queue', 'reencrypt', 'pii', '--batch', '10', '--no-wait'], { env })).out.trim()
    await until(() => slow.out().includes('begun'), slow)
    slow.child.kill(signal)
    expect(await slow.ended).toMatchObject({ code, err: 'keywright: stopped\n' })
    expect(await place.json(['queue', 'status'], { env })).toMatchObject({
      workers: 0,
      flows: [{ id, state: 'running' }],
    })

    const worker = start(['worker', '--json'], env)
    const { code: done, err, out } = await run(['queue', 'wait', id, '--json'], { env })
    expect(done).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      outcome: 'finished',
      left: 0,
      counts: { rows: ROWS, written: ROWS },
    })
    expect(err).not.toContain('error')
    worker.child.kill('SIGTERM')
    expect((await worker.ended).code).toBe(143)
    const census = (await place.json(['census'])) as { keys: { state: string; values: number }[] }
    expect(census.keys.filter(({ state }) => state === 'deactivated')).toMatchObject([{ values: 0 }])
  })

  it('follows a re-encryption, pauses and cancels', async () => {
    await rotate()
    expect(await run(['queue', 'pause'], { env })).toMatchObject({ code: 0 })
    const id = (await run(['queue', 'reencrypt', 'pii', '--no-wait'], { env })).out.trim()
    const again = await run(['queue', 'reencrypt', 'pii'], { env })
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining(`keywright queue wait ${id}`) })
    expect((await run(['queue', 'status'], { env })).out).toMatch(/state +paused/)
    expect(await run(['queue', 'cancel', id], { env })).toMatchObject({ code: 0 })
    expect(await run(['queue', 'resume'], { env })).toMatchObject({ code: 0 })
    const worker = start(['worker'], env)
    const { code, out } = await run(['queue', 'wait', id], { env })
    expect({ code, out }).toEqual({ code: 1, out: expect.stringMatching(/^cancelled: /) })
    worker.child.kill('SIGTERM')
    await worker.ended
  })

  it('warns of a password on the command line', async () => {
    const { err } = await run(['queue', 'status', '--queue', env['ENCRYPTION_QUEUE_URL'] ?? ''])
    expect(err).toContain('ENCRYPTION_QUEUE_URL')
    expect(err).not.toContain(queue.password)
  })
})

describe('wrong use', () => {
  beforeAll(begin)
  afterAll(end)

  it.each([
    [['run', '--task', 'sweep'], 'rotate-due'],
    [['run', '--task', 'rotate'], '--key-type'],
    [['run', '--batch', 'many'], '--batch'],
    [['watch', '--schedule', 'report'], '--schedule'],
    [['watch', '--schedule', 'report=often'], '--schedule'],
    [['watch', '--schedule', 'report=0 3 * * *', '--schedule', 'report=0 4 * * *'], '--schedule'],
    [['watch', '--schedule', 'report=0 3 * * *', '--time-zone', 'Mars/Olympus'], '--schedule'],
  ])('refuses %j as wrong use', async (argv, hint) => {
    const { code, err } = await run(['lifecycle', ...argv])
    expect(code).toBe(2)
    expect(err).toContain(hint)
  })

  it.each([
    [['queue', 'status'], 2, 'ENCRYPTION_QUEUE_URL'],
    [['queue', 'status', '--queue', 'localhost'], 2, 'redis://'],
    [['queue', 'status', '--queue', 'redis://127.0.0.1:1'], 1, '--queue'],
    [['worker', '--queue', 'redis://127.0.0.1:1'], 1, '--queue'],
    [['worker', '--queue', 'redis://127.0.0.1:1', '--limit', '10'], 2, '10/1m'],
    [['worker', '--queue', 'redis://127.0.0.1:1', '--lock', 'long'], 2, '--lock 30s'],
    [['queue', 'wait', 'nothing', '--queue', 'redis://127.0.0.1:1'], 1, '--queue'],
  ])('%j ends with %i', async (argv, code, hint) => {
    const { code: found, err } = await run(argv)
    expect(found).toBe(code)
    expect(err).toContain(hint)
  })
})
