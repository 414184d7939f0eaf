/** The contract of a key store for many records and many callers: listings and races. */
import assert from 'node:assert/strict'
import type { KeyRecord } from '../../store.ts'
import { ODD_KEYRINGS } from './store-cases.ts'
import { assertLastPage, assertRecords, type Check } from './store-kit.ts'
import { inOrder, listAll, recordOf } from './store-records.ts'

const nameOf = (record: KeyRecord): string => `${record.keyring} ${record.version}`

export function checkListing(check: Check): void {
  check('lists by the bytes of the keyring, then by version', async (store) => {
    const records = ODD_KEYRINGS.flatMap((keyring, place) =>
      [10, 9, 2].map((version) => recordOf({ id: 1000 - place * 10 - version, keyring, version })),
    )
    for (const record of records) assert.equal(await store.insert(record), 'inserted')
    for (const limit of [1, 2, 7, 500]) {
      const listed = await listAll(store, { limit })
      assert.deepEqual(listed.records.map(nameOf), inOrder(records).map(nameOf))
      assert.equal(listed.pages, Math.ceil(records.length / limit), `pages of ${limit}`)
    }
    for (const keyring of ODD_KEYRINGS) {
      const listed = await listAll(store, { keyring, limit: 2 })
      assert.deepEqual(
        listed.records.map(nameOf),
        [2, 9, 10].map((version) => `${keyring} ${version}`),
      )
    }
    assertLastPage(await store.list({ keyring: 'pi' }), [])
  })

  check('pages over a few hundred records without gap or double', async (store) => {
    const records = Array.from({ length: 300 }, (_, place) =>
      recordOf({ id: ((place * 7919) % 1_000_003) + 1, keyring: `k${place % 23}`, version: place + 1 }),
    )
    for (const record of records) await store.insert(record)
    assertRecords((await listAll(store)).records, inOrder(records))
    assertRecords((await listAll(store, { limit: 11 })).records, inOrder(records), 'pages of 11')
    const page = await store.list({ limit: 300 })
    assert.deepEqual([page.records.length, page.next], [300, undefined])
  })

  check('goes on after a cursor while records are added', async (store) => {
    for (const version of [2, 4, 6]) await store.insert(recordOf({ id: version, version }))
    const first = await store.list({ limit: 2 })
    for (const version of [1, 3, 5]) await store.insert(recordOf({ id: version, version }))
    const second = await store.list({ limit: 2, after: first.next ?? '' })
    const versions = [...first.records, ...second.records].map((record) => record.version)
    assert.deepEqual(versions, [2, 4, 5, 6])
    assert.equal(second.next, undefined)
  })
}

const TWENTY = Array.from({ length: 20 }, (_, place) => place + 1)

export function checkRaces(check: Check): void {
  check('lets one of twenty inserts of a version win', async (store) => {
    const results = await Promise.all(TWENTY.map((id) => store.insert(recordOf({ id }))))
    assert.equal(results.filter((result) => result === 'inserted').length, 1, 'inserts that won')
    assert.equal(results.filter((result) => result === 'version-taken').length, 19, 'inserts that lost')
    const ids = (await store.list()).records.map(({ id }) => id)
    assert.deepEqual(ids, [results.indexOf('inserted') + 1])
  })

  check('lets one of twenty updates win', async (store) => {
    await store.insert(recordOf())
    const results = await Promise.all(
      TWENTY.map((place) => store.update(recordOf({ statusReason: `by ${place}`, revision: 2 }))),
    )
    assert.equal(results.filter((updated) => updated).length, 1, 'updates that won')
    assert.equal((await store.get(1))?.statusReason, `by ${results.indexOf(true) + 1}`)
  })

  check('never grants more than the limit to all together', async (store) => {
    await store.insert(recordOf())
    const grants = await Promise.all(TWENTY.map((n) => store.addUsage(1, { messages: n, bytes: n }, 100)))
    const granted = grants.reduce((sum, grant) => sum + (grant?.granted ?? 0), 0)
    assert.equal(granted, 100)
    assert.deepEqual((await store.get(1))?.usage, { messages: 100, bytes: 210 })
  })
}
