/** Keys that may serve few times before the provider is asked again, and many callers at once. */
import { afterEach, describe, expect, it } from 'vitest'
import { policyWith, World } from '../../kit/world.ts'

const CALLERS = 100
let world = new World()
afterEach(() => world.end())

describe.each([1, 2, 7])('a key that serves %i times', (uses) => {
  async function started() {
    world = new World({ policy: policyWith({ pii: { cache: { uses } } }) })
    const kw = world.open()
    const sealed = await kw.encrypt('pii', 'x')
    await kw.decrypt(sealed)
    world.provider.resetCounts()
    return { kw, sealed }
  }
  const many = <T>(call: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: CALLERS }, call))

  it('serves everybody who decrypts or encrypts at the same time', async () => {
    const { kw, sealed } = await started()
    expect(new Set(await many(() => kw.decrypt(sealed)))).toEqual(new Set(['x']))
    expect(await many(() => kw.encrypt('pii', 'y'))).toHaveLength(CALLERS)
    const mixed = await many(async () => kw.decrypt(await kw.encrypt('pii', 'z')))
    expect(new Set(mixed)).toEqual(new Set(['z']))
  })

  it('is fetched again after so many calls of one caller, and no sooner', async () => {
    const { kw, sealed } = await started()
    await kw.ready(['pii'])
    world.provider.resetCounts()
    for (let n = 0; n < 70; n++) await kw.decrypt(sealed)
    expect(world.provider.unwraps).toBeGreaterThanOrEqual(Math.floor(70 / uses) - 1)
    expect(world.provider.unwraps).toBeLessThanOrEqual(Math.ceil(70 / uses) + 1)
  })

  it('serves everybody while the provider is down, too, for as long as it may', async () => {
    const { kw, sealed } = await started()
    world.provider.mode = 'down'
    expect(new Set(await many(() => kw.decrypt(sealed)))).toEqual(new Set(['x']))
    expect(await many(() => kw.encrypt('pii', 'y'))).toHaveLength(CALLERS)
  })
})
