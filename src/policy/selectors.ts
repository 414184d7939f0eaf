/** Which key type a field belongs to, by the selectors of a policy. */
import { didYouMean } from '../nearest.ts'
import {
  compareRank,
  matches,
  normalizeField,
  type Pattern,
  parsePattern,
  patternsIntersect,
} from './patterns.ts'
import type { Policy, Selector } from './policy.ts'

export interface Selection {
  readonly keyType: string
  /** The pattern as it was written. */
  readonly pattern: string
  readonly source: Selector['source']
  /** For people: which selector, from where. */
  readonly reason: string
}

interface Index {
  /** In the order in which they win. */
  readonly selectors: readonly { readonly selector: Selector; readonly pattern: Pattern }[]
  readonly known: Map<string, Selection | undefined>
}

/** Field names come from the application's code; a program that makes them up must not fill the memory. */
const REMEMBERED_FIELDS = 10_000

const indexes = new WeakMap<Policy, Index>()

/**
 * The key type of `field` ('users.email'), or `undefined` when no selector matches. Selectors of the document win over
 * default ones; then the one with more literal segments wins, then the one with more literal characters. Answers are
 * remembered per policy object, so a field costs a look-up after the first time.
 */
export function selectKeyType(policy: Policy, field: string): Selection | undefined {
  let index = indexes.get(policy)
  if (index === undefined) {
    index = { selectors: inOrder(policy.selectors), known: new Map() }
    indexes.set(policy, index)
  }
  if (index.known.has(field)) return index.known.get(field)
  const selection = select(index, field)
  if (index.known.size >= REMEMBERED_FIELDS) index.known.clear()
  index.known.set(field, selection)
  return selection
}

function inOrder(selectors: readonly Selector[]): Index['selectors'] {
  return selectors
    .flatMap((selector) => {
      const pattern = parsePattern(selector.pattern)
      return pattern === undefined ? [] : [{ selector, pattern }]
    })
    .sort(
      (a, b) =>
        Number(a.selector.source === 'default') - Number(b.selector.source === 'default') ||
        compareRank(a.pattern, b.pattern) ||
        (a.selector.pattern < b.selector.pattern ? -1 : 1),
    )
}

function select(index: Index, field: string): Selection | undefined {
  const normalized = normalizeField(field)
  const found = index.selectors.find(({ pattern }) => matches(pattern, normalized))
  if (found === undefined) return undefined
  const { keyType, pattern, source } = found.selector
  const from = source === 'document' ? 'the policy document' : 'the default selectors'
  return { keyType, pattern, source, reason: `field matches the selector "${pattern}" of ${from}` }
}

export interface Overlap {
  readonly first: Selector
  readonly second: Selector
}

/**
 * Pairs of selectors with the same source and the same rank, for different key types, that can match one field:
 * which one wins would be chance. A pattern that is none is passed over.
 */
export function overlappingSelectors(list: readonly Selector[]): Overlap[] {
  const groups = new Map<string, { selector: Selector; pattern: Pattern }[]>()
  for (const selector of list) {
    const pattern = parsePattern(selector.pattern)
    if (pattern === undefined) continue
    const key = `${selector.source} ${pattern.rank.join(' ')}`
    groups.set(key, [...(groups.get(key) ?? []), { selector, pattern }])
  }
  const overlaps: Overlap[] = []
  for (const group of groups.values()) {
    group.forEach((one, i) => {
      for (const other of group.slice(i + 1)) {
        if (one.selector.keyType === other.selector.keyType) continue
        if (!patternsIntersect(one.pattern, other.pattern)) continue
        overlaps.push({ first: one.selector, second: other.selector })
      }
    })
  }
  return overlaps
}

/** What to do about a field that no selector matches. Names a near field name, when there is one. */
export function unmatchedFieldHint(policy: Policy, field: string): string {
  const last = normalizeField(field).split('.').at(-1) ?? ''
  const names = policy.selectors.map(({ pattern }) => pattern.split('.').at(-1) ?? '')
  const near = didYouMean(
    last,
    names.filter((name) => !name.includes('*')),
  )
  const advice = 'name the key type, or add a selector for the field to the policy document'
  return near === '' ? advice : `${advice}; ${near}`
}
