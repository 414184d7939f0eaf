import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT, tool } from './pack.ts'

const REPORTER = join(ROOT, 'scripts', 'summary-reporter.mjs')
const FILES = {
  'a.test.js': `import { it } from 'vitest'
    it('passes', () => {}); it('passes too', () => {})
    it('fails', () => { throw new Error('no') })
    it('skips', (context) => context.skip('no Redis'))`,
  'b.test.js': `import { it } from 'vitest'
    it('skips', (context) => context.skip('no Redis'))
    it.skip('skips without a word', () => {})`,
  'c.test.js': `import './gone.js'`,
  'd.test.js': `import { it } from 'vitest'
    it('passes, and leaves a rejection behind', () => { Promise.reject(new Error('late')) })`,
}

let folder: string

const vitest = (variables: NodeJS.ProcessEnv = {}) =>
  tool('vitest', ['run', '--root', folder, '--reporter', REPORTER], folder, variables)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-summary-'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the reporter of npm test', () => {
  it('counts files that do not load and errors outside tests as failures', async () => {
    const summary = join(folder, 'summary.json')
    const { code } = await vitest({ TEST_SUMMARY_FILE: summary })
    expect(code).toBe(1)
    expect(JSON.parse(readFileSync(summary, 'utf8'))).toMatchObject({ passed: 3, failed: 3, skipped: 3 })
  })

  it('lists each reason for skipping once', async () => {
    const { stdout } = await vitest()
    expect(stdout.trim().split('\n').sort()).toEqual([
      'skipped 1: no reason given (b.test.js)',
      'skipped 2: no Redis (a.test.js, b.test.js)',
    ])
  })
})
