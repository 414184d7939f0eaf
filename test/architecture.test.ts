import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LAYERS } from './architecture/layers.ts'
import { faults, RULES } from './architecture/rules.ts'

const ROOT = join(import.meta.dirname, '..')
const RULE_NAMES = Object.keys(RULES) as (keyof typeof RULES)[]

const shipped = new Map(
  globSync('{src,providers,stores,sources,clients}/**/*.ts', { cwd: ROOT })
    .sort()
    .map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
)

/** What git tracks or would track: nothing that it ignores. Empty outside a clone. */
function trackedFiles(): string[] {
  if (!existsSync(join(ROOT, '.git'))) return []
  const output = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return output.split('\0').filter((path) => {
    const file = join(ROOT, path)
    return path !== '' && existsSync(file) && statSync(file).isFile()
  })
}

// Joined, so that this file does not hold them.
const MACHINE_PATHS = ['work', 'farm'].map((name) => ['', name, ''].join('/'))

const namesMachinePath = (text: string): boolean => MACHINE_PATHS.some((path) => text.includes(path))

describe('the layout', () => {
  it('is read from the files that are shipped', () => {
    expect(shipped.size).toBeGreaterThan(20)
    expect([...shipped.keys()]).toContain('src/errors.ts')
  })

  it.each(RULE_NAMES)('follows the rule: %s', (rule) => {
    expect(faults(shipped, rule)).toEqual([])
  })

  it('names only layers that exist in the table of layers', () => {
    const named = [...LAYERS.values()].flatMap((layer) => [...layer.uses, ...(layer.types ?? [])])
    expect(named.filter((name) => !LAYERS.has(name))).toEqual([])
  })

  it('names no path of a machine in any file', (context) => {
    const files = trackedFiles()
    if (files.length === 0) context.skip('not a git clone, so the tracked files are not known')
    expect(files).toContain('package.json')
    expect(files.filter((path) => namesMachinePath(readFileSync(join(ROOT, path), 'latin1')))).toEqual([])
  })
})

