import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { BACKENDS } from '../../providers/index.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { STORES } from '../../stores/index.ts'

const readme = readFileSync('README.md', 'utf8')

/** The variables of the table; `_TOKEN` after `ENCRYPTION_VAULT_URL` is short for ENCRYPTION_VAULT_TOKEN. */
function documented(): string[] {
  const table = readme.slice(readme.indexOf('| variable |'), readme.indexOf('## Providers and stores'))
  return table.split('\n').flatMap((line) => {
    const [, cell = ''] = line.split('|')
    const names = [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name)
    const [prefix = ''] = /^ENCRYPTION_[A-Z]+/.exec(names[0] ?? '') ?? []
    return names.map((name) => (name.startsWith('_') ? prefix + name : name))
  })
}

it('documents every environment variable, and none that does not exist', () => {
  const known = [
    ...Object.keys(VARIABLES),
    ...Object.values(BACKENDS).flatMap(({ variables }) => variables.flatMap((row) => row.variables)),
    'NODE_ENV',
  ]
  expect(new Set(documented())).toEqual(new Set(known))
})

it('names every backend and every store', () => {
  for (const { environmentName } of Object.values(BACKENDS))
    expect(readme).toContain(`\`${environmentName}\``)
  for (const scheme of Object.keys(STORES)) expect(readme).toContain(`\`${scheme}:\``)
})

it('links to files that exist', () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = '']) => path)
  expect(links.length).toBeGreaterThan(4)
  for (const path of links.filter((link) => !link.startsWith('http')))
    expect(existsSync(path), path).toBe(true)
})
