import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { KeyStore } from '../../../src/store.ts'
import { runStoreConformance, storeCases } from '../../../src/testing/index.ts'
import memoryStore from '../../../stores/memory.ts'
import { failed, type Outcome, record } from './recorder.ts'

type Change = (store: KeyStore) => KeyStore

function outcomes(change: Change, withReopen = true): Promise<Map<string, Outcome>> {
  let last = change(memoryStore())
  const harness = {
    async open() {
      last = change(memoryStore())
      return last
    },
    ...(withReopen ? { reopen: async () => last } : {}),
  }
  return record((runner) => runStoreConformance('tried', harness, { runner }))
}

const MODEL = 'does what a plain Map does, whatever is asked in whatever order'
const CLIENTS = 'two clients together make one version, one change and the exact sum'

const BROKEN: readonly { what: string; change: Change; caught: readonly string[] }[] = [
  {
    what: 'writes over the change of another',
    change: (store) => ({
      ...store,
      async update(record) {
        const stored = await store.get(record.id)
        return stored === undefined ? false : store.update({ ...record, revision: stored.revision + 1 })
      },
    }),
    caught: [
      'refuses a record with a bad member, and names the member only',
      'does not update over another change',
      MODEL,
      'a second client sees what the first one wrote',
    ],
  },
  {
    what: 'gives out more than the limit',
    change: ({ addUsageSync: _, ...store }) => ({
      ...store,
      addUsage: (id, add) => store.addUsage(id, add, Number.POSITIVE_INFINITY),
    }),
    caught: [
      'refuses usage and limits that are no counts',
      'grants usage up to the limit, and takes it back',
      'never grants more than the limit to all together',
      MODEL,
      CLIENTS,
    ],
  },
  {
    what: 'forgets the order of its listing',
    change: (store) => ({
      ...store,
      async list(query) {
        const page = await store.list(query)
        return { ...page, records: page.records.toReversed() }
      },
    }),
    caught: [
      'lists by the bytes of the keyring, then by version',
      'pages over a few hundred records without gap or double',
      'goes on after a cursor while records are added',
      MODEL,
    ],
  },
  {
    what: 'hands out its own memory',
    change: (store) => {
      const shared = new Map<number, Awaited<ReturnType<KeyStore['get']>>>()
      return {
        ...store,
        async get(id) {
          if (!shared.has(id)) shared.set(id, await store.get(id))
          return shared.get(id)
        },
      }
    },
    caught: [
      'shares no memory with its callers',
      'updates what may change, if nobody else did',
      'a second client sees what the first one wrote',
    ],
  },
  {
    what: 'looks at the id before the version',
    change: (store) => ({
      ...store,
      insert: async (record) =>
        (await store.get(record.id)) === undefined ? store.insert(record) : ('id-taken' as const),
    }),
    caught: ['says version-taken when both are', MODEL],
  },
]

// What is found by chance is found each time.
beforeEach(() => {
  vi.stubEnv('KEYWRIGHT_TEST_SEED', '2026')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the store suite', () => {
  it('passes a store that keeps the contract', async () => {
    const found = await outcomes((store) => store)
    expect([...found].filter(([, { state }]) => state !== 'passed')).toEqual([])
    expect([...found.keys()]).toEqual([...storeCases(), 'skips only tests that are there'])
  })

  it('skips with a reason what a store cannot do', async () => {
    const found = await outcomes(({ addUsageSync: _, documents: __, ...store }) => store, false)
    const reasons = [...found.values()].flatMap(({ reason }) => reason ?? [])
    expect(new Set(reasons)).toEqual(
      new Set([
        'the store cannot answer without waiting',
        'the store keeps no documents',
        'tried: no second client on the same data',
      ]),
    )
    expect(failed(found)).toEqual([])
  })

  it.each(BROKEN)('catches a store that $what', async ({ caught, change }) => {
    expect(failed(await outcomes(change))).toEqual(caught)
  })

  it('says how to repeat what it found by chance, with few operations', async () => {
    const found = await outcomes((store) => ({
      ...store,
      addUsage: (id, add, limit) => store.addUsage(id, { ...add, bytes: 0 }, limit),
    }))
    const reason = found.get(MODEL)?.reason ?? ''
    expect(reason).toContain('repeat with KEYWRIGHT_TEST_SEED=2026')
    expect(reason.match(/call: '/g)).toHaveLength(2) // an insert, and the addUsage that shows it
  })
})
