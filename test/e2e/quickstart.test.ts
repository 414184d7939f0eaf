import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { quickstart } from '../../src/cli/quickstart/quickstart.ts'
import { KeywrightError } from '../../src/errors.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-quickstart-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Runs it and resolves to everything it said. */
async function run(
  csv: string,
  options: { fields?: Record<string, string>; search?: string } = {},
): Promise<string> {
  const said: string[] = []
  const say = async (text: string): Promise<void> => void said.push(text)
  await quickstart({
    csv,
    folder: join(folder, 'q'),
    fields: {},
    ...options,
    print: { step: say, line: say },
  })
  return said.join('\n')
}

function csv(text: string): string {
  const path = join(folder, 'people.csv')
  writeFileSync(path, text)
  return path
}

const codeOf = async (running: Promise<unknown>): Promise<string> => {
  const error = await running.catch((failure: unknown) => failure)
  return error instanceof KeywrightError ? error.code : 'no error'
}

describe('quickstart', () => {
  it('takes the example through everything, twice', async () => {
    for (const version of ['2', '3']) {
      const said = await run('examples/customers.csv')
      expect(said).toContain('600 rows')
      expect(said.match(/read everything back: 6600 values/g)).toHaveLength(2)
      expect(said).toMatch(new RegExp(`pii +${version} +active`))
      expect(said).toContain('re-encrypted 2,296 values of pii')
      expect(said).toMatch(new RegExp(`pii version ${Number(version) - 1} \\(key \\d+\\): 0 values`))
      expect(said).toMatch(new RegExp(`pii +${Number(version) - 1} +destroyed`))
      expect(said).toContain('the chain is whole')
    }
  })

  it('leaves nothing in clear in its folder', async () => {
    await run(csv('id,email,note\n1,canary.person@example.org,hello\n'))
    const files = ['app.db', 'keys.db', 'audit.jsonl', 'master.keys'].map((name) => join(folder, 'q', name))
    const bytes = Buffer.concat(files.map((path) => readFileSync(path)))
    expect(bytes.includes('hello')).toBe(true) // the column in clear shows that the search finds
    expect(bytes.includes('canary.person')).toBe(false)
    expect(statSync(join(folder, 'q')).mode & 0o077).toBe(0)
  })

  it('takes the columns it is told, with quotes, line breaks, emoji and empty values', async () => {
    const path = csv('name,"odd ""column"""\n"Ada, ""Countess""","two\nlines 🗝"\n,\n')
    const said = await run(path, { fields: { name: 'pii', 'odd "column"': 'api_keys' }, search: 'name' })
    expect(said).toContain('read everything back: 4 values')
    expect(said).toContain('you said so (--field)')
  })

  it.each([
    ['no file', () => '/nowhere/at/all.csv', {}, 'ERR_INPUT_INVALID'],
    ['a folder', () => folder, {}, 'ERR_INPUT_INVALID'],
    ['an empty file', () => csv(''), {}, 'ERR_INPUT_INVALID'],
    ['only a header', () => csv('email\n'), {}, 'ERR_INPUT_INVALID'],
    ['uneven rows', () => csv('a,email\n1,2,3\n'), {}, 'ERR_INPUT_INVALID'],
    ['a doubled column', () => csv('email,email\n1,2\n'), {}, 'ERR_INPUT_INVALID'],
    ['nothing to encrypt', () => csv('a,b\n1,2\n'), {}, 'ERR_FIELD_UNMATCHED'],
    ['a misspelt column', () => csv('a,b\n1,2\n'), { fields: { c: 'pii' } }, 'ERR_ARGUMENT_INVALID'],
    ['a misspelt key type', () => csv('a,b\n1,2\n'), { fields: { a: 'pi' } }, 'ERR_KEY_TYPE_UNKNOWN'],
    ['a search column in clear', () => csv('a,email\n1,2\n'), { search: 'a' }, 'ERR_ARGUMENT_INVALID'],
  ])('%s is %s', async (_, path, options, code) => {
    expect(await codeOf(run(path(), options))).toBe(code)
  })
})
