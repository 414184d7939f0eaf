/** The rules of the layout. Each takes the parsed files and gives one sentence for each fault. */
import { posix } from 'node:path'
import { LAYERS, layerOf } from './layers.ts'
import { readSource, type SourceFile } from './source-file.ts'

const ROOT_OF_PROGRAMS = 'src/compose.ts'
/** Servers for tests are processes with an environment. */
const TESTING = 'src/testing/'
const MAX_LINES = 300
const MAX_PROVIDER_LINES = 200
/** A program that reads no policy document must not load zod; the parts that do read one. */
const MAY_LOAD_ZOD = /^src\/(policy|cli|server)\/|^src\/compose\.ts$/
/** The place of each library; every other package is an optional one, loaded when it is needed. */
const PACKAGES: ReadonlyMap<string, RegExp> = new Map([
  ['zod', /^src\/policy\/(document|form|schema)\.ts$/],
  ['commander', /^src\/cli\//],
  ['@clack/prompts', /^src\/cli\//],
  ['csv-parse', /^src\/cli\//],
  ['csv-stringify', /^src\/cli\//],
  ['cockatiel', /^src\/resilience\//],
  ['croner', /^src\/jobs\/lifecycle\//],
  ['piscina', /^src\/jobs\/values\//],
  ['tar-stream', /^src\/data\/backups\//],
  ['cookie', /^src\/integrations\//],
])

/** What a backend may import from core. */
const CONTRACTS: ReadonlyMap<string, string> = new Map([
  ['providers', 'src/provider.ts'],
  ['stores', 'src/store.ts'],
  ['sources', 'src/source.ts'],
])

type Rule = (files: readonly SourceFile[]) => string[]

const area = (path: string): string => path.split('/')[0] ?? ''

/** The contracts: core names no backend; a backend knows its contract and its own files. */
const backends: Rule = (files) =>
  files.flatMap((file) =>
    file.imports.flatMap(({ path }) => {
      if (path === undefined) return []
      const from = area(file.path)
      const to = area(path)
      const refused = `${file.path} imports ${path}`
      if (from === 'src' && (to === 'src' || file.path === ROOT_OF_PROGRAMS)) return []
      if (from === 'src') return [`${refused}; only ${ROOT_OF_PROGRAMS} may import from outside src`]
      // A connection that a provider and a store share knows neither of them, nor core.
      if (from === 'clients')
        return to === 'clients' ? [] : [`${refused}; clients import only their own files`]
      if (to === 'clients') return []
      const contract = CONTRACTS.get(from) ?? ''
      if (path === contract) return []
      if (to !== from) return [`${refused}; ${from} may import only ${contract} and their own files`]
      const isBackend = posix.dirname(path) === from
      return isBackend && file.path !== `${from}/index.ts` ? [`${refused}; a backend imports no other`] : []
    }),
  )

const layers: Rule = (files) =>
  files
    .filter((file) => area(file.path) === 'src')
    .flatMap((file) => {
      const name = layerOf(file.path)
      const layer = LAYERS.get(name)
      if (layer === undefined) return [`${file.path} is in no layer; give ${name} a row in layers.ts`]
      return file.imports.flatMap(({ path, kind }) => {
        if (path === undefined || area(path) !== 'src') return []
        const target = layerOf(path)
        if (target === name || layer.uses.includes(target)) return []
        if (kind === 'type' && layer.types?.includes(target)) return []
        return [`${file.path} imports ${path}; ${name} must not depend on ${target}`]
      })
    })

/** A dynamic import may point back: it runs after both files are loaded. */
const cycles: Rule = (files) => {
  const targets = new Map(
    files.map((file) => [
      file.path,
      file.imports.flatMap(({ path, kind }) => (path === undefined || kind === 'dynamic' ? [] : [path])),
    ]),
  )
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(' -> ')]
    if (done.has(path)) return []
    const found = (targets.get(path) ?? []).flatMap((next) => visit(next, [...trail, path]))
    done.add(path)
    return found
  }
  return files.flatMap((file) => visit(file.path, [])).map((trail) => `cycle: ${trail}`)
}

const ambient: Rule = (files) =>
  files
    .filter(({ path }) => path !== ROOT_OF_PROGRAMS && posix.basename(path) !== 'main.ts')
    .filter(({ path }) => !path.startsWith(TESTING))
    .flatMap((file) =>
      [...file.ambient].map((name) => `${file.path} uses ${name}; only ${ROOT_OF_PROGRAMS} and main.ts may`),
    )

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** What talks to a service names its client's types; at run time they are nothing. */
const mayNameTypes = (path: string): boolean =>
  area(path) !== 'src' || path.startsWith(TESTING) || path.startsWith('src/telemetry/')

const packages: Rule = (files) =>
  files.flatMap((file) =>
    file.imports.flatMap(({ specifier, path, kind }) => {
      if (path !== undefined || specifier.startsWith('node:')) return []
      const name = packageName(specifier)
      const place = PACKAGES.get(name)
      if (place === undefined && kind === 'dynamic') return []
      if (place === undefined && kind === 'type' && mayNameTypes(file.path)) return []
      if (place?.test(file.path)) return []
      return [
        `${file.path} imports ${specifier}; ${place ? `its place is ${place.source}` : 'load it with import()'}`,
      ]
    }),
  )

/** Which files load zod with themselves, over any number of imports. */
const loadsZod: Rule = (files) => {
  const loaders = new Set<string>()
  for (let before = -1; before !== loaders.size; ) {
    before = loaders.size
    for (const file of files) {
      const values = file.imports.filter((one) => one.kind === 'value')
      if (values.some(({ specifier, path }) => specifier === 'zod' || loaders.has(path ?? '')))
        loaders.add(file.path)
    }
  }
  return [...loaders]
    .filter((path) => !MAY_LOAD_ZOD.test(path))
    .map((path) => `${path} loads zod with itself; use import() for what reads a policy document`)
}

const sizes: Rule = (files) =>
  files.flatMap(({ path, lines }) => {
    const limit = posix.dirname(path) === 'providers' ? MAX_PROVIDER_LINES : MAX_LINES
    return lines > limit ? [`${path} has ${lines} lines; at most ${limit}`] : []
  })

const existence: Rule = (files) => {
  const known = new Set(files.map((file) => file.path))
  return files.flatMap((file) =>
    file.imports.flatMap(({ path }) =>
      path === undefined || known.has(path) || path.endsWith('.json')
        ? []
        : [`${file.path} imports ${path}, which is no file of src, providers, stores, sources or clients`],
    ),
  )
}

export const RULES = { backends, layers, cycles, ambient, packages, loadsZod, sizes, existence } as const

/** The faults of a set of files (path from the root → text) under one rule or all of them. */
export function faults(files: ReadonlyMap<string, string>, rule?: keyof typeof RULES): string[] {
  const parsed = [...files].map(([path, text]) => readSource(path, text))
  return (rule === undefined ? Object.values(RULES) : [RULES[rule]]).flatMap((one) => one(parsed))
}
