/** A provider that takes calls and never answers: whoever comes while that is known does not wait. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { KeywrightError } from '../../../src/errors.ts'
import { ProviderGuard } from '../../../src/resilience/guard.ts'
import { resilienceOf } from '../../../src/resilience/options.ts'
import { codeOf, expectCode } from '../../kit/failures.ts'

const BREAK_MS = 40

function hanging(concurrency: number) {
  const options = resilienceOf({ attempts: 1, breakAfter: 2, breakMs: BREAK_MS, concurrency })
  const guard = new ProviderGuard('vault', options, () => 0)
  const begun: { fail(): void; succeed(): void }[] = []
  const call = (): Promise<string> =>
    guard.run({
      id: () => 'unwrap x',
      repeatable: true,
      signal: new AbortController().signal,
      attempt: () =>
        new Promise((resolve, reject) => {
          begun.push({
            fail: () =>
              reject(new KeywrightError('ERR_PROVIDER_TIMEOUT', 'no answer in time', { hint: 'look' })),
            succeed: () => resolve('done'),
          })
        }),
    })
  /** Calls that have begun, in order; waits until there are so many. */
  const nth = async (at: number) => {
    for (;;) {
      const one = begun[at]
      if (one !== undefined) return one
      await delay(1)
    }
  }
  return { guard, begun, call, nth }
}

it('is left alone as soon as some have waited in vain, those in the line included', async () => {
  const { guard, begun, call, nth } = hanging(4)
  const hung = Array.from({ length: 10 }, () => call().catch(codeOf))
  for (const at of [0, 1]) (await nth(at)).fail()
  expect(await Promise.all([...hung.slice(0, 2), ...hung.slice(4)])).toEqual([
    ...Array(2).fill('ERR_PROVIDER_TIMEOUT'),
    ...Array(6).fill('ERR_PROVIDER_CIRCUIT_OPEN'),
  ])
  await Promise.all(Array.from({ length: 20 }, () => expectCode(call(), 'ERR_PROVIDER_CIRCUIT_OPEN')))
  expect(begun).toHaveLength(4)
  expect(guard.counters.refused).toBe(26)
  for (const at of [2, 3]) (await nth(at)).succeed()
  expect(await Promise.all(hung.slice(2, 4))).toEqual(['done', 'done'])
})

it('lets one call try whether it is back, and no other wait for that', async () => {
  const { guard, begun, call, nth } = hanging(4)
  for (const at of [0, 1]) {
    const failing = call()
    ;(await nth(at)).fail()
    await expectCode(failing, 'ERR_PROVIDER_TIMEOUT')
  }
  await delay(BREAK_MS + 5)
  const trial = call()
  const trying = await nth(2)
  await Promise.all(Array.from({ length: 20 }, () => expectCode(call(), 'ERR_PROVIDER_CIRCUIT_OPEN')))
  expect(begun).toHaveLength(3)
  trying.succeed()
  expect(await trial).toBe('done')
  expect(guard.isOpen).toBe(false)
  const next = call()
  ;(await nth(3)).succeed()
  expect(await next).toBe('done')
})

it('stays open for another while when the one that tried hangs too', async () => {
  const { guard, call, nth } = hanging(1)
  for (const at of [0, 1]) {
    const failing = call()
    ;(await nth(at)).fail()
    await expectCode(failing, 'ERR_PROVIDER_TIMEOUT')
  }
  await delay(BREAK_MS + 5)
  const trial = call()
  ;(await nth(2)).fail()
  await expectCode(trial, 'ERR_PROVIDER_TIMEOUT')
  expect(guard.isOpen).toBe(true)
  await expectCode(call(), 'ERR_PROVIDER_CIRCUIT_OPEN')
})
