/** With every client installed, importing loads none of them: not the library, not a provider, not a store. */
import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ROOT } from './pack.ts'

const exec = promisify(execFile)
const HOOK = pathToFileURL(join(import.meta.dirname, 'loaded-files.mjs')).href

/** The packages of which importing `paths` loads a file. */
async function packagesOf(...paths: readonly string[]): Promise<string[]> {
  const program = paths.map((path) => `await import(${JSON.stringify(pathToFileURL(join(ROOT, path)))})`)
  const args = ['--import', HOOK, '--input-type=module', '--eval', program.join('\n')]
  const { stdout } = await exec(process.execPath, args, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 })
  const urls = JSON.parse(stdout) as string[]
  expect(urls.filter((url) => url.startsWith('file:')).length).toBeGreaterThan(paths.length)
  return [...new Set(urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []))]
}

describe('importing loads no package:', () => {
  it.each([
    ['the library', ['src/index.ts']],
    ['every provider and every store', globSync('{providers,stores}/*.ts', { cwd: ROOT })],
    ['what reads the configuration', ['src/compose.ts']],
    ['the kit for tests', ['src/testing/index.ts']],
    ['the key management', ['src/keywright.ts']],
  ])('%s', async (_, paths) => {
    expect(await packagesOf(...paths)).toEqual([])
  })

  it('and one that is loaded would be seen', async () => {
    expect(await packagesOf('node_modules/cockatiel/dist/index.js')).toEqual(['cockatiel'])
  })
})
