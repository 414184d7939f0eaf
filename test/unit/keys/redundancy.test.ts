/** Key types that several providers wrap: new keys, an outage of one of them, opening through the others. */
import { afterEach, describe, expect, it } from 'vitest'
import { expectCode } from '../../kit/failures.ts'
import { TestProvider } from '../../kit/provider.ts'
import { policyWith, World } from '../../kit/world.ts'

const MINUTE = 60_000
let world = new World()
afterEach(() => world.end())

function open(minWraps: number) {
  const second = new TestProvider('second')
  world = new World({ policy: policyWith({ pii: { furtherProviders: ['second'], minWraps } }) })
  return { kw: world.open({ providers: [second] }), second }
}

const wrappers = async (kw: ReturnType<typeof open>['kw']) =>
  (await kw.keys.list({ keyring: 'pii' })).map(({ wraps }) => wraps.map(({ provider }) => provider))

describe('wrapping under several providers', () => {
  it('wraps a new key under each, the preferred one first', async () => {
    const { kw } = open(Number.POSITIVE_INFINITY)
    await kw.encrypt('pii', 'x')
    expect(await wrappers(kw)).toEqual([['memory', 'second']])
    await kw.keys.rotate('pii', { force: true })
    expect(await wrappers(kw)).toEqual([
      ['memory', 'second'],
      ['memory', 'second'],
    ])
  })

  it('makes no key when one is down and all are wanted, and leaves nothing behind', async () => {
    const { kw, second } = open(Number.POSITIVE_INFINITY)
    second.mode = 'down'
    const error = await expectCode(kw.encrypt('pii', 'x'), 'ERR_WRAPS_TOO_FEW')
    expect(error.message).toContain('second: ERR_PROVIDER_UNAVAILABLE')
    expect(error.retryable).toBe(true)
    expect(await kw.keys.list({ keyring: 'pii' })).toEqual([])
  })

  it.each(['memory', 'second'] as const)('goes on with %s down where one wrap is enough', async (down) => {
    const { kw, second } = open(1)
    const provider = down === 'memory' ? world.provider : second
    provider.mode = 'down'
    const sealed = await kw.encrypt('pii', 'x')
    expect(await wrappers(kw)).toEqual([[down === 'memory' ? 'second' : 'memory']])
    expect(await kw.decrypt(sealed)).toBe('x')
  })

  it('opens through whichever provider is left', async () => {
    const { kw, second } = open(2)
    const sealed = await kw.encrypt('pii', 'x')
    for (const [down, up] of [
      [world.provider, second],
      [second, world.provider],
    ] as const) {
      down.mode = 'down'
      up.mode = 'up'
      await world.clock.pass(3 * 60 * MINUTE)
      expect(await kw.decrypt(sealed)).toBe('x')
    }
    second.mode = 'down'
    world.provider.mode = 'down'
    await world.clock.pass(3 * 60 * MINUTE)
    await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE')
  })
})

describe('the state of wraps', () => {
  it('counts stale, missing and only ones, and says which provider cannot be asked', async () => {
    const { kw, second } = open(1)
    await kw.encrypt('pii', 'x')
    second.mode = 'down'
    await kw.encrypt('pii', 'x', { tenant: 'acme' })
    const version = (await kw.keys.rotateMaster('memory')).version
    const [memory, other] = await kw.keys.wrapStatus()
    expect(memory).toMatchObject({ provider: 'memory', wraps: 2, stale: 2, missing: 0, only: 1 })
    expect(memory?.masterKey).toMatchObject({ version, state: 'enabled' })
    expect(other).toEqual({
      provider: 'second',
      code: 'ERR_PROVIDER_UNAVAILABLE',
      wraps: 1,
      missing: 1,
      only: 0,
    })
    await kw.keys.rewrap({ provider: 'memory' })
    expect((await kw.keys.wrapStatus())[0]).toMatchObject({ stale: 0 })
  })
})

it('does not take a wrap that opens to nothing', async () => {
  const { kw, second } = open(2)
  second.mode = 'garbage'
  const error = await expectCode(kw.encrypt('pii', 'x'), 'ERR_WRAPS_TOO_FEW')
  expect(error.message).toContain('second: ERR_UNWRAP_FAILED')
  expect(await kw.keys.list()).toEqual([])
})
