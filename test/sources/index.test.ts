import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { openSource, SOURCES, type SourceConfig } from '../../sources/index.ts'
import { parseTableName } from '../../sources/shared/table-name.ts'

const failure = (code: string, words = '') =>
  expect.objectContaining({ code, hint: expect.stringContaining(words) })

describe('openSource', () => {
  it.each<SourceConfig>([
    { type: 'postgres', name: 'a', url: 'postgres://h/db', table: 'users', key: ['id'] },
    { type: 'sqlite', name: 'b', path: 'a.db', table: 'users' },
    { type: 'redis', name: 'c', url: 'redis://h', pattern: 'x:*' },
  ])('opens $type and connects to nothing', async (config) => {
    const source = await openSource(config)
    expect(source.name).toBe(config.name)
    await source.close?.()
  })

  it.each<[what: string, config: SourceConfig, code: string, hint: string]>([
    ['a type that is none', { type: 'mysql', name: 'a' }, 'ERR_SOURCE_UNKNOWN', 'postgres'],
    ['a type of Object', { type: 'constructor', name: 'a' }, 'ERR_SOURCE_UNKNOWN', 'postgres'],
    ['no table', { type: 'postgres', name: 'a', url: 'postgres://h/db' }, 'ERR_CONFIG_INVALID', 'table'],
    ['no path', { type: 'sqlite', name: 'a', table: 't' }, 'ERR_CONFIG_INVALID', 'path'],
    ['no pattern', { type: 'redis', name: 'a', url: 'redis://h' }, 'ERR_CONFIG_INVALID', 'pattern'],
    [
      'a table of Redis',
      { type: 'redis', name: 'a', url: 'redis://h', pattern: 'x', table: 't' },
      'ERR_CONFIG_INVALID',
      'takes url, pattern',
    ],
  ])('refuses %s', async (_, config, code, hint) => {
    await expect(openSource(config)).rejects.toEqual(failure(code, hint))
  })
})

it('has a guide for every source', async () => {
  const guide = await readFile(new URL('../../docs/sources.md', import.meta.url), 'utf8')
  for (const type of Object.keys(SOURCES)) {
    expect(guide).toContain(`"type": "${type}"`)
    expect(guide).toContain(`keywright/sources/${type}`)
  }
})

describe('names of tables', () => {
  it.each([
    ['users', { table: 'users' }],
    ['app.users', { schema: 'app', table: 'users' }],
    ['Users; drop', { table: 'Users; drop' }],
    ['"a.b"', { table: 'a.b' }],
    ['"a.b".c', { schema: 'a.b', table: 'c' }],
    ['a."say ""hi"""', { schema: 'a', table: 'say "hi"' }],
    ["it's", { table: "it's" }],
  ])('%s', (text, name) => {
    expect(parseTableName(text)).toEqual(name)
  })

  it.each(['', '.', 'a.', '.a', 'a..b', 'a.b.c', '"', '""', '"a', 'a"b', '"a"b', 'a\0', 7])(
    'refuses %j',
    (text) => {
      expect(() => parseTableName(text)).toThrow(failure('ERR_ARGUMENT_INVALID'))
    },
  )
})
