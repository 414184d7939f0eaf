/** Closing, and that nothing of a Keywright keeps a process alive. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world = new World()
afterEach(() => world.end())

describe('close', () => {
  it('twice is harmless, also at the same time', async () => {
    world = new World()
    const kw = world.open()
    await kw.encrypt('pii', 'x')
    await Promise.all([kw.close(), kw.close()])
    await kw.close()
    await kw[Symbol.asyncDispose]()
    expect(world.clock.timers).toBe(0)
  })

  it('ends every form of use with ERR_CLOSED, held fields and keyrings included', async () => {
    world = new World()
    const kw = world.open()
    const sealed = await kw.encrypt('pii', 'x')
    const field = await kw.field('users.email').ready()
    const ring = await kw.keyring('pii')
    const codec = kw.records()
    await codec.encrypt({ email: 'x' })
    const index = kw.index('users.email')
    await index.token('x')
    await kw.close()
    for (const run of [
      () => kw.encrypt('pii', 'x'),
      () => kw.encryptSync('pii', 'x'),
      () => kw.decrypt(sealed),
      () => kw.keyring('pii'),
      () => kw.field('pii'),
      () => kw.encryptRecord({ email: 'x' }),
      () => kw.hash('users.email', 'x'),
      () => kw.keys.list(),
      () => kw.keys.rotate('pii', { force: true }),
      () => field.encrypt('x'),
      () => field.encryptSync('x'),
      () => ring.encrypt('x'),
      () => ring.encryptSync('x'),
      () => ring.decrypt(sealed),
      () => ring.decryptSync(sealed),
      () => codec.encrypt({ email: 'x' }),
      () => codec.encryptSync({ email: 'x' }),
      () => index.token('x'),
      () => index.tokenSync('x'),
    ]) {
      await expectCode(run, 'ERR_CLOSED')
    }
    expect(await world.open().decrypt(sealed)).toBe('x')
  })

  it('while calls are under way lets them end, one way or the other, and leaves no timer', async () => {
    world = new World()
    const kw = world.open()
    world.provider.before = () => new Promise((resolve) => setImmediate(resolve))
    const calls = Array.from({ length: 5 }, () => kw.encrypt('pii', 'x').catch((error: unknown) => error))
    await kw.close()
    await Promise.all(calls)
    expect(world.clock.timers).toBe(0)
  })

  it('of one process leaves the others alone', async () => {
    world = new World()
    const [one, other] = [world.open(), world.open()]
    const sealed = await one.encrypt('pii', 'x')
    await other.ready(['pii'])
    await one.close()
    expect(other.decryptSync(sealed)).toBe('x')
    expect(await other.encrypt('pii', 'y')).toMatch(/^kw1\./)
  })
})

it('a process that forgets to close ends all the same', async () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const script = `
    import { createKeywright } from '${root}src/index.ts'
    import memoryProvider from '${root}providers/memory.ts'
    import memoryStore from '${root}stores/memory.ts'
    const kw = await createKeywright({ provider: memoryProvider(), store: memoryStore() })
    const sealed = await kw.encrypt('pii', 'x')
    await kw.hash('users.email', 'x')
    console.log(await kw.decrypt(sealed))
  `
  const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', script], {
    timeout: 20_000,
  })
  expect((await run).stdout).toBe('x\n')
})
