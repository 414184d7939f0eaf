/** The samples of docs/integrations.md run. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksOf, ROOT } from '../docs/markdown.ts'
import { postgresDatabase, skip } from './databases.ts'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'keywright-documented-'))
symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
afterAll(() => rmSync(folder, { recursive: true }))

const url = (path: string): string => pathToFileURL(join(ROOT, path)).href
/** What the samples take from the program around them. */
const AROUND = `import { createKeywright } from '${url('src/index.ts')}'
import memoryProvider from '${url('providers/memory.ts')}'
import memoryStore from '${url('stores/memory.ts')}'
import pg from 'pg'
globalThis.kw = await createKeywright({ provider: memoryProvider(), store: memoryStore() })
if (process.env.APP_URL) globalThis.pool = new pg.Pool({ connectionString: process.env.APP_URL, allowExitOnIdle: true })
`
writeFileSync(join(folder, 'around.ts'), AROUND)

const samples = blocksOf('docs/integrations.md')
  .filter(({ language }) => language === 'ts')
  .map(({ line, text }) => ({ line, text }))
/** Node compiles no decorators: the test of decorators has a compiler do it. */
const runnable = samples.filter(({ text }) => !text.includes('@encrypted('))
const withDatabase = runnable.filter(({ text }) => /\bpool\b/.test(text))
const alone = runnable.filter(({ text }) => !/\bpool\b/.test(text))

async function outputOf({ line, text }: { line: number; text: string }, appUrl = ''): Promise<string> {
  const here = text.replace(
    /'keywright\/(integrations\/[\w-]+)'/g,
    (_, path: string) => `'${url(`src/${path}.ts`)}'`,
  )
  const path = join(folder, `sample-${line}.ts`)
  writeFileSync(path, `import './around.ts'\n${here}\n;await kw.close()\n`)
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], APP_URL: appUrl }
  const { stdout } = await run(process.execPath, ['--no-warnings', path], { cwd: folder, env })
  return stdout
}

/** What the sample says it prints. */
const printed = (text: string): string[] =>
  [...text.matchAll(/console\.log\(.*\) \/\/ (.+)$/gm)].map(([, what = '']) => what)

it('there are samples of every kind', () => {
  expect([samples.length - runnable.length, withDatabase.length]).toEqual([1, 1])
  expect(alone.length).toBeGreaterThan(6)
})

it.each(alone)('the sample of line $line runs', async (sample) => {
  const output = await outputOf(sample)
  for (const what of printed(sample.text)) expect(output).toContain(what)
})

describe.skipIf(skip)('with PostgreSQL', () => {
  const database = postgresDatabase()
  beforeAll(async () => {
    const pool = await database.pool()
    await pool.query('CREATE TABLE public.users (id integer primary key, email text, email_token text)')
  })

  it.each(withDatabase)('the sample of line $line runs', async (sample) => {
    const output = await outputOf(sample, database.url)
    for (const what of printed(sample.text)) expect(output).toContain(what)
  })
})
