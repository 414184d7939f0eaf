/** Ctrl-C in long commands: exit code 130, no server and no folder is left, and the next run goes on. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { open } from '../../src/compose.ts'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { openbao } from '../../src/testing/native/openbao.ts'
import { serverFor } from '../kit/servers.ts'
import type { Env } from './bad-input-kit.ts'
import { Workplace } from './cli-kit.ts'
import { endPrograms, type Program, startProgram } from './program-kit.ts'

const KEYS = 120
const POLL_MS = 5

async function until(what: () => boolean, program: Program): Promise<void> {
  while (!what()) {
    if (program.child.exitCode !== null)
      throw new Error(`it ended before: ${JSON.stringify(await program.ended)}`)
    await delay(POLL_MS)
  }
}

let place: Workplace
beforeEach(() => {
  place = new Workplace()
})
afterEach(() => {
  endPrograms()
  place.leave()
})

const start = (argv: readonly string[], env: Env = {}): Program =>
  startProgram(argv, { cwd: place.folder, env: { ...place.env, ...env } })

const server = await serverFor(openbao)

describe.skipIf(server.skip)(`quickstart on a server ${server.skip ?? ''}`, () => {
  /** All temporary files of the program are in here. */
  const temporary = (): string => join(place.folder, 'tmp')
  const quickstart = (): Program => {
    mkdirSync(temporary(), { recursive: true })
    // The program in the cache of the user who runs the tests is not to be installed anew.
    const env = { HOME: process.env['HOME'], KEYWRIGHT_EMULATORS: 'native', TMPDIR: temporary() }
    return start(['quickstart', '--backend', 'vault'], env)
  }

  it.each([
    ['when the server has just been started', () => readdirSync(temporary()).length > 0],
    ['when the server is ready', (out: string) => out.includes('ENCRYPTION_VAULT_URL=')],
    ['when the work is under way', (out: string) => out.includes('rows of')],
  ])('stopped %s: nothing is left', async (_, isThere) => {
    const program = quickstart()
    await until(() => isThere(program.out()), program)
    program.child.kill('SIGINT')
    const { code, err, out } = await program.ended
    expect({ code, err }).toEqual({ code: 130, err: 'keywright: stopped\n' })
    expect(readdirSync(temporary())).toEqual([])
    expect(readdirSync(place.folder).includes('.quickstart') ? readdirSync('.quickstart') : []).toEqual([])
    const port = /ENCRYPTION_VAULT_URL=\S+:(\d+)/.exec(out)?.[1]
    if (port !== undefined) expect(await listens(Number(port))).toBe(false)
  })

  it('runs to its end afterwards', async () => {
    const first = quickstart()
    await until(() => first.out().includes('rows of'), first)
    first.child.kill('SIGTERM')
    expect((await first.ended).code).toBe(143)
    const { code, err, out } = await quickstart().ended
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('read everything back')
    expect(readdirSync(temporary())).toEqual([])
  })
})

/** The kernel takes a moment to end a process. */
async function listens(port: number): Promise<boolean> {
  for (let round = 0; round < 40; round++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => socket.destroy()).end()
    })
    if (!isOpen) return false
    await delay(25)
  }
  return true
}

