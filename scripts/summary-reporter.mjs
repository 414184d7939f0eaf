/**
 * A vitest reporter: says at the end how each backend did in the conformance suites, and lists each reason for which
 * tests were skipped, once. `npm test` asks for the numbers as JSON instead (in the file that TEST_SUMMARY_FILE names)
 * and prints them after its other checks.
 */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import process from 'node:process'
import { collectMatrix, describeMatrix } from './conformance-matrix.mjs'

const NO_REASON = 'no reason given'
const FAILED_BEFORE = 'its file failed before it'

/** Counts test cases; a file that does not load and an error outside every test count as one failure each. */
function summarize(modules, unhandledErrors) {
  const summary = { passed: 0, failed: unhandledErrors.length, skipped: 0, skips: [], unsteady: [] }
  const reasons = new Map()
  for (const module of modules) {
    let failedHere = 0
    for (const test of module.children.allTests()) {
      const result = test.result()
      if (result.state === 'passed') {
        summary.passed += 1
        if (test.diagnostic()?.flaky)
          summary.unsteady.push(`${test.fullName} (${relative(process.cwd(), module.moduleId)})`)
      } else if (result.state === 'failed') failedHere += 1
      else {
        summary.skipped += 1
        const reason = result.note ?? (module.state() === 'failed' ? FAILED_BEFORE : NO_REASON)
        const file = relative(process.cwd(), module.moduleId)
        reasons.set(
          reason,
          (reasons.get(reason) ?? new Map()).set(file, (reasons.get(reason)?.get(file) ?? 0) + 1),
        )
      }
    }
    summary.failed += failedHere === 0 && module.state() === 'failed' ? 1 : failedHere
  }
  summary.skips = [...reasons].map(([reason, files]) => ({ reason, files: Object.fromEntries(files) }))
  return summary
}

/** One line for each reason: how many tests, why, in which files. */
export function describeSkips(skips) {
  return skips.map(({ reason, files }) => {
    const count = Object.values(files).reduce((sum, n) => sum + n, 0)
    return `skipped ${count}: ${reason} (${Object.keys(files).join(', ')})`
  })
}

/** Tests that failed once and then passed: never told as if nothing had been. */
export const describeUnsteady = (unsteady) =>
  unsteady.map((name) => `unsteady, passed at the second attempt: ${name}`)

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { ...summarize(modules, unhandledErrors), matrix: collectMatrix(modules) }
    const file = process.env['TEST_SUMMARY_FILE']
    if (file) return writeFileSync(file, JSON.stringify(summary))
    const { matrix, skips, unsteady } = summary
    for (const line of [...describeMatrix(matrix), ...describeSkips(skips), ...describeUnsteady(unsteady)]) {
      process.stdout.write(`${line}\n`)
    }
  }
}
