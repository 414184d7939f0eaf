/** docs/conformance.md is written by `npm run conformance`: it has the tests and the backends that there are. */
import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../../providers/index.ts'
import { SOURCES } from '../../sources/index.ts'
import { providerCases, sourceCases, storeCases } from '../../src/testing/index.ts'
import { STORES } from '../../stores/index.ts'
import { documentText } from './examples.ts'

const RENEW = 'write it anew: npm run conformance'

interface Section {
  /** Names of the columns: the set-ups that the suite ran against. */
  readonly columns: readonly string[]
  /** Title and cells of each row. */
  readonly rows: readonly (readonly string[])[]
  readonly reasons: readonly string[]
}

const cellsOf = (line: string): string[] =>
  line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))

/** The table of tests of a section, and the reasons below it. */
function sectionOf(heading: string): Section {
  const section =
    documentText('conformance.md')
      .trim()
      .split(/^## /m)
      .find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const [table = '', ...rest] = section.split('\n\n').slice(1)
  const [header = '', , ...lines] = table.split('\n')
  const reasons = rest.find((block) => block.startsWith('1. '))?.split('\n') ?? []
  return { columns: cellsOf(header).slice(1), rows: lines.map(cellsOf), reasons }
}

/** The scheme of each store; a second scheme of the same module is no second store. */
function storeNames(): Iterable<string> {
  const byModule = new Map<string, string>()
  for (const [scheme, load] of Object.entries(STORES)) {
    if (!byModule.has(String(load))) byModule.set(String(load), scheme)
  }
  return byModule.values()
}

describe.each([
  {
    heading: 'Providers',
    cases: providerCases(),
    backends: Object.values(BACKENDS).map(({ name }) => name),
  },
  { heading: 'Stores', cases: storeCases(), backends: [...storeNames()] },
  { heading: 'Sources', cases: sourceCases(), backends: [...Object.keys(SOURCES), 'memory'] },
])('docs/conformance.md: $heading', ({ backends, cases, heading }) => {
  const { columns, reasons, rows } = sectionOf(heading)

  it('has one row for each test of the contract', () => {
    expect(
      rows.map(([title]) => title),
      RENEW,
    ).toEqual([...cases])
  })

  it('has a column for each backend, and none for what is no backend', () => {
    const backendOf = (column: string): string | undefined =>
      backends.find(
        (name) => column === name || column.startsWith(`${name},`) || column.startsWith(`${name} `),
      )
    expect(
      backends.filter((name) => !columns.some((column) => backendOf(column) === name)),
      RENEW,
    ).toEqual([])
    expect(
      columns.filter((column) => backendOf(column) === undefined),
      RENEW,
    ).toEqual([])
  })

  it('says pass, or skip with a reason that is listed', () => {
    const cells = rows.flatMap(([, ...others]) => others)
    expect(cells).toHaveLength(cases.length * columns.length)
    const known = ['pass', ...reasons.map((_, index) => `skip ${index + 1}`)]
    expect(
      cells.filter((cell) => !known.includes(cell)),
      RENEW,
    ).toEqual([])
    expect(known.filter((cell) => !cells.includes(cell))).toEqual([])
    for (const [index, reason] of reasons.entries()) {
      expect(reason).toMatch(new RegExp(`^${index + 1}\\. \\S+ \\S+`))
      expect(reason).not.toContain('no reason given')
    }
  })
})
