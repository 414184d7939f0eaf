/** Key ids that are not loaded: a starting process finds all of its keys at once, and inventing ids is no load. */
import { afterEach, expect, it } from 'vitest'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

const TENANTS = 400
let world = new World()
afterEach(() => world.end())

const invented = (id: number): Buffer => {
  const wire = Buffer.alloc(50)
  wire.writeUInt8(1, 0)
  wire.writeUInt32BE(id, 1)
  return wire
}

const codesOf = async (calls: readonly Promise<unknown>[]): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const result of await Promise.allSettled(calls)) {
    const code = result.status === 'fulfilled' ? 'opened' : String((result.reason as { code?: unknown }).code)
    counts[code] = (counts[code] ?? 0) + 1
  }
  return counts
}

it('a process that starts opens values of four hundred keyrings at once, one provider call each', async () => {
  world = new World()
  const before = world.open()
  const sealed: string[] = []
  for (let n = 0; n < TENANTS; n++) sealed.push(await before.encrypt('pii', 'x', { tenant: `t${n}` }))
  world.provider.resetCounts()
  const kw = world.open()
  expect(await codesOf(sealed.map((value) => kw.decrypt(value)))).toEqual({ opened: TENANTS })
  expect(world.provider.calls).toBe(TENANTS)
})

it('invented ids cost few reads a second, and do not stand in the way in the next one', async () => {
  world = new World()
  const sealed = await world.open().encrypt('pii', 'x')
  const kw = world.open()
  world.store.resetCounts()
  const flood = Array.from({ length: 5000 }, (_, n) => kw.decrypt(invented(n + 1)))
  const counts = await codesOf(flood)
  expect(counts).toEqual({ ERR_KEY_UNKNOWN: expect.any(Number), ERR_KEY_NOT_LOADED: expect.any(Number) })
  expect(world.store.counts.get).toBeLessThanOrEqual(400)
  const error = await expectCode(kw.decrypt(sealed), 'ERR_KEY_NOT_LOADED')
  expect(error.hint).toContain('try again')
  world.clock.advance(1000)
  expect(await kw.decrypt(sealed)).toBe('x')
})

it('a store that cannot be read is told of, and the look-ups go on when it is back', async () => {
  world = new World()
  const sealed = await world.open().encrypt('pii', 'x')
  const kw = world.open()
  world.store.down = true
  const attempts = Array.from({ length: 300 }, (_, n) => kw.decrypt(invented(n + 1)))
  expect(await codesOf(attempts)).toEqual({ ERR_STORE_BUSY: 300 })
  world.store.down = false
  expect(await kw.decrypt(sealed)).toBe('x')
})
