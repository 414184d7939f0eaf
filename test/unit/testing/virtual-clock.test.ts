import { describe, expect, it } from 'vitest'
import { virtualClock } from '../../../src/testing/index.ts'

describe('virtualClock', () => {
  it('stands still until it is moved', async () => {
    const clock = virtualClock()
    expect(clock.now()).toBe(Date.UTC(2026, 0, 1))
    await clock.advance(1_500)
    expect(clock.now()).toBe(Date.UTC(2026, 0, 1) + 1_500)
    expect(virtualClock(42).now()).toBe(42)
  })

  it('runs timers in the order of their dates, each at its date', async () => {
    const clock = virtualClock(0)
    const ran: [string, number][] = []
    const note = (name: string) => () => void ran.push([name, clock.now()])
    clock.after(20, note('c'))
    clock.after(10, note('a'))
    clock.after(10, note('b'))
    clock.after(31, note('late'))
    expect(clock.timers).toBe(4)
    await clock.advance(30)
    expect(ran).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 20],
    ])
    expect([clock.now(), clock.timers]).toEqual([30, 1])
  })

  it('runs timers that timers set, and none that was cancelled', async () => {
    const clock = virtualClock(0)
    const ran: number[] = []
    const every = (): void => {
      ran.push(clock.now())
      if (ran.length < 5) clock.after(10, every)
    }
    clock.after(10, every)
    clock.after(15, () => ran.push(-1))()
    await clock.advance(35)
    expect(ran).toEqual([10, 20, 30])
    await clock.advance(100)
    expect(ran).toEqual([10, 20, 30, 40, 50])
  })

  it('lets promises settle between timers', async () => {
    const clock = virtualClock(0)
    const times: number[] = []
    const work = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await new Promise<void>((resolve) => clock.after(10, resolve))
        times.push(clock.now())
      }
    }
    const working = work()
    await clock.advance(30)
    await working
    expect(times).toEqual([10, 20, 30])
  })

  it('does not go back', async () => {
    const clock = virtualClock(0)
    await clock.advance(10)
    await clock.advance(-5)
    expect(clock.now()).toBe(10)
  })
})
