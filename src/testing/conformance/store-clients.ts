/** The contract of a key store for two clients on the same data. */
import assert from 'node:assert/strict'
import type { KeyStore } from '../../store.ts'
import type { Check, Skip } from './store-kit.ts'
import { recordOf } from './store-records.ts'

/** A second client on the data of the store that was opened last; skips the test where there is none. */
type Reopen = (skip: Skip) => Promise<KeyStore | undefined>

export function checkClients(check: Check, reopen: Reopen): void {
  check('a second client sees what the first one wrote', async (first, _open, skip) => {
    const second = await reopen(skip)
    if (second === undefined) return
    await first.insert(recordOf({ id: 5 }))
    assert.deepEqual(await second.get(5), recordOf({ id: 5 }))
    assert.equal(await second.update(recordOf({ id: 5, status: 'suspended', revision: 2 })), true)
    assert.equal(await first.update(recordOf({ id: 5, status: 'compromised', revision: 2 })), false)
    assert.equal((await first.get(5))?.status, 'suspended')
    assert.equal((await first.describe()).installation, (await second.describe()).installation)
  })

  check('two clients together make one version, one change and the exact sum', async (first, _open, skip) => {
    const second = await reopen(skip)
    if (second === undefined) return
    const each = <T>(run: (store: KeyStore, place: number) => Promise<T>): Promise<T[]> =>
      Promise.all(
        Array.from({ length: 10 }, (_, place) => [first, second].map((store) => run(store, place))).flat(),
      )
    const inserts = await each((store, place) => store.insert(recordOf({ id: 1 + place, version: 1 })))
    assert.equal(inserts.filter((result) => result === 'inserted').length, 1, 'inserts that won')
    const id = (await second.list()).records[0]?.id ?? 0
    const updates = await each((store) => store.update(recordOf({ id, revision: 2 })))
    assert.equal(updates.filter((updated) => updated).length, 1, 'updates that won')
    await each((store) => store.addUsage(id, { messages: 3, bytes: 1 }, 50))
    assert.deepEqual((await first.get(id))?.usage, { messages: 50, bytes: 20 })
  })
}
