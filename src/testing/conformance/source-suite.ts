/** The contract of a source (`Source`) as a suite of tests, for any runner. */
import assert from 'node:assert/strict'
import type { Source } from '../../source.ts'
import { type ConformanceOptions, type RunningTest, skipReasons, TEST_TIMEOUT_MS, within } from './runner.ts'
import { checkCheckpoints } from './source-checkpoints.ts'
import type { Check, SourceBed, SourceHarness } from './source-kit.ts'
import { checkRanges, checkReading } from './source-reading.ts'
import { checkRefusals, checkWriting } from './source-writing.ts'

type Case = readonly [title: string, run: Parameters<Check>[1]]

function casesOf(): Case[] {
  const cases: Case[] = []
  const check: Check = (title, run) => cases.push([title, run])
  checkReading(check)
  checkRanges(check)
  checkWriting(check)
  checkRefusals(check)
  checkCheckpoints(check)
  return cases
}

/** Titles of the tests of the source contract, in their order: what a skip may name. */
export function sourceCases(): readonly string[] {
  return casesOf().map(([title]) => title)
}

/**
 * Runs the contract of a source with the given test runner. Call it at the top level of a test file. A skip needs a
 * reason; what only some sources can do (`split`, `checkpoints`, `reopen`) is skipped with a reason of its own.
 */
export function runSourceConformance(
  name: string,
  harness: SourceHarness,
  options: ConformanceOptions,
): void {
  const { runner, skips, testTimeoutMs = TEST_TIMEOUT_MS } = options
  const reasons = skipReasons(skips)
  const opened: Source[] = []
  const beds: SourceBed[] = []

  const open = async (): Promise<SourceBed> => {
    const bed = await harness.open()
    beds.push(bed)
    opened.push(bed.source)
    const { reopen } = bed
    if (reopen === undefined) return bed
    const again = async (): Promise<Source> => {
      const source = await reopen()
      opened.push(source)
      return source
    }
    return { ...bed, reopen: again }
  }

  runner.describe(`${name}: contract of a source`, () => {
    runner.afterEach(async () => {
      for (const source of opened.splice(0)) await source.close?.()
      for (const bed of beds.splice(0)) await bed.close?.()
    })
    for (const [title, run] of casesOf()) {
      runner.it(title, async (test: RunningTest) => {
        const reason = reasons.get(title)
        if (reason !== undefined) return test.skip(reason)
        const work = async (): Promise<void> => run(await open(), (why) => test.skip(why))
        await within(testTimeoutMs, title, work())
      })
    }
    runner.it('skips only tests that are there', async () => {
      const titles = sourceCases()
      assert.deepEqual(
        [...reasons.keys()].filter((title) => !titles.includes(title)),
        [],
      )
    })
  })
}