describe('jobs', () => {
  let aws: AwsKmsFake
  beforeAll(async () => {
    aws = await startAwsKmsFake()
  })
  afterAll(() => aws.stop())

  const document = (provider: string): object => {
    const {
      ENCRYPTION_AWS_REGION: region,
      ENCRYPTION_KEY_ID: keyId,
      ENCRYPTION_AWS_ENDPOINT: endpoint,
    } = aws.env
    return {
      version: 1,
      provider,
      providers: {
        file: { type: 'file', path: '.keywright/master.keys' },
        aws: { type: 'aws-kms', region, keyId, endpoint },
      },
      keyTypes: { pii: { tenants: 'optional' } },
    }
  }
  const credentials = (): Env =>
    Object.fromEntries(Object.entries(aws.env).filter(([name]) => name.includes('ACCESS_KEY')))
  const run = (argv: readonly string[]): Program => start(argv, credentials())
  const calls = (operation: string): number => aws.calls.filter((one) => one.operation === operation).length
  const decrypts = async (value: string): Promise<void> => {
    const { code, out } = await place.keywright(['decrypt', '--key-type', 'pii', '--tenant', 't7', value], {
      env: credentials(),
    })
    expect([code, out]).toEqual([0, 'ada\n'])
  }
  const wrapsOf = async (provider: string): Promise<{ wraps: number; stale: number }> => {
    const { wraps } = (await place.json(['status'], { env: credentials() })) as {
      wraps: readonly { provider: string; wraps: number; stale: number }[]
    }
    return wraps.find((row) => row.provider === provider) ?? { wraps: -1, stale: -1 }
  }

  /** An installation with many keys under `provider`; resolves to a ciphertext of one of them. */
  async function fill(provider: string): Promise<string> {
    await place.init()
    writeFileSync('config/encryption.json', JSON.stringify(document(provider)))
    const environment = { ...place.env, ...credentials() }
    const keywright = await open({ environment, audit: false })
    try {
      for (let index = 0; index < KEYS; index++) await keywright.keys.create('pii', { tenant: `t${index}` })
      return await keywright.encrypt('pii', 'ada', { tenant: 't7' })
    } finally {
      await keywright.close()
    }
  }

  it('move: stopped between two keys, the next run goes on at once', async () => {
    const value = await fill('file')
    writeFileSync('config/encryption.json', JSON.stringify(document('aws')))
    const command = ['move', '--from', 'file', '--to', 'aws', '--window', '0s']
    const before = calls('Encrypt')
    const first = run(command)
    await until(() => calls('Encrypt') > before + KEYS / 4, first)
    first.child.kill('SIGINT')
    const stopped = await first.ended
    expect(stopped).toMatchObject({ code: 130, out: '' })
    expect(stopped.err).toMatch(/keywright: stopped\n$/)
    const { wraps } = await wrapsOf('aws')
    expect(wraps).toBeGreaterThan(0)
    expect(wraps).toBeLessThan(KEYS)
    await decrypts(value)
    expect(await run(command).ended).toMatchObject({ code: 0, out: expect.stringContaining('finished') })
    expect(await wrapsOf('aws')).toMatchObject({ wraps: KEYS, stale: 0 })
    expect(await wrapsOf('file')).toMatchObject({ wraps: 0 })
    await decrypts(value)
    expect(await place.keywright(['audit', 'verify'])).toMatchObject({ code: 0 })
  })

  it('rewrap: stopped half-way, the next run does the rest', async () => {
    const value = await fill('aws')
    const master = await place.keywright(['master', 'rotate', '--provider', 'aws'], { env: credentials() })
    expect(master).toMatchObject({ code: 0 })
    const before = calls('ReEncrypt') + calls('Encrypt')
    const first = run(['rewrap', '--every', '1h'])
    await until(() => calls('ReEncrypt') + calls('Encrypt') > before + KEYS / 4, first)
    first.child.kill('SIGINT')
    expect((await first.ended).code).toBe(130)
    await decrypts(value)
    const { stale, wraps } = await wrapsOf('aws')
    expect(wraps).toBe(KEYS)
    expect(stale).toBeGreaterThan(0)
    expect((await run(['rewrap']).ended).code).toBe(0)
    expect(await wrapsOf('aws')).toMatchObject({ wraps: KEYS, stale: 0 })
    await decrypts(value)
    expect(await place.keywright(['audit', 'verify'])).toMatchObject({ code: 0 })
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('rewrap --every: %s in the pause ends it with %i', async (signal, code) => {
    await place.init()
    const program = run(['rewrap', '--every', '1h'])
    await until(() => program.out().includes('renewed'), program)
    program.child.kill(signal)
    expect(await program.ended).toMatchObject({ code, err: 'keywright: stopped\n' })
  })
})
