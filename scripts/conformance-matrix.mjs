/**
 * Which backend passes which test of its contract: collected from a vitest run, as lines for a terminal and as a page
 * of docs/. The suites are recognised by the names that src/testing/conformance/ gives them.
 */
const CONTRACTS = [
  { kind: 'providers', suite: /^provider contract: (?<name>.+)$/ },
  { kind: 'stores', suite: /^(?<name>.+): contract of a key store$/ },
  { kind: 'sources', suite: /^(?<name>.+): contract of a source$/ },
]
/** Tests of the call of a suite, not of the backend. */
const ABOUT_THE_CALL = new Set(['skips name tests that exist', 'skips only tests that are there'])
const FACT = /^(?<name>[^:]+): (?<value>.+)$/

/** The suite of a contract that a test is in, however deep: `{ kind, name }`. */
function contractOf(test) {
  for (let parent = test.parent; parent?.type === 'suite'; parent = parent.parent) {
    for (const { kind, suite } of CONTRACTS) {
      const name = suite.exec(parent.name)?.groups?.name
      if (name !== undefined) return { kind, name }
    }
  }
  return undefined
}

/** `{ providers, stores, sources }`, each a list of `{ name, tests: [{ title, state, reason }], facts }`. */
export function collectMatrix(modules) {
  const found = Object.fromEntries(CONTRACTS.map(({ kind }) => [kind, new Map()]))
  for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
    const contract = contractOf(test)
    if (contract === undefined || ABOUT_THE_CALL.has(test.name)) continue
    const { kind, name } = contract
    const backend = found[kind].get(name) ?? { name, tests: [], facts: {} }
    found[kind].set(name, backend)
    const { state, note } = test.result()
    backend.tests.push({ title: test.name, state, ...(note === undefined ? {} : { reason: note }) })
    for (const { message } of test.annotations()) {
      const fact = FACT.exec(message)?.groups
      if (fact !== undefined) backend.facts[fact.name] = fact.value
    }
  }
  return Object.fromEntries(CONTRACTS.map(({ kind }) => [kind, [...found[kind].values()]]))
}

const counted = (tests) =>
  ['passed', 'failed', 'skipped', 'pending']
    .map((state) => [tests.filter((test) => test.state === state).length, state])
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${state}`)
    .join(', ')

/** One line for each backend. Nothing for a run without suites. */
export function describeMatrix(matrix) {
  return CONTRACTS.flatMap(({ kind }) => {
    const backends = matrix[kind] ?? []
    if (backends.length === 0) return []
    const width = Math.max(...backends.map(({ name }) => name.length))
    const lines = backends.map(({ name, tests }) => `  ${name.padEnd(width)}  ${counted(tests)}`)
    return [`conformance of ${kind}:`, ...lines]
  })
}

const row = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`

/** A table with a column for each backend. */
function table(corner, backends, rows) {
  const names = backends.map(({ name }) => name)
  return [row([corner, ...names]), row(['---', ...names.map(() => '---')]), ...rows.map(row)].join('\n')
}

const union = (lists) => [...new Set(lists.flat())]

/** The table of tests, and below it the reasons by number. */
function testTable(backends) {
  const reasons = union(backends.map(({ tests }) => tests.flatMap(({ reason }) => reason ?? [])))
  const cell = ({ state = 'absent', reason } = {}) => {
    if (state === 'passed') return 'pass'
    return reason === undefined ? state : `skip ${reasons.indexOf(reason) + 1}`
  }
  const titles = union(backends.map(({ tests }) => tests.map(({ title }) => title)))
  const rows = titles.map((title) => [
    title,
    ...backends.map(({ tests }) => cell(tests.find((test) => test.title === title))),
  ])
  const listed = reasons.map((reason, index) => `${index + 1}. ${reason}`)
  return [
    table('test', backends, rows),
    ...(listed.length === 0 ? [] : ['Why a test is skipped:', listed.join('\n')]),
  ]
}

/** What the suites noted about each backend. */
function factTable(backends) {
  const names = union(backends.map(({ facts }) => Object.keys(facts)))
  if (names.length === 0) return []
  const rows = names.map((name) => [name, ...backends.map(({ facts }) => facts[name] ?? '')])
  return [table('noted by the suite', backends, rows)]
}

/** The page docs/conformance.md. */
export function renderMatrix({ providers, stores, sources }) {
  const parts = [
    '# Conformance',
    '<!-- Written by `npm run conformance` from a run of the suites. Do not edit. -->',
    'Every provider, every store and every source passes one suite of tests, the same for all. A column is one set-up that the suite ' +
      'ran against: a real server, or a fake on a socket that the official client talks to. A test is skipped only ' +
      'where the backend or its test server cannot do what it asks, and the reason is given.',
    'The suites are published: `runProviderConformance`, `runStoreConformance` and `runSourceConformance` of ' +
      '`keywright/testing`, for vitest and node:test.',
    '## Providers',
    ...testTable(providers),
    ...factTable(providers),
    '## Stores',
    ...testTable(stores),
    ...factTable(stores),
    '## Sources',
    ...testTable(sources),
    ...factTable(sources),
  ]
  return `${parts.join('\n\n')}\n`
}