describe('the rules notice', () => {
  const filler = (lines: number): string => 'export {}\n'.repeat(lines)

  it.each<[keyof typeof RULES, string, Record<string, string>, string]>([
    [
      'backends',
      'core that names a provider',
      { 'src/keys/a.ts': `import p from '../../providers/file.ts'` },
      'src/keys/a.ts imports providers/file.ts',
    ],
    [
      'backends',
      'core that loads a store',
      { 'src/index.ts': `await import('../stores/sqlite.ts')` },
      'src/index.ts imports stores/sqlite.ts',
    ],
    [
      'backends',
      'core that imports a test',
      { 'src/a.ts': `import '../test/x.ts'` },
      'src/a.ts imports test/x.ts',
    ],
    [
      'backends',
      'a provider that reaches into core',
      { 'providers/x.ts': `import '../src/errors.ts'` },
      'providers/x.ts imports src/errors.ts',
    ],
    [
      'backends',
      'a nested provider file that does',
      { 'providers/local/x.ts': `export * from '../../src/store.ts'` },
      'providers/local/x.ts imports src/store.ts',
    ],
    [
      'backends',
      'a provider that imports another',
      { 'providers/x.ts': `import type { A } from './file.ts'` },
      'a backend imports no other',
    ],
    [
      'backends',
      'a store with the contract of providers',
      { 'stores/x.ts': `import '../src/provider.ts'` },
      'stores/x.ts imports src/provider.ts',
    ],
    [
      'backends',
      'a store that imports a provider',
      { 'stores/x.ts': `import '../providers/file.ts'` },
      'stores/x.ts imports providers/file.ts',
    ],
    [
      'backends',
      'a shared connection that knows the core',
      { 'clients/redis/x.ts': `import '../../src/errors.ts'` },
      'clients import only their own files',
    ],
    [
      'layers',
      'crypto that imports keys',
      { 'src/crypto/a.ts': `import type { K } from '../keys/k.ts'` },
      'crypto must not depend on keys',
    ],
    [
      'layers',
      'an import inside a type',
      { 'src/keys/a.ts': `type F = import('../data/f.ts').F` },
      'keys must not depend on data',
    ],
    [
      'layers',
      'a dynamic import upwards',
      { 'src/data/a.ts': 'const cli = await import(`../cli/run.ts`)' },
      'data must not depend on cli',
    ],
    [
      'layers',
      'policy that calls the store',
      { 'src/policy/a.ts': `import { s } from '../store.ts'` },
      'policy must not depend on store',
    ],
    [
      'layers',
      'a re-export from above',
      { 'src/keys/a.ts': `export { run } from '../cli/run.ts'` },
      'keys must not depend on cli',
    ],
    ['layers', 'a folder without a row', { 'src/misc/a.ts': '' }, 'give misc a row'],
    [
      'cycles',
      'two files that import each other',
      { 'src/a.ts': `import './b.ts'`, 'src/b.ts': `import './a.ts'` },
      'cycle: src/a.ts -> src/b.ts -> src/a.ts',
    ],
    [
      'cycles',
      'a cycle of types',
      {
        'src/a.ts': `import type { B } from './b.ts'`,
        'src/b.ts': `export type * from './c.ts'`,
        'src/c.ts': `export type C = import('./a.ts').A`,
      },
      'cycle: src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts',
    ],
    [
      'cycles',
      'a file that imports itself',
      { 'src/a.ts': `import './a.ts'` },
      'cycle: src/a.ts -> src/a.ts',
    ],
    ['ambient', 'the environment in core', { 'src/keys/a.ts': 'const e = process.env' }, 'uses process'],
    [
      'ambient',
      'process by its module',
      { 'src/a.ts': `import { env } from 'node:process'` },
      'uses process',
    ],
    ['ambient', 'process of the global object', { 'src/a.ts': 'globalThis.process.exit()' }, 'uses process'],
    ['ambient', 'the console', { 'stores/a.ts': `if (1) console.log('x')` }, 'uses console'],
    ['packages', 'a second user of zod', { 'src/policy/read.ts': `import { z } from 'zod'` }, 'its place is'],
    [
      'packages',
      'commander outside the command line',
      { 'src/data/a.ts': `await import('commander')` },
      'src/data/a.ts imports commander',
    ],
    ['packages', 'csv under a longer name', { 'src/data/a.ts': `import 'csv-parse/sync'` }, 'csv-parse/sync'],
    [
      'packages',
      'an SDK loaded with its provider',
      { 'providers/x.ts': `import { KMS } from '@aws-sdk/client-kms'` },
      'load it with import()',
    ],
    [
      'loadsZod',
      'core that loads the schema of policies',
      {
        'src/keywright.ts': `import './policy/read.ts'`,
        'src/policy/read.ts': `export * from './schema.ts'`,
        'src/policy/schema.ts': `import * as z from 'zod'`,
      },
      'src/keywright.ts loads zod',
    ],
    ['sizes', 'a long file', { 'src/a.ts': filler(301) }, 'src/a.ts has 301 lines; at most 300'],
    ['sizes', 'a long provider', { 'providers/x.ts': filler(201) }, 'has 201 lines; at most 200'],
    [
      'existence',
      'a file that is not there',
      { 'src/a.ts': `import './gone.ts'` },
      'src/a.ts imports src/gone.ts',
    ],
  ])('%s: %s', (rule, _what, files, fault) => {
    const found = faults(new Map(Object.entries(files)), rule)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(fault)
  })

  it.each<[string, Record<string, string>]>([
    [
      'the composition root',
      {
        'src/compose.ts': `import '../providers/index.ts'; process.env; import './errors.ts'`,
        'providers/index.ts': `export const P = { file: () => import('./file.ts') }`,
        'providers/file.ts': `import '../src/provider.ts'\nimport './local/x.ts'`,
        'providers/local/x.ts': `import type { P } from '../../src/provider.ts'`,
        'src/provider.ts': `import './errors.ts'`,
        'src/errors.ts': '',
      },
    ],
    [
      'names that only look like the globals',
      {
        'src/keys/a.ts':
          '// process.env\nexport const o = { process: 1, console() {} }\no.process; class A { process = 1 }',
      },
    ],
    [
      'words in strings and comments',
      { 'src/keys/a.ts': `const t = "import '../cli/x.ts'" /* import './y.ts' */` },
    ],
    [
      'a dynamic import that points back',
      { 'src/keys/a.ts': `await import('./b.ts')`, 'src/keys/b.ts': `import './a.ts'` },
    ],
    [
      'a type of the store in policy',
      { 'src/policy/a.ts': `import type { S } from '../store.ts'`, 'src/store.ts': '' },
    ],
    ['an optional SDK loaded when needed', { 'providers/x.ts': `await import('@aws-sdk/client-kms')` }],
  ])('nothing wrong with %s', (_what, files) => {
    expect(faults(new Map(Object.entries(files)))).toEqual([])
  })

  it('a path of a machine', () => {
    expect(namesMachinePath(`see ${MACHINE_PATHS[0]}main/README.md`)).toBe(true)
    expect(namesMachinePath('a workshop, a farmer and network/x')).toBe(false)
  })
})
