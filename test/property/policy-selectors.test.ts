import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyringName, parseKeyring } from '../../src/policy/keyring-name.ts'
import { matches, normalizeField, parsePattern, patternsIntersect } from '../../src/policy/patterns.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import { selectKeyType } from '../../src/policy/selectors.ts'

/** Letters that a pattern and a field may share, few enough for them to meet often. */
const piece = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 1, maxLength: 4 })
const globPiece = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 4 })
const glob = fc.array(globPiece, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('.'))
const path = fc.array(piece, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('.'))

describe('selectors', () => {
  /** The definition, as a regular expression. */
  const reference = (text: string): RegExp => {
    const [first, ...rest] = text.split('.')
    const literal = (segment: string) => segment.replaceAll('*', '[^.]*').replaceAll('$', '\\$')
    if (first !== '*') return new RegExp(`^${[first ?? '', ...rest].map(literal).join('\\.')}$`)
    return new RegExp(rest.length === 0 ? '^.*$' : `^(?:.*\\.)?${rest.map(literal).join('\\.')}$`)
  }

  it('match what the definition says', () => {
    fc.assert(
      fc.property(glob, path, (text, field) => {
        const pattern = parsePattern(text)
        if (pattern === undefined) throw new Error('no pattern')
        const normalized = normalizeField(field)
        expect(matches(pattern, normalized)).toBe(reference(text).test(normalized))
      }),
      { numRuns: 1000 },
    )
  })

  it('meet when some field is matched by both', () => {
    /** Patterns that match `field`: stars in place of parts of it. */
    const general = (field: string) =>
      fc
        .array(fc.constantFrom('keep', 'star', 'insert'), {
          minLength: field.length,
          maxLength: field.length,
        })
        .map((plan) =>
          [...field]
            .map((character, i) =>
              character === '.' || plan[i] === 'keep'
                ? character
                : plan[i] === 'star'
                  ? '*'
                  : `*${character}`,
            )
            .join(''),
        )
    const both = path
      .map(normalizeField)
      .chain((field) => fc.tuple(fc.constant(field), general(field), general(field)))
    fc.assert(
      fc.property(both, fc.boolean(), fc.boolean(), ([field, one, other], before, after) => {
        const [a, b] = [parsePattern(before ? `*.${one}` : one), parsePattern(after ? `*.${other}` : other)]
        if (a === undefined || b === undefined) throw new Error('no pattern')
        expect(matches(a, field) && matches(b, field)).toBe(true)
        expect([patternsIntersect(a, b), patternsIntersect(b, a)]).toEqual([true, true])
      }),
      { numRuns: 500 },
    )
  })

  it('that meet have a field in common that can be found by trying all short ones', () => {
    const words = [
      'a',
      'b',
      'aa',
      'ab',
      'ba',
      'bb',
      'aab',
      'aba',
      'abb',
      'baa',
      'bab',
      'bba',
      'aaa',
      'bbb',
      'abab',
      'baba',
      'abba',
      'baab',
      'aabb',
      'bbaa',
      'aaab',
      'abbb',
      'bbba',
      'baaa',
      'aaba',
      'babb',
      'bbab',
      'abaa',
      'aaaa',
      'bbbb',
    ]
    const one = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 2 })
    fc.assert(
      fc.property(one, one, (left, right) => {
        const [a, b] = [parsePattern(`x.${left}`), parsePattern(`x.${right}`)]
        if (a === undefined || b === undefined) throw new Error('no pattern')
        const found = words.some((word) => matches(a, `x.${word}`) && matches(b, `x.${word}`))
        expect(patternsIntersect(a, b)).toBe(found)
      }),
    )
  })

  it('find the same key type in every way to write a field', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abcdefgmrxyz'), minLength: 1, maxLength: 6 })
    const policy = defaultPolicy()
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
        const camel = words.map((text, index) => (index === 0 ? text : upper(text))).join('')
        const ways = [
          words.join('_'),
          words.join('-'),
          words.join(' '),
          words.map(upper).join(' '),
          words.join('_').toUpperCase(),
        ]
        // One letter in upper case is no word boundary: `aB` is, `ABc` can be read in two ways.
        if (words.every((text) => text.length > 1)) ways.push(camel, upper(camel))
        expect(new Set(ways.map(normalizeField))).toEqual(new Set([words.join('_')]))
        expect(new Set(ways.map((way) => selectKeyType(policy, way)?.keyType)).size).toBe(1)
      }),
    )
  })
})

describe('keyring names', () => {
  it('read back as what they were made of', () => {
    const keyType = fc.stringMatching(/^[a-z][a-z0-9_]{0,10}$/)
    const tenant = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_@-]{0,20}$/)
    fc.assert(
      fc.property(keyType, fc.option(tenant, { nil: undefined }), (type, of) => {
        expect(parseKeyring(keyringName(type, of))).toEqual(
          of === undefined ? { keyType: type } : { keyType: type, tenant: of },
        )
      }),
    )
  })
})
