/** The emulator kit's container path on a real Docker engine, and what it says where there is none. */
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { open } from '../../src/index.ts'
import { askDocker } from '../../src/testing/containers/docker.ts'
import { imageOf } from '../../src/testing/containers/images.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { scratchFolder } from '../../src/testing/native/process.ts'
import { startEmulator } from '../../src/testing/start.ts'
import { expectCode } from '../kit/failures.ts'
import { type DockerEngine, lacksDocker, startDocker } from './docker-engine.ts'

const IMAGE = 'redis:7-alpine'
const lacks = await lacksDocker()
if (lacks !== undefined && process.env['CI']) throw new Error(`a Docker engine is missing in CI: ${lacks}`)

const started: Emulator[] = []
afterEach(async () => {
  for (const emulator of started.splice(0)) await emulator.stop()
  vi.unstubAllEnvs()
})

async function start(...args: Parameters<typeof startEmulator>): Promise<Emulator> {
  const emulator = await startEmulator(...args)
  started.push(emulator)
  return emulator
}

describe.skipIf(lacks !== undefined)(`containers${lacks === undefined ? '' : `: ${lacks}`}`, () => {
  let engine: DockerEngine
  beforeAll(async () => {
    engine = await startDocker(IMAGE)
  }, 120_000)
  afterAll(() => engine.stop())

  function useEngine(): void {
    vi.stubEnv('DOCKER_HOST', engine.host)
    vi.stubEnv('TESTCONTAINERS_RYUK_DISABLED', 'true') // its image cannot be had everywhere
    vi.stubEnv('TESTCONTAINERS_HOST_OVERRIDE', '127.0.0.1')
  }

  it.each(['container', 'auto'] as const)('starts Redis as "%s", keys and records in it', async (kind) => {
    useEngine()
    const redis = await start('redis', { kind })
    expect(redis).toMatchObject({ name: 'redis', kind: 'container', server: IMAGE })
    const kw = await open({ environment: redis.env, audit: false, create: true })
    const sealed = await kw.encrypt('pii', 'x')
    await kw.close()
    const other = await open({ environment: redis.env, audit: false })
    expect(await other.decrypt(sealed)).toBe('x')
    await other.close()
    const second = await redis.createMasterKey()
    expect(second.env['ENCRYPTION_KEY_ID']).toBe(second.keyId)
    expect(second.keyId).not.toBe(redis.env['ENCRYPTION_KEY_ID'])
    await redis.stop()
    await redis.stop()
    expect(await engine.docker('ps', '--all', '--quiet')).toBe('')
  })

  it('survives a pause of the container', async () => {
    useEngine()
    const redis = await start('redis', { kind: 'container' })
    const kw = await open({ environment: redis.env, audit: false, create: true, providerTimeoutMs: 20_000 })
    const sealed = await kw.encrypt('pii', 'x')
    const id = await engine.docker('ps', '--quiet')
    await engine.docker('pause', id)
    await engine.docker('unpause', id)
    expect(await kw.decrypt(sealed)).toBe('x')
    await kw.close()
  })

  it('says which image is missing, and takes a program of this machine where it may', async () => {
    useEngine()
    vi.stubEnv('KEYWRIGHT_IMAGE_REDIS', 'keywright-test/absent:1')
    expect(imageOf('redis')).toBe('keywright-test/absent:1')
    expect(await askDocker(imageOf('redis'))).toBe('no-image')
    const error = await expectCode(start('redis', { kind: 'container' }), 'ERR_EMULATOR_UNAVAILABLE')
    expect(`${error.message} ${error.hint}`).toContain('keywright-test/absent:1')
    expect(await start('redis')).toMatchObject({ kind: 'native' })
  })
})

describe('without a usable Docker', () => {
  let hung: Server
  let folder: Awaited<ReturnType<typeof scratchFolder>>
  beforeAll(async () => {
    folder = await scratchFolder('docker-hung')
    hung = createServer(() => undefined) // takes the connection and says nothing
    await new Promise<void>((resolve) => hung.listen(join(folder.path, 'hung.sock'), resolve))
  })
  afterAll(async () => {
    hung.close()
    await folder.remove()
  })

  it.each([
    ['no socket', () => 'unix:///nowhere/docker.sock', 'no-docker', 'install Docker'],
    ['a closed port', () => 'tcp://127.0.0.1:1', 'no-docker', 'install Docker'],
    ['a scheme of its own', () => 'ssh://user@host', 'no-docker', 'install Docker'],
    ['a socket that hangs', () => `unix://${join(folder.path, 'hung.sock')}`, 'no-answer', 'restart Docker'],
  ])('%s: tells so, and goes on without', async (_, host, state, hint) => {
    vi.stubEnv('DOCKER_HOST', host())
    expect(await askDocker(IMAGE)).toBe(state)
    const error = await expectCode(start('redis', { kind: 'container' }), 'ERR_EMULATOR_UNAVAILABLE')
    expect(error.hint).toContain(hint)
    expect(await start('gcp-kms')).toMatchObject({ kind: 'fake' })
  })

  it('obeys KEYWRIGHT_EMULATORS, and refuses what is none', async () => {
    vi.stubEnv('KEYWRIGHT_EMULATORS', 'native')
    expect(await start('redis')).toMatchObject({ kind: 'native' })
    vi.stubEnv('KEYWRIGHT_EMULATORS', 'docker')
    const error = await expectCode(start('redis'), 'ERR_ARGUMENT_INVALID')
    expect(error.message).toContain('KEYWRIGHT_EMULATORS')
    const unknown = await expectCode(start('vualt' as 'vault'), 'ERR_ARGUMENT_INVALID')
    expect(unknown.hint).toContain('did you mean "vault"')
    await expectCode(start('redis', { kind: 'podman' as 'native' }), 'ERR_ARGUMENT_INVALID')
  })
})
