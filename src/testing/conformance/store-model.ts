/** The contract of a key store for any order of operations: it does what a plain Map does. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { inspect } from 'node:util'
import type { KeyRecord, KeyStore, KeyUsage } from '../../store.ts'
import { type Random, seededRandom } from '../random.ts'
import { assertRecords, type Check, type Open } from './store-kit.ts'
import { inOrder, listAll, recordOf, StoreModel } from './store-records.ts'

const RUNS = 30
const MOST_OPERATIONS = 25
const SEED_VARIABLE = 'KEYWRIGHT_TEST_SEED'

type Operation =
  | { readonly call: 'insert' | 'update'; readonly record: Partial<KeyRecord> }
  | { readonly call: 'addUsage'; readonly id: number; readonly add: KeyUsage; readonly limit: number }

function makeOperation(random: Random): Operation {
  const whole = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1))
  const one = <T>(values: readonly [T, ...T[]]): T => values[whole(0, values.length - 1)] ?? values[0]
  const id = whole(1, 6)
  if (random() < 1 / 3) {
    return {
      call: 'addUsage',
      id,
      add: { messages: whole(-20, 50), bytes: whole(0, 1000) },
      limit: whole(0, 100),
    }
  }
  const record: Partial<KeyRecord> = {
    id,
    keyring: one(['pii', 'pii/a', 'PII']),
    version: whole(1, 3),
    status: one(['enabled', 'suspended', 'destroyed']),
    statusReason: one(['', 'why', 'é\u{1F511}', `'"\\`, '\n']),
    revision: whole(1, 4),
  }
  return { call: random() < 0.5 ? 'insert' : 'update', record }
}

function run(store: KeyStore | StoreModel, operation: Operation): unknown {
  if (operation.call === 'addUsage') return store.addUsage(operation.id, operation.add, operation.limit)
  const record = recordOf(operation.record)
  return operation.call === 'insert' ? store.insert(record) : store.update(record)
}

/** How a fresh store differs from the model over these operations, if it does. */
async function difference(open: Open, operations: readonly Operation[]): Promise<string | undefined> {
  const store = await open()
  const model = new StoreModel()
  try {
    for (const [place, operation] of operations.entries()) {
      assert.deepEqual(await run(store, operation), run(model, operation), `answer ${place + 1}`)
    }
    const { records } = await listAll(store, { limit: 3 })
    assertRecords(records, inOrder([...model.records.values()]), 'what is stored in the end')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Fewer operations that still show a difference: each that is not needed is left out. */
async function reduced(open: Open, failing: readonly Operation[]): Promise<readonly Operation[]> {
  let kept = failing
  for (const operation of failing.toReversed()) {
    const shorter = kept.filter((other) => other !== operation)
    if ((await difference(open, shorter)) !== undefined) kept = shorter
  }
  return kept
}

/** The seed that a former run named, or a new one. */
function runSeed(): number {
  const stated = Number(process.env[SEED_VARIABLE])
  return Number.isSafeInteger(stated) && stated > 0 ? stated : randomInt(1, 2 ** 31)
}

export function checkModel(check: Check): void {
  check('does what a plain Map does, whatever is asked in whatever order', async (_, open) => {
    const seed = runSeed()
    const random = seededRandom(seed)
    for (let runs = 0; runs < RUNS; runs++) {
      const length = 1 + Math.floor(random() * MOST_OPERATIONS)
      const operations = Array.from({ length }, () => makeOperation(random))
      if ((await difference(open, operations)) === undefined) continue
      const shortest = await reduced(open, operations)
      const what = await difference(open, shortest)
      assert.fail(
        `the store differs from a Map: ${what}\nafter ${inspect(shortest, { depth: 9 })}\n` +
          `repeat with ${SEED_VARIABLE}=${seed}`,
      )
    }
  })
}
