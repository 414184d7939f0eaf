/** The contract of a key store (`KeyStore`) as a suite of tests, for any runner. */
import assert from 'node:assert/strict'
import type { KeyStore } from '../../store.ts'
import { type ConformanceOptions, type RunningTest, skipReasons, TEST_TIMEOUT_MS, within } from './runner.ts'
import { checkClients } from './store-clients.ts'
import { checkArguments, checkBasics, checkUpdate, checkUsage } from './store-contract.ts'
import { checkDocuments } from './store-documents.ts'
import type { Check, Skip, StoreHarness } from './store-kit.ts'
import { checkListing, checkRaces } from './store-many.ts'
import { checkModel } from './store-model.ts'

type Case = readonly [title: string, run: Parameters<Check>[1]]

/** The whole contract. `reopen` gives a second client, or skips the test. */
function casesOf(reopen: Parameters<typeof checkClients>[1]): Case[] {
  const cases: Case[] = []
  const check: Check = (title, run) => cases.push([title, run])
  checkBasics(check)
  checkArguments(check)
  checkUpdate(check)
  checkUsage(check)
  checkListing(check)
  checkRaces(check)
  checkModel(check)
  checkClients(check, reopen)
  checkDocuments(check)
  return cases
}

/** Titles of the tests of the store contract, in their order: what a skip may name. */
export function storeCases(): readonly string[] {
  return casesOf(async () => undefined).map(([title]) => title)
}

/**
 * Runs the contract of a key store with the given test runner. Call it at the top level of a test file. A skip needs a
 * reason; what only some stores can do (`reopen`, `addUsageSync`) is skipped with a reason of its own.
 */
export function runStoreConformance(name: string, harness: StoreHarness, options: ConformanceOptions): void {
  const { runner, skips, testTimeoutMs = TEST_TIMEOUT_MS } = options
  const opened: KeyStore[] = []
  const reasons = skipReasons(skips)

  const keep = async (opening: Promise<KeyStore>): Promise<KeyStore> => {
    const store = await opening
    opened.push(store)
    return store
  }
  const open = (): Promise<KeyStore> => keep(harness.open())
  const reopen = async (skip: Skip): Promise<KeyStore | undefined> => {
    if (harness.reopen !== undefined) return keep(harness.reopen())
    skip(`${name}: no second client on the same data`)
    return undefined
  }

  runner.describe(`${name}: contract of a key store`, () => {
    runner.afterEach(async () => {
      for (const store of opened.splice(0)) await store.close?.()
    })
    for (const [title, run] of casesOf(reopen)) {
      runner.it(title, async (test: RunningTest) => {
        const reason = reasons.get(title)
        if (reason !== undefined) return test.skip(reason)
        const work = async (): Promise<void> => run(await open(), open, (why) => test.skip(why))
        await within(testTimeoutMs, title, work())
      })
    }
    runner.it('skips only tests that are there', async () => {
      const titles = storeCases()
      assert.deepEqual(
        [...reasons.keys()].filter((title) => !titles.includes(title)),
        [],
      )
    })
  })
}
