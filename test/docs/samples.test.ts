/** The TypeScript in the documents: all of it type checks against the package's own entries, and what can run, runs. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { IMAGES } from '../../src/testing/containers/images.ts'
import { LOCAL_SERVERS } from '../../src/testing/servers.ts'
import { type Block, blocksOf, DOCUMENTS, ROOT, textOf } from './markdown.ts'

const run = promisify(execFile)
const samples = DOCUMENTS.flatMap(blocksOf).filter(({ language }) => language === 'ts')

/** What a sample may take from the program around it, and modules of the reader's own. */
const SURROUNDINGS = `
import type { KeyProvider, KeyStore, Keywright, Policy } from 'keywright'
declare global {
  const kw: Keywright
  const provider: KeyProvider
  const store: KeyStore & { auditSink(): import('keywright').AuditSink }
  const policy: Policy
  const pool: import('pg').Pool
  const connectionString: string
  const secret: string
  function show(step: string, done: number, total: number): void
  function wait(outcome: string, until: string | undefined): void
}
`
const OWN_MODULES = `
declare module '*/acme-provider.js' {
  interface Key { readonly url: string }
  export function acmeProvider(key: Key): import('keywright').KeyProvider
  export function startAcmeServer(): Promise<{
    newKey(): Promise<Key>
    readonly lastKeys: readonly [Key, Key]
    readonly token: string
  }>
}
declare module '*/acme-store.js' {
  export function newDatabase(): Promise<string>
  export function acmeStore(database: string): Promise<import('keywright').KeyStore>
}
`

/** 'keywright/testing' → the source of that entry. */
const entries = Object.entries(
  (JSON.parse(textOf('package.json')) as { exports: Record<string, string | { default: string }> }).exports,
).flatMap(([path, target]) => {
  if (typeof target === 'string') return []
  const source = target.default.replace('./dist/', '').replace(/\.js$/, '.ts')
  return [[`keywright${path.slice(1)}`, join(ROOT, source)] as const]
})

const folder = mkdtempSync(join(tmpdir(), 'keywright-samples-'))
symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
afterAll(() => rmSync(folder, { recursive: true }))

const fileOf = ({ document, line }: Block): string => `${document.replace(/\W/g, '_')}_${line}.ts`

/** With the imports of the package pointing at its sources. */
function runnable({ text }: Block): string {
  return text.replace(/from '(keywright[^']*)'/g, (whole, name: string) => {
    const source = entries.find(([entry]) => entry === name)?.[1]
    return source === undefined ? whole : `from '${pathToFileURL(source).href}'`
  })
}

it('type check', async () => {
  expect(samples.length).toBeGreaterThan(8)
  for (const sample of samples) writeFileSync(join(folder, fileOf(sample)), `${sample.text}\nexport {}\n`)
  writeFileSync(join(folder, 'surroundings.ts'), SURROUNDINGS)
  writeFileSync(join(folder, 'modules.d.ts'), OWN_MODULES)
  const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'))
  const config = {
    compilerOptions: {
      ...compilerOptions,
      noUnusedLocals: false, // a sample shows what comes back
      typeRoots: [join(ROOT, 'node_modules/@types')],
      paths: Object.fromEntries(entries.map(([name, source]) => [name, [source]])),
    },
    include: ['*.ts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const checked = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).catch((error) => error)
  expect(String(checked.stdout)).toBe('')
}, 60_000)

describe('docs/testing.md', () => {
  const own = samples.filter(
    ({ document, text }) => document === 'docs/testing.md' && !text.includes('./acme'),
  )
  const found = (word: string): Block | undefined => own.find(({ text }) => text.includes(word))

  it.each([
    ['the sample of node:test', 'node:test', ['--test']],
    ['the sample of faults', 'faultyProvider', []],
  ])(
    '%s runs',
    async (_, word, flags) => {
      const path = join(folder, `run-${word.replace(':', '-')}.ts`)
      writeFileSync(path, runnable(found(word) as Block))
      const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], KEYWRIGHT_EMULATORS: 'fake' }
      const { stdout } = await run(process.execPath, [...flags, path], { cwd: folder, env })
      if (flags.length > 0) expect(stdout).toMatch(/pass 1\b/)
    },
    60_000,
  )

  it('has the images and the fakes of the kit', () => {
    const rows = [
      ...textOf('docs/testing.md').matchAll(
        /^\| `([a-z-]+)` \| `([^`]+:[^`]+)` \| `([A-Z_]+)` \|.*\| (yes|no) \|$/gm,
      ),
    ]
    expect(rows.map(([, ...cells]) => cells)).toEqual(
      Object.entries(IMAGES).map(([name, { image, variable }]) => [
        name,
        image,
        variable,
        hasFake(name) ? 'yes' : 'no',
      ]),
    )
  })
})

function hasFake(emulator: string): boolean {
  return Object.entries(LOCAL_SERVERS).some(
    ([name, rows]) => name === emulator && rows.some((row) => row.name === 'fake'),
  )
}
