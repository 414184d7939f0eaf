/** The small parts of long work on values: pace, key ids from prefixes, names of checkpoints. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCiphertext, keyIdOf, parseCiphertext, toText } from '../../../../src/crypto/ciphertext.ts'
import { toToken } from '../../../../src/crypto/token.ts'
import { checkpointName } from '../../../../src/jobs/values/checkpoint.ts'
import { Pace } from '../../../../src/jobs/values/pace.ts'
import { FOREIGN, keyIdIn, MALFORMED, PLAIN, tokenKeyIdIn } from '../../../../src/jobs/values/prefix.ts'
import { FakeClock, settle } from '../../../kit/clock.ts'

/** Whether `work` has come to its end once the clock has moved on by `ms`. */
async function isDoneAfter(clock: FakeClock, ms: number, work: Promise<void>): Promise<boolean> {
  let done = false
  void work.then(() => {
    done = true
  })
  await settle()
  await clock.pass(ms)
  return done
}

describe('pace', () => {
  it('holds to so many rows a second over the whole run', async () => {
    const clock = new FakeClock()
    const pace = new Pace(clock, { rate: 100 })
    const first = pace.after(50, undefined)
    expect(await isDoneAfter(clock, 499, first)).toBe(false)
    expect(await isDoneAfter(clock, 1, first)).toBe(true)
    await clock.pass(2_000) // slower than it may be
    expect(await isDoneAfter(clock, 0, pace.after(100, undefined))).toBe(true)
  })

  it('waits twice as long with each slow answer, and recovers', async () => {
    const clock = new FakeClock()
    const pace = new Pace(clock, { maxLatencyMs: 100 })
    pace.answered(100)
    expect(await isDoneAfter(clock, 0, pace.after(1, undefined))).toBe(true)
    pace.answered(150)
    pace.answered(150)
    const slow = pace.after(1, undefined)
    expect(await isDoneAfter(clock, 299, slow)).toBe(false)
    expect(await isDoneAfter(clock, 1, slow)).toBe(true)
    for (let quick = 0; quick < 12; quick++) pace.answered(10)
    expect(await isDoneAfter(clock, 0, pace.after(1, undefined))).toBe(true)
  })

  it('ends at once when the job is stopped', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const waiting = new Pace(clock, { rate: 1 }).after(1_000, stop.signal)
    stop.abort()
    expect(await isDoneAfter(clock, 0, waiting)).toBe(true)
  })
})

describe('key ids from the first characters', () => {
  it('are those of the whole ciphertext', () => {
    const wire = fc
      .tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.uint8Array({ minLength: 28, maxLength: 90 }))
      .map(([id, rest]) => Buffer.from([1, id >>> 24, id >>> 16, id >>> 8, id, ...rest]))
    fc.assert(
      fc.property(wire, (bytes) => {
        expect(keyIdIn(bytes)).toBe(keyIdOf(bytes))
        expect(keyIdIn(toText(bytes))).toBe(keyIdOf(parseCiphertext(toText(bytes))))
      }),
    )
  })

  it('are those of a token, of any length', () => {
    const output = fc.uint8Array({ minLength: 1, maxLength: 32 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), output, (id, bytes) => {
        expect(tokenKeyIdIn(toToken(id, Buffer.from(bytes)))).toBe(id)
      }),
    )
  })

  it('say of everything else what it is: nothing that is a ciphertext is missed', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `kw1.${text}`),
          fc.uint8Array(),
        ),
        (value) => {
          expect(isCiphertext(value) && keyIdIn(value) < 0).toBe(false)
        },
      ),
    )
  })

  it.each<[string | Uint8Array, number]>([
    ['', PLAIN],
    ['ada@example.com', PLAIN],
    ['KW1.AQAAAAk', PLAIN],
    ['gAAAAABm', FOREIGN],
    ['kw1.', MALFORMED],
    [`kw1.${'A'.repeat(60)}`, MALFORMED], // another version
    [`kw1.AQAAAA${'A'.repeat(60)}`, MALFORMED], // key id 0
    [`kw1.AQ!AAAk${'A'.repeat(60)}`, MALFORMED],
    [`kw1.AQ€AAAk${'A'.repeat(60)}`, MALFORMED],
    [new Uint8Array(0), PLAIN],
    [Uint8Array.of(2, 0, 0, 0, 1), PLAIN],
    [Uint8Array.of(1, 0, 0, 0, 1), MALFORMED],
  ])('%j', (value, kind) => {
    expect(keyIdIn(value)).toBe(kind)
  })
})

it('names of checkpoints keep places apart that differ in case only', () => {
  expect(checkpointName('reencrypt', 'users')).toBe('jobs/data/reencrypt/users')
  expect(checkpointName('reencrypt', 'Users', '3')).toBe('jobs/data/reencrypt/:users/3')
})
