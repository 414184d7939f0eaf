/** What may happen in the world of the model, in random order. */
import fc from 'fast-check'

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const KEY_TYPES = ['pii', 'vault'] as const

const process = fc.nat(1)
const keyType = fc.constantFrom(...KEY_TYPES)
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('encrypt' as const), process, keyType, sync: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('decryptAll' as const), process }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('rotate' as const),
      process,
      keyType,
      now: fc.boolean(),
      force: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('rotateBoth' as const), keyType, now: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('suspend' as const, 'resume' as const, 'revoke' as const),
      process,
      pick: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constantFrom('rotateMaster' as const, 'rewrap' as const), process }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 700, 30 * SECOND, MINUTE, 3 * MINUTE, 20 * MINUTE),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('jump' as const),
      ms: fc.constantFrom(90 * MINUTE, 86_400_000, 400 * 86_400_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('crash' as const, 'reopen' as const), process }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('outage' as const),
      of: fc.constantFrom('provider' as const, 'store' as const),
      down: fc.boolean(),
    }),
  },
)
export type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

export const operations = fc.array(operation, { minLength: 5, maxLength: 40 })
