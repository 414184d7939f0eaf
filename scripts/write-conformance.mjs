/**
 * `npm run conformance`: runs the suites of providers, stores and sources and writes docs/conformance.md from what they said. Every
 * server must be there, as in CI: a page from half a run would say less than the one that is there.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMatrix, renderMatrix } from './conformance-matrix.mjs'
import { BIN, ensure, ROOT, toolEnvironment } from './ensure.mjs'
import { run } from './run.mjs'

const PAGE = join(ROOT, 'docs', 'conformance.md')
const TESTS = [
  'test/providers',
  'test/stores',
  'test/sources',
  '-t',
  'provider contract: |: contract of a (key store|source)',
]

const node = await ensure()
const scratch = mkdtempSync(join(tmpdir(), 'keywright-conformance-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const summaryFile = join(scratch, 'summary.json')
const env = { ...toolEnvironment(node), CI: '1', TEST_SUMMARY_FILE: summaryFile }

const { code } = await run(join(BIN, 'vitest'), ['run', ...TESTS], { cwd: ROOT, env })
if (code === 0) {
  const { matrix } = JSON.parse(readFileSync(summaryFile, 'utf8'))
  writeFileSync(PAGE, renderMatrix(matrix))
  process.stdout.write(`${[...describeMatrix(matrix), 'wrote docs/conformance.md'].join('\n')}\n`)
} else {
  process.stderr.write('keywright: the suites failed, so docs/conformance.md stays as it was\n')
  process.exitCode = code
}
