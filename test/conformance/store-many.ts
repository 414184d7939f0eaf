/** The contract of a key store for many records and many callers: listings, races, any order of operations. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import type { KeyRecord, KeyStore } from '../../src/store.ts'
import { ODD_KEYRINGS } from '../stores/support/cases.ts'
import { inOrder, listAll, recordOf, StoreModel } from '../stores/support/records.ts'
import type { Check } from './store-contract.ts'

const nameOf = (record: KeyRecord): string => `${record.keyring} ${record.version}`
export function checkListing(check: Check): void {
  check('lists by the bytes of the keyring, then by version', async (store) => {
    const records = ODD_KEYRINGS.flatMap((keyring, place) =>
      [10, 9, 2].map((version) => recordOf({ id: 1000 - place * 10 - version, keyring, version })),
    )
    for (const record of records) expect(await store.insert(record)).toBe('inserted')
    for (const limit of [1, 2, 7, 500]) {
      const listed = await listAll(store, { limit })
      expect(listed.records.map(nameOf)).toEqual(inOrder(records).map(nameOf))
      expect(listed.pages).toBe(Math.ceil(records.length / limit))
    }
    for (const keyring of ODD_KEYRINGS) {
      const listed = await listAll(store, { keyring, limit: 2 })
      expect(listed.records.map(nameOf)).toEqual([2, 9, 10].map((version) => `${keyring} ${version}`))
    }
    expect(await store.list({ keyring: 'pi' })).toEqual({ records: [] })
  })

  check('pages over a few hundred records without gap or double', async (store) => {
    const records = Array.from({ length: 300 }, (_, place) =>
      recordOf({ id: ((place * 7919) % 1_000_003) + 1, keyring: `k${place % 23}`, version: place + 1 }),
    )
    for (const record of records) await store.insert(record)
    expect((await listAll(store)).records).toEqual(inOrder(records))
    expect((await listAll(store, { limit: 11 })).records).toEqual(inOrder(records))
    const page = await store.list({ limit: 300 })
    expect([page.records.length, page.next]).toEqual([300, undefined])
  })

  check('goes on after a cursor while records are added', async (store) => {
    for (const version of [2, 4, 6]) await store.insert(recordOf({ id: version, version }))
    const first = await store.list({ limit: 2 })
    for (const version of [1, 3, 5]) await store.insert(recordOf({ id: version, version }))
    const second = await store.list({ limit: 2, after: first.next ?? '' })
    expect([...first.records, ...second.records].map((record) => record.version)).toEqual([2, 4, 5, 6])
    expect(second.next).toBeUndefined()
  })
}

const TWENTY = Array.from({ length: 20 }, (_, place) => place + 1)

export function checkRaces(check: Check): void {
  check('lets one of twenty inserts of a version win', async (store) => {
    const results = await Promise.all(TWENTY.map((id) => store.insert(recordOf({ id }))))
    expect(results.filter((result) => result === 'inserted')).toHaveLength(1)
    expect(results.filter((result) => result === 'version-taken')).toHaveLength(19)
    expect((await store.list()).records.map(({ id }) => id)).toEqual([results.indexOf('inserted') + 1])
  })

  check('lets one of twenty updates win', async (store) => {
    await store.insert(recordOf())
    const results = await Promise.all(
      TWENTY.map((place) => store.update(recordOf({ statusReason: `by ${place}`, revision: 2 }))),
    )
    expect(results.filter((updated) => updated)).toHaveLength(1)
    expect((await store.get(1))?.statusReason).toBe(`by ${results.indexOf(true) + 1}`)
  })

  check('never grants more than the limit to all together', async (store) => {
    await store.insert(recordOf())
    const grants = await Promise.all(TWENTY.map((n) => store.addUsage(1, { messages: n, bytes: n }, 100)))
    expect(grants.reduce((sum, grant) => sum + (grant?.granted ?? 0), 0)).toBe(100)
    expect((await store.get(1))?.usage).toEqual({ messages: 100, bytes: 210 })
  })
}

type Operation = (store: KeyStore | StoreModel) => unknown

export function checkModel(check: Check): void {
  const id = fc.integer({ min: 1, max: 6 })
  const usage = fc.record({ messages: fc.integer({ min: -20, max: 50 }), bytes: fc.nat(1000) })
  const record = fc
    .record({
      id,
      keyring: fc.constantFrom('pii', 'pii/a', 'PII'),
      version: fc.integer({ min: 1, max: 3 }),
      status: fc.constantFrom('enabled' as const, 'suspended' as const, 'destroyed' as const),
      statusReason: fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => text.replaceAll('\0', '')),
      revision: fc.integer({ min: 1, max: 4 }),
    })
    .map(recordOf)
  const operation = fc.oneof(
    record.map(
      (value): Operation =>
        (store) =>
          store.insert(value),
    ),
    record.map(
      (value): Operation =>
        (store) =>
          store.update(value),
    ),
    fc.tuple(id, usage, fc.nat(100)).map(
      (values): Operation =>
        (store) =>
          store.addUsage(...values),
    ),
  )

  check('does what a plain Map does, whatever is asked in whatever order', async (_, open) => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
        const store = await open()
        const model = new StoreModel()
        for (const run of operations) expect(await run(store)).toEqual(await run(model))
        expect((await listAll(store, { limit: 3 })).records).toEqual(inOrder([...model.records.values()]))
      }),
      { numRuns: 30 },
    )
  })
}
