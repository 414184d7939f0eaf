/** Waiting before the next try: as long as the service asks for, and nobody at the same moment as everybody. */
import { expect, it } from 'vitest'
import { KeywrightError } from '../../../src/errors.ts'
import { ProviderGuard } from '../../../src/resilience/guard.ts'
import { type ResilienceOptions, resilienceOf } from '../../../src/resilience/options.ts'
import { expectCode } from '../../kit/failures.ts'

/** When each try of one call began, in ms; the first `failures` of them are throttled. */
function triesOf(failures: number, retryAfterMs?: number, more: ResilienceOptions = {}) {
  const guard = new ProviderGuard('azure', resilienceOf({ retryDelayMs: 20, ...more }), () => 0)
  const begun: number[] = []
  const result = guard.run({
    id: () => 'unwrap x',
    repeatable: true,
    signal: new AbortController().signal,
    attempt: async (): Promise<unknown> => {
      begun.push(performance.now())
      if (begun.length > failures) return 'done'
      const details = retryAfterMs === undefined ? {} : { retryAfterMs }
      throw new KeywrightError('ERR_PROVIDER_THROTTLED', 'too many requests', { hint: 'later', details })
    },
  })
  return { begun, result }
}

it('is never shorter than the service asks for', async () => {
  const { begun, result } = triesOf(2, 150)
  expect(await result).toBe('done')
  const [, second = 0, third = 0] = begun
  expect(begun).toHaveLength(3)
  expect(third - second).toBeGreaterThanOrEqual(149) // timers round
})

it('is not begun when the service asks for longer than anybody would wait', async () => {
  const { begun, result } = triesOf(1, 30_000)
  const error = await expectCode(result, 'ERR_PROVIDER_THROTTLED')
  expect(error.details).toEqual({ retryAfterMs: 30_000 })
  expect(begun).toHaveLength(1)
})

it.each([-1, 0, Number.NaN])('takes %d as nothing said', async (retryAfterMs) => {
  const { begun, result } = triesOf(1, retryAfterMs)
  expect(await result).toBe('done')
  expect(begun).toHaveLength(2)
})

it('spreads those who were refused together', async () => {
  const all = Array.from({ length: 40 }, () => triesOf(1, undefined, { retryDelayMs: 100 }))
  await Promise.all(all.map(({ result }) => result))
  const waits = all.map(({ begun: [first = 0, second = 0] }) => second - first)
  expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(25)
})
