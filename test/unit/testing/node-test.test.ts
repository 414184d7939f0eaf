import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { providerCases, storeCases } from '../../../src/testing/index.ts'

const FILE = join(import.meta.dirname, 'on-node-test.ts')
/** Four clients that a memory provider has not, and the eight tests of states and servers. */
const SKIPPED = 12
/** Each suite has one test of its own call. */
const TESTS = providerCases().length + 1 + storeCases().length + 1

/** What `node --test` says about the file: its exit code and its report. */
function nodeTest(variables: NodeJS.ProcessEnv = {}): Promise<{ code: number; report: string }> {
  const args = ['--no-warnings', '--test', '--test-reporter=tap', FILE]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ...variables } }, (error, report) => {
      resolve({ code: error === null ? 0 : Number(error.code), report })
    })
  })
}

const count = (report: string, what: string): number =>
  Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(report)?.[1])

describe('under node:test', () => {
  it('both suites run, skip with their reasons and pass', async () => {
    const { code, report } = await nodeTest()
    expect([code, count(report, 'fail'), count(report, 'skipped')]).toEqual([0, 0, SKIPPED])
    expect(count(report, 'pass')).toBe(TESTS - SKIPPED)
    expect(report.match(/# SKIP the master key is nowhere else/g)).toHaveLength(SKIPPED)
    expect(report).toContain('# Subtest: provider contract: memory')
    expect(report).toContain('# Subtest: memory: contract of a key store')
    expect(report).toContain('# binds the context: yes')
  })

  it('a broken provider fails the run', async () => {
    const { code, report } = await nodeTest({ BROKEN_PROVIDER: '1' })
    expect([code, count(report, 'fail'), count(report, 'skipped')]).toEqual([1, 1, SKIPPED])
    expect(report).toMatch(/not ok \d+ - what capabilities announce is there, and nothing else/)
  })
})
