/** The places where ciphertexts live, as a document states them: read, and checked for what their form cannot tell. */
import { didYouMean } from '../nearest.ts'
import type { Sieved } from './form.ts'
import { parsePattern } from './patterns.ts'
import type { ColumnPolicy, Policy, Selector, SourcePolicy, SourceType } from './policy.ts'
import { type Problem, pathOf } from './problems.ts'
import { selectKeyType } from './selectors.ts'

/** A source and where the document states it: 'sources.users', 'profiles.test.sources.users'. */
export interface StatedSource {
  readonly source: SourcePolicy
  readonly place: string
}

type Member = 'url' | 'urlVariable' | 'path' | 'table' | 'pattern' | 'key' | 'columns'

/** What a source of each type needs (any one of those in a row), and what it may have. */
const MEMBERS: Readonly<
  Record<SourceType, { needs: readonly (readonly Member[])[]; takes: readonly Member[] }>
> = {
  postgres: { needs: [['url', 'urlVariable'], ['table'], ['columns']], takes: ['key'] },
  sqlite: { needs: [['path'], ['table'], ['columns']], takes: ['key'] },
  redis: { needs: [['url', 'urlVariable'], ['pattern'], ['columns']], takes: [] },
  folder: { needs: [['path']], takes: [] },
}

/** The sources that are stated, each as a whole. `before` stands before every path. */
export function readSources(
  sources: Readonly<Record<string, Sieved<SourcePolicy> | undefined>> | undefined,
  before: string,
): Map<string, StatedSource> {
  const read = new Map<string, StatedSource>()
  for (const [name, stated] of Object.entries(sources ?? {})) {
    // What has the wrong form was left out, and is reported already: nobody uses such a policy.
    if (stated?.type === undefined) continue
    const source = { ...(stated as SourcePolicy), columns: (stated.columns ?? {}) as SourcePolicy['columns'] }
    read.set(name, { source, place: `${before}sources.${pathOf([name])}` })
  }
  return read
}

/**
 * The selectors that declared columns are: who states the key type of a column under `sources` need not state it once
 * more, and `field('table.column')` cannot come to another one than the jobs do.
 */
export function declaredSelectors(sources: ReadonlyMap<string, StatedSource>): Selector[] {
  return [...sources].flatMap(([name, { source }]) =>
    Object.entries(source.columns).flatMap(([column, { keyType, ...binding }]) => {
      if (keyType === undefined) return []
      const pattern = fieldOf(name, source, column, binding)
      const isPlain = parsePattern(pattern) !== undefined && !pattern.includes('*')
      return isPlain ? [{ pattern, keyType, source: 'document' as const }] : []
    }),
  )
}

/** What is wrong with the sources of `policy`. */
export function checkSources(policy: Policy, sources: ReadonlyMap<string, StatedSource>): Problem[] {
  return [...sources].flatMap(([name, { place, source }]) => [
    ...checkMembers(source, place),
    ...Object.entries(source.columns).flatMap(([column, binding]) =>
      checkColumn(policy, { name, source, place: `${place}.columns.${pathOf([column])}`, column, binding }),
    ),
  ])
}

function checkMembers(source: SourcePolicy, place: string): Problem[] {
  const { needs, takes } = MEMBERS[source.type]
  const has = (member: Member): boolean =>
    member === 'columns' ? Object.keys(source.columns).length > 0 : source[member] !== undefined
  const missing = needs
    .filter((members) => !members.some(has))
    .map((members) => ({
      path: place,
      what: `a source of type "${source.type}" needs ${members.map((member) => `"${member}"`).join(' or ')}`,
      about: members.map((member) => `${place}.${member}`),
    }))
  const twice = needs
    .filter((members) => members.filter(has).length > 1)
    .map(([first, second]) => ({
      path: `${place}.${second}`,
      what: `state "${first}" or "${second}", not both`,
    }))
  const known = new Set([...needs.flat(), ...takes])
  const all: Member[] = ['url', 'urlVariable', 'path', 'table', 'pattern', 'key', 'columns']
  const extra = all
    .filter((member) => has(member) && !known.has(member))
    .map((member) => ({
      path: `${place}.${member}`,
      what: `means nothing to a source of type "${source.type}"; it takes ${[...known].join(', ')}`,
      about: [`${place}.type`],
    }))
  return [...missing, ...twice, ...extra]
}

interface Stated {
  readonly name: string
  readonly source: SourcePolicy
  readonly place: string
  readonly column: string
  readonly binding: ColumnPolicy
}

function checkColumn(policy: Policy, { binding, column, name, place, source }: Stated): Problem[] {
  const { keyType } = binding
  if (keyType === undefined) {
    if (selectKeyType(policy, fieldOf(name, source, column, binding)) !== undefined) return []
    const what = 'no selector matches this field; state its keyType, or a selector for it'
    return [{ path: place, what, about: [`${place}.keyType`, 'keyTypes'] }]
  }
  const found = policy.keyTypes[keyType]
  if (found === undefined) {
    const known = Object.keys(policy.keyTypes)
    const what = `no such key type; ${didYouMean(keyType, known) || `known: ${known.join(', ')}`}`
    return [{ path: `${place}.keyType`, what, about: ['keyTypes'] }]
  }
  if (found.algorithm !== 'HMAC-SHA-256') return []
  return [
    {
      path: `${place}.keyType`,
      what: 'its keys only make search tokens: declare such a column under "indexes" of the encrypted one',
      about: [`keyTypes.${keyType}.algorithm`],
    },
  ]
}

/** 'table.column' as contexts and selectors name it. */
function fieldOf(name: string, source: SourcePolicy, column: string, binding: ColumnPolicy): string {
  const table = binding.table === null ? undefined : (binding.table ?? tableInContext(source) ?? name)
  return [table, binding.column ?? column].filter((part) => part !== undefined).join('.')
}

/** The table as contexts name it: without its schema and the quotes around an odd name. */
export function tableInContext({ table }: Pick<SourcePolicy, 'table'>): string | undefined {
  if (table === undefined) return undefined
  const last = /(?:^|\.)(?:"((?:[^"]|"")+)"|([^".]+))$/.exec(table)
  return last?.[1]?.replaceAll('""', '"') ?? last?.[2] ?? table
}
