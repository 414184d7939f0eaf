/** What happens in the model of moves, in any order. Weighted for what is hard to get right. */
import fc from 'fast-check'

export const PROVIDERS = ['file', 'vault'] as const
export type ProviderName = (typeof PROVIDERS)[number]

const direction = fc.constantFrom('there', 'back')

const move = fc.record({
  op: fc.constant('move' as const),
  direction,
  step: fc.constantFrom('all', 'all', 'all', 'add', 'prefer', 'remove'),
  concurrency: fc.integer({ min: 1, max: 4 }),
})
const rollback = fc.record({ op: fc.constant('rollback' as const), direction })
const rotate = fc.record({ op: fc.constant('rotate' as const), by: fc.constantFrom(...PROVIDERS) })
/** A key by its place in the store, wherever that is then. */
const status = fc.record({ op: fc.constantFrom('suspend', 'revoke', 'destroy'), pick: fc.nat(30) })
const rewrap = fc.record({ op: fc.constant('rewrap' as const), of: fc.constantFrom(...PROVIDERS) })
const repair = fc.record({ op: fc.constant('repair' as const), prune: fc.boolean() })

/** Changes of wraps and keys. */
const change = fc.oneof(
  { weight: 6, arbitrary: move },
  { weight: 2, arbitrary: rollback },
  { weight: 2, arbitrary: rotate },
  { weight: 1, arbitrary: status },
  { weight: 1, arbitrary: rewrap },
  { weight: 1, arbitrary: repair },
)

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('alone' as const), change }) },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('together' as const),
      one: fc.oneof(move, rollback),
      other: fc.oneof(status, change),
      seed: fc.nat(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('killed' as const),
      change,
      /** At which write, and whether it still reaches the store. */
      at: fc.integer({ min: 1, max: 25 }),
      written: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('breaks' as const),
      change: fc.oneof(move, rollback),
      /** Which provider goes down, after so many of its calls and of writes: a whole move has about 43. */
      of: fc.constantFrom(...PROVIDERS),
      at: fc.integer({ min: 1, max: 45 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('outage' as const),
      of: fc.constantFrom(...PROVIDERS),
      mode: fc.constantFrom('up', 'up', 'up', 'down', 'denied'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('encrypt' as const) }) },
)

export type Change = typeof change extends fc.Arbitrary<infer T> ? T : never
export type MoveOperation = typeof operation extends fc.Arbitrary<infer T> ? T : never

export const operations = fc.array(operation, { minLength: 1, maxLength: 10 })
