/** The contract of a key store (src/store.ts) as tests. A store's own test file calls this first. */
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { recordOf } from '../stores/support/records.ts'
import {
  type Check,
  checkArguments,
  checkBasics,
  checkUpdate,
  checkUsage,
  type Open,
} from './store-contract.ts'
import { checkListing, checkModel, checkRaces } from './store-many.ts'

export interface StoreHarness {
  /** A fresh, empty store. */
  open(): Promise<KeyStore>
  /** A second client on the data of the store that `open` gave last. Absent where data cannot be shared. */
  reopen?(): Promise<KeyStore>
  /** Tests, by their full titles, that this store cannot pass, and why. */
  skips?: readonly { readonly tests: readonly string[]; readonly reason: string }[]
}

/** Runs the contract of a key store. */
export function runStoreConformance(name: string, harness: StoreHarness): void {
  const opened: KeyStore[] = []
  const skips = new Map(harness.skips?.flatMap(({ tests, reason }) => tests.map((test) => [test, reason])))
  const titles = new Set<string>()

  const open: Open = async () => {
    const store = await harness.open()
    opened.push(store)
    return store
  }

  const check: Check = (title, run) => {
    titles.add(title)
    it(title, async ({ skip }) => {
      const reason = skips.get(title)
      if (reason !== undefined) skip(reason)
      await run(await open(), open, skip)
    })
  }

  describe(`${name}: contract of a key store`, () => {
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close?.()
    })

    checkBasics(check)
    checkArguments(check)
    checkUpdate(check)
    checkUsage(check)
    checkListing(check)
    checkRaces(check)
    checkModel(check)

    it('a second client sees what the first one wrote', async ({ skip }) => {
      if (harness.reopen === undefined) return skip(`${name}: no second client on the same data`)
      const first = await open()
      const second = await harness.reopen()
      opened.push(second)
      await first.insert(recordOf({ id: 5 }))
      expect(await second.get(5)).toEqual(recordOf({ id: 5 }))
      expect(await second.update(recordOf({ id: 5, status: 'suspended', revision: 2 }))).toBe(true)
      expect(await first.update(recordOf({ id: 5, status: 'compromised', revision: 2 }))).toBe(false)
      expect((await first.get(5))?.status).toBe('suspended')
      expect((await first.describe()).installation).toBe((await second.describe()).installation)
    })

    it('two clients together make one version, one change and the exact sum', async ({ skip }) => {
      if (harness.reopen === undefined) return skip(`${name}: no second client on the same data`)
      const clients = [await open(), await harness.reopen()]
      opened.push(...clients)
      const each = <T>(run: (store: KeyStore, place: number) => Promise<T>): Promise<T[]> =>
        Promise.all(
          Array.from({ length: 10 }, (_, place) => clients.map((store) => run(store, place))).flat(),
        )
      const inserts = await each((store, place) => store.insert(recordOf({ id: 1 + place, version: 1 })))
      expect(inserts.filter((result) => result === 'inserted')).toHaveLength(1)
      const id = (await clients[1]?.list())?.records[0]?.id ?? 0
      const updates = await each((store) => store.update(recordOf({ id, revision: 2 })))
      expect(updates.filter((updated) => updated)).toHaveLength(1)
      await each((store) => store.addUsage(id, { messages: 3, bytes: 1 }, 50))
      expect((await clients[0]?.get(id))?.usage).toEqual({ messages: 50, bytes: 20 })
    })

    it('skips only tests that are there', () => {
      expect([...skips.keys()].filter((title) => !titles.has(title))).toEqual([])
    })
  })
}
