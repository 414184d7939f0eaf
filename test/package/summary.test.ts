import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT, tool } from './pack.ts'

const REPORTER = join(ROOT, 'scripts', 'summary-reporter.mjs')
/** What the suites of src/testing/conformance/ register, in small. */
const CONTRACTS = `import { describe, it } from 'vitest'
  describe.skipIf(false)('on a server', () => {
    describe('provider contract: acme, by token', () => {
      it('round trip', (context) => context.annotate('binds the context: yes'))
      it('a pinned | version', (context) => context.skip('acme has none'))
      it('skips name tests that exist', () => {})
    })
  })
  describe('provider contract: other', () => { it('round trip', () => {}); it('a pinned | version', () => {}) })
  describe('acme: contract of a key store', () => { it('describes itself', () => {}) })
  describe('provider contracts', () => { it('is not one', () => {}) })`
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
let contracts: string

const vitest = (variables: NodeJS.ProcessEnv = {}, root = folder) =>
  tool('vitest', ['run', '--root', root, '--reporter', REPORTER], folder, variables)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-summary-'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text)
  contracts = mkdtempSync(join(tmpdir(), 'keywright-contracts-'))
  symlinkSync(join(ROOT, 'node_modules'), join(contracts, 'node_modules'), 'dir')
  writeFileSync(join(contracts, 'contracts.test.js'), CONTRACTS)
})

afterAll(() => {
  for (const made of [folder, contracts]) rmSync(made, { recursive: true, force: true })
})

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

it('names what passed at the second attempt', async () => {
  const unsteady = mkdtempSync(join(tmpdir(), 'keywright-unsteady-'))
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(unsteady, 'node_modules'), 'dir')
    const text = `import { expect, it } from 'vitest'
      let runs = 0
      it('shakes', { retry: 1 }, () => expect(++runs).toBe(2))`
    writeFileSync(join(unsteady, 'e.test.js'), text)
    const { code, stdout } = await vitest({}, unsteady)
    expect(code).toBe(0)
    expect(stdout.trim()).toMatch(/^unsteady, passed at the second attempt: shakes \(\S*e\.test\.js\)$/)
  } finally {
    rmSync(unsteady, { recursive: true, force: true })
  }
})

describe('the conformance matrix', () => {
  it('is printed with one line for each backend, and each skip once', async () => {
    const { code, stdout } = await vitest({}, contracts)
    expect([code, ...stdout.trim().split('\n')]).toEqual([
      0,
      'conformance of providers:',
      '  acme, by token  1 passed, 1 skipped',
      '  other           2 passed',
      'conformance of stores:',
      '  acme  1 passed',
      expect.stringMatching(/^skipped 1: acme has none \(.*contracts.test.js\)$/),
    ])
  })

  it('is a page of tables, with reasons and with what the suites noted', async () => {
    const summary = join(contracts, 'summary.json')
    await vitest({ TEST_SUMMARY_FILE: summary }, contracts)
    const { matrix } = JSON.parse(readFileSync(summary, 'utf8')) as { matrix: unknown }
    const { renderMatrix } = (await import(
      pathToFileURL(join(ROOT, 'scripts', 'conformance-matrix.mjs')).href
    )) as { renderMatrix(matrix: unknown): string }
    const page = renderMatrix(matrix)
    expect(page).toContain(
      [
        '## Providers',
        '',
        '| test | acme, by token | other |',
        '| --- | --- | --- |',
        '| round trip | pass | pass |',
        '| a pinned \\| version | skip 1 | pass |',
        '',
        'Why a test is skipped:',
        '',
        '1. acme has none',
        '',
        '| noted by the suite | acme, by token | other |',
        '| --- | --- | --- |',
        '| binds the context | yes |  |',
        '',
        '## Stores',
      ].join('\n'),
    )
    expect(page).toContain('| describes itself | pass |')
    expect(page).not.toContain('skips name tests that exist')
  })
})
