/** The tables of environment variables in docs/configuration.md, made from the tables that the program reads by. */
import { BACKENDS } from '../../providers/index.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import type { Backend, ProviderVariable } from '../../src/provider.ts'

const code = (text: string): string => `\`${text}\``
const codes = (names: readonly string[]): string => names.map(code).join(', ')

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

function namesOf({ variables, standard = [] }: ProviderVariable): string {
  const [first = '', ...aliases] = variables
  const alias = aliases.length > 0 ? `, alias ${codes(aliases)}` : ''
  const lower = standard.length > 0 ? `, else ${codes(standard)}` : ''
  return `${code(first)}${alias}${lower}`
}

function meaningOf({ default: fallback, description, secret = false }: ProviderVariable): string {
  const also = [
    ...(secret ? ['secret'] : []),
    ...(fallback === undefined ? [] : [`default ${code(fallback)}`]),
  ]
  return also.length > 0 ? `${description} (${also.join(', ')})` : description
}

function sectionOf({ description, environmentName, name, variables }: Backend): string {
  const spelling = name === environmentName ? '' : `, in the environment ${code(environmentName)}`
  const rows = variables.map((row) => [namesOf(row), code(row.option), meaningOf(row)])
  const body = rows.length === 0 ? 'No variables.' : table(['variable', 'option', 'meaning'], rows)
  return `### ${code(name)}${spelling}\n\n${description}. [Guide](providers/${name}.md)\n\n${body}`
}

/** Every variable, those of no backend first. */
export function renderVariables(): string {
  const general = Object.entries(VARIABLES).map(([name, meaning]) => [code(name), meaning])
  const all = [
    `### All backends\n\n${table(['variable', 'meaning'], general)}`,
    ...Object.values(BACKENDS).map(sectionOf),
  ]
  return `${all.join('\n\n')}\n`
}
