/** README.md: short, and true where a table of the program can tell. Its links, commands and code: guides, samples. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { BACKENDS } from '../../providers/index.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { localstack } from '../../src/testing/native/localstack.ts'
import { moto } from '../../src/testing/native/moto.ts'
import { openbao } from '../../src/testing/native/openbao.ts'
import { STORES } from '../../stores/index.ts'
import { blocksOf, ROOT, textOf, variablesIn } from './markdown.ts'

const readme = textOf('README.md')

/** The cells of the rows of a table, by its first header. */
function rowsOf(header: string): string[][] {
  const table = readme.slice(readme.indexOf(`| ${header} |`)).split('\n\n')[0] ?? ''
  return table
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
}

it('is short', () => {
  expect(readme.split('\n').length).toBeLessThan(250)
})

it('begins with the two commands', () => {
  const [first] = blocksOf('README.md')
  expect(first?.text).toMatch(/^npm run quickstart[^\n]*\nnpm test/)
})

it('documents every variable of no backend, here or in docs/configuration.md, and none that does not exist', () => {
  const all = [
    ...Object.keys(VARIABLES),
    ...Object.values(BACKENDS).flatMap(({ variables }) => variables.flatMap((row) => row.variables)),
  ]
  const documented = [readme, textOf('docs/configuration.md')].flatMap((text) => [...variablesIn(text)])
  const own = documented.filter((name) => name.startsWith('ENCRYPTION_') || all.includes(name))
  expect(new Set(own)).toEqual(new Set(all))
  const inTable = rowsOf('variable').flatMap(([cell = '']) => [...variablesIn(cell)])
  for (const name of [
    'ENCRYPTION_KEY_STORAGE_BACKEND',
    'ENCRYPTION_KEY_ID',
    'ENCRYPTION_KEY_STORE_URL',
    'NODE_ENV',
  ])
    expect(inTable).toContain(name)
})

it('has a row for every backend, with a guide and what it was tested on', () => {
  const rows = rowsOf('backend')
  expect(rows.map(([name = '']) => /`([a-z_]+)`/.exec(name)?.[1])).toEqual(expectedBackends())
  for (const [name = '', ...cells] of rows) {
    expect(existsSync(join(ROOT, /\]\(([^)]+)\)/.exec(name)?.[1] ?? ''))).toBe(true)
    expect(cells).toHaveLength(4)
    expect(cells).not.toContain('')
  }
  const tested = rows.map((cells) => cells.at(-1)).join(' ')
  for (const { server } of [openbao, localstack, moto]) expect(tested).toContain(server)
})

function expectedBackends(): string[] {
  const names = Object.values(BACKENDS).map(({ environmentName }) => environmentName)
  return [...names.filter((name) => name !== 'memory'), 'memory']
}

it('has every store', () => {
  const named = rowsOf('store').map(([name]) => name)
  for (const scheme of Object.keys(STORES)) expect(named.join(' ')).toContain(`\`${scheme}:\``)
})
