/** The samples about sessions, caches and logs run as they are printed, on a real Redis. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RedisServer } from '../../src/testing/native/redis.ts'
import { redisFor } from '../integrations/storage-kit.ts'
import { blocksOf, ROOT } from './markdown.ts'

const run = promisify(execFile)
const available = await redisFor()
const samples = ['docs/sessions.md', 'docs/caches.md', 'docs/logs.md']
  .flatMap(blocksOf)
  .filter(({ language }) => language === 'ts')

const sourceOf = (name: string): string =>
  pathToFileURL(
    join(ROOT, 'src', name === 'keywright' ? 'index.ts' : `${name.slice('keywright/'.length)}.ts`),
  ).href

describe.skipIf(available.skip)('the samples', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-storage-samples-'))
  let redis: RedisServer
  beforeAll(async () => {
    redis = (await available.start?.()) as RedisServer
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const memory =
      "environment: { ENCRYPTION_KEY_STORAGE_BACKEND: 'memory' }, storeUrl: 'memory:', audit: false"
    writeFileSync(
      join(folder, 'program.mjs'),
      `import { open } from '${sourceOf('keywright')}'\nglobalThis.kw = await open({ ${memory} })\n` +
        'await import(process.argv[2])\nprocess.exit(0)\n',
    )
  })
  afterAll(async () => {
    await redis?.stop()
    rmSync(folder, { recursive: true })
  })

  it.each(samples)('$document, line $line', async ({ document, line, text }) => {
    const file = join(folder, `${document.replace(/\W/g, '_')}_${line}.ts`)
    const ours = text.replace(/from '(keywright[^']*)'/g, (_, name: string) => `from '${sourceOf(name)}'`)
    writeFileSync(file, ours)
    const env = { PATH: process.env['PATH'], REDIS_URL: `redis://:${redis.password}@127.0.0.1:${redis.port}` }
    const { stdout, stderr } = await run(process.execPath, ['--no-warnings', 'program.mjs', file], {
      cwd: folder,
      env,
    })
    expect(stderr).toBe('')
    // What a comment behind console.log promises is printed.
    for (const [, promised = ''] of text.matchAll(/console\.log\(.*\) \/\/ (.*)/g)) {
      const wanted = promised.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      if (!promised.startsWith('an object')) expect(stdout).toMatch(new RegExp(wanted.join('.*')))
    }
  })
})
