/**
 * `npm test`: every check, in the order in which they find faults soonest, and one summary. The last line is
 * `N passed, N failed`, counting test cases and one for each other check. `npm test -- FILTER…` runs vitest alone.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMatrix } from './conformance-matrix.mjs'
import { BIN, ensure, ROOT, toolEnvironment } from './ensure.mjs'
import { run } from './run.mjs'
import { describeSkips, describeUnsteady } from './summary-reporter.mjs'

const MINUTE_MS = 60_000
const CHECKS = [
  { name: 'format and lint', command: ['biome', 'check', '--error-on-warnings'] },
  { name: 'types', command: ['tsc'] },
  { name: 'build', command: ['tsc', '-p', 'tsconfig.build.json'] },
  { name: 'servers', command: ['node', 'scripts/prepare-servers.ts'], limitMs: 15 * MINUTE_MS },
  { name: 'tests', command: ['vitest', 'run'], limitMs: 20 * MINUTE_MS },
  { name: 'dead code', command: ['knip', '--tsConfig', 'tsconfig.build.json'] },
]

let reported = false
process.once('exit', () => {
  if (!reported) process.stdout.write('0 passed, 1 failed\n')
})

const node = await ensure()
const scratch = mkdtempSync(join(tmpdir(), 'keywright-test-'))
const summaryFile = join(scratch, 'summary.json')
const env = { ...toolEnvironment(node), TEST_SUMMARY_FILE: summaryFile }
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** Runs one check; an interrupt ends everything, because nobody wants the rest then. */
async function check({ name, command: [tool, ...args], limitMs = 5 * MINUTE_MS }) {
  process.stdout.write(`\n== ${name}\n`)
  const started = Date.now()
  const program = tool === 'node' ? node : join(BIN, tool)
  const { code, signal } = await run(program, args, { cwd: ROOT, env, timeout: limitMs })
  if (signal === 'SIGINT' || code === 130) process.exit(130)
  const seconds = (Date.now() - started) / 1000
  if (seconds * 1000 >= limitMs)
    process.stdout.write(`${name}: stopped after ${limitMs / MINUTE_MS} minutes\n`)
  return { name, ok: code === 0 && signal === null, seconds }
}

function testSummary(ok) {
  if (!existsSync(summaryFile))
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      skips: [],
      unsteady: [],
      matrix: {},
    }
  const summary = JSON.parse(readFileSync(summaryFile, 'utf8'))
  return { ...summary, failed: ok ? summary.failed : Math.max(summary.failed, 1) }
}

function report(results) {
  reported = true
  const tests = testSummary(results.find((result) => result.name === 'tests').ok)
  const others = results.filter((result) => result.name !== 'tests')
  const passed = tests.passed + others.filter((result) => result.ok).length
  const failed = tests.failed + others.filter((result) => !result.ok).length
  process.stdout.write('\n== summary\n')
  for (const { name, ok, seconds } of results) {
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s)\n`)
  }
  const { matrix, skips, unsteady } = tests
  for (const line of [...describeMatrix(matrix), ...describeSkips(skips), ...describeUnsteady(unsteady)]) {
    process.stdout.write(`${line}\n`)
  }
  process.stdout.write(
    `${passed} passed, ${failed} failed${tests.skipped > 0 ? `, ${tests.skipped} skipped` : ''}\n`,
  )
  return failed === 0
}

const filters = process.argv.slice(2)
const wanted = filters.length === 0 ? CHECKS : [{ name: 'tests', command: ['vitest', 'run', ...filters] }]
const results = []
for (const one of wanted) results.push(await check(one))
process.exitCode = report(results) ? 0 : 1
