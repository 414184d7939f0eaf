import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { loadPolicyText, parsePolicyDocument } from '../../src/policy/document.ts'
import { evaluate, evaluateKey, type KeyFacts, rotationDue } from '../../src/policy/evaluate.ts'
import { explain } from '../../src/policy/explain.ts'
import { parseJsonText } from '../../src/policy/json-text.ts'
import { keyringName, parseKeyring } from '../../src/policy/keyring-name.ts'
import { matches, normalizeField, parsePattern, patternsIntersect } from '../../src/policy/patterns.ts'
import { planPolicy } from '../../src/policy/plan.ts'
import type { KeyTypePolicy, PerformanceMode, Policy } from '../../src/policy/policy.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import { selectKeyType } from '../../src/policy/selectors.ts'

const MODES: readonly PerformanceMode[] = ['security', 'balanced', 'performance']
const anyNumber = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 8.64e15),
)
const time = fc.integer({ min: 0, max: 4e12 })
const span = fc.oneof(fc.integer({ min: 1, max: 1e11 }), fc.constant(Number.POSITIVE_INFINITY))

const keyWith = (numbers: fc.Arbitrary<number>): fc.Arbitrary<KeyFacts> =>
  fc.record({
    state: fc.constantFrom('pending', 'active', 'deactivated', 'suspended', 'compromised', 'destroyed'),
    activatesAt: numbers,
    createdAt: numbers,
    usage: fc.record({ messages: numbers, bytes: numbers }),
  })

const policyWith = (numbers: fc.Arbitrary<number>): fc.Arbitrary<KeyTypePolicy> =>
  fc.record({
    description: fc.string(),
    provider: fc.string(),
    algorithm: fc.constantFrom('AES-256-GCM', 'X-AES-256-GCM', 'HMAC-SHA-256'),
    rotation: fc.record({ auto: fc.boolean(), ageMs: numbers, messages: numbers, bytes: numbers }),
    maxAgeMs: numbers,
    afterMaxAge: fc.constantFrom('decrypt', 'refuse'),
    maxMessages: numbers,
    graceMs: numbers,
    compromised: fc.constantFrom('decrypt', 'refuse'),
    cache: fc.record({ ttlMs: numbers, uses: numbers, refreshMs: numbers }),
    serveStaleMs: numbers,
    tenants: fc.constantFrom('none', 'optional', 'required'),
    auditAccess: fc.boolean(),
  })

const operation = fc.constantFrom('encrypt' as const, 'decrypt' as const)
const name = fc.oneof(fc.string(), fc.constantFrom('pii', 'session', 'constructor', '__proto__', 'toString'))
const request = fc.record(
  {
    operation,
    keyType: name,
    field: fc.oneof(name, fc.constantFrom('users.email', '*.email', '..')),
    tenant: fc.oneof(name, fc.constantFrom('t1', '../t')),
    key: keyWith(anyNumber),
  },
  { requiredKeys: ['operation'] },
)

const policyOf = (pii: KeyTypePolicy): Policy => ({ ...defaultPolicy(), keyTypes: { pii } })

describe('evaluation', () => {
  it('is total: every request gets an answer, in sentences too', () => {
    fc.assert(
      fc.property(policyWith(anyNumber), request, anyNumber, (pii, asked, now) => {
        const policy = policyOf(pii)
        const decision = evaluate(policy, asked, now)
        expect(decision.allowed).toBe(decision.code === undefined)
        expect(explain(policy, asked, now).decision).toEqual(decision)
        const keys =
          asked.key === undefined ? [] : [{ ...asked.key, keyring: asked.keyType ?? '', wrappedBy: [] }]
        expect(planPolicy(defaultPolicy(), policy, keys, now).isEmpty).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('lets a key that may encrypt decrypt as well, at least as long', () => {
    fc.assert(
      fc.property(policyWith(anyNumber), keyWith(anyNumber), anyNumber, (policy, key, now) => {
        const encrypt = evaluateKey(policy, 'encrypt', key, now)
        const decrypt = evaluateKey(policy, 'decrypt', key, now)
        fc.pre(encrypt.allowed)
        expect(decrypt.allowed).toBe(true)
        expect(decrypt.until).toBeGreaterThanOrEqual(encrypt.until)
      }),
    )
  })

  it('keeps its word: the answer holds before `until`', () => {
    fc.assert(
      fc.property(policyWith(span), operation, keyWith(time), time, time, (policy, op, key, now, later) => {
        const decision = evaluateKey(policy, op, key, now)
        const then = now + later
        fc.pre(then < decision.until)
        // The state is a matter of time too: a key that is pending is so only before its date.
        fc.pre(key.state !== 'pending' || then < key.activatesAt)
        expect(evaluateKey(policy, op, key, then).allowed).toBe(decision.allowed)
      }),
    )
  })

  it('never allows more as time goes on or as a key is used', () => {
    fc.assert(
      fc.property(policyWith(span), operation, keyWith(time), time, time, (policy, op, key, now, more) => {
        const used = { ...key, usage: { messages: key.usage.messages + more, bytes: key.usage.bytes + more } }
        fc.pre(!evaluateKey(policy, op, key, now).allowed)
        expect(evaluateKey(policy, op, key, now + more).allowed).toBe(false)
        expect(evaluateKey(policy, op, used, now).allowed).toBe(false)
      }),
    )
  })

  it('never allows more under a stricter policy', () => {
    fc.assert(
      fc.property(
        policyWith(span),
        operation,
        keyWith(time),
        time,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (policy, op, key, now, part) => {
          const stricter: KeyTypePolicy = {
            ...policy,
            maxAgeMs: Math.min(policy.maxAgeMs, 1e11) * part,
            maxMessages: Math.min(policy.maxMessages, 1e11) * part,
            afterMaxAge: 'refuse',
            compromised: 'refuse',
          }
          const strict = evaluateKey(stricter, op, key, now)
          fc.pre(strict.allowed)
          expect(evaluateKey(policy, op, key, now).allowed).toBe(true)
          expect(strict.until).toBeLessThanOrEqual(evaluateKey(policy, op, key, now).until)
        },
      ),
    )
  })

  it('never allows more in a stricter mode, and caches less', () => {
    const policies = MODES.map((performanceMode) => defaultPolicy({ performanceMode }))
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(defaultPolicy().keyTypes)),
        operation,
        keyWith(time),
        time,
        (keyType, op, key, now) => {
          const asked = { operation: op, keyType, key }
          const [strict, ...others] = policies.map((policy) => evaluate(policy, asked, now))
          for (const other of others) expect(other).toEqual(strict)
          const numbers = policies.map(({ keyTypes }) => keyTypes[keyType])
          for (const [low, high] of [numbers.slice(0, 2), numbers.slice(1)]) {
            expect(low?.cache.ttlMs).toBeLessThan(high?.cache.ttlMs ?? 0)
            expect(low?.cache.uses).toBeLessThan(high?.cache.uses ?? 0)
            expect(low?.cache.refreshMs).toBeLessThan(high?.cache.refreshMs ?? 0)
            expect(low?.serveStaleMs).toBeLessThan(high?.serveStaleMs ?? 0)
          }
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('rotation', () => {
  it('stays due as time goes on', () => {
    fc.assert(
      fc.property(policyWith(span), keyWith(time), time, time, (policy, key, now, later) => {
        const status = rotationDue(policy, key, now)
        const then = rotationDue(policy, key, now + later)
        expect(then.reasons).toEqual(expect.arrayContaining([...status.reasons]))
        expect(Number(then.due)).toBeGreaterThanOrEqual(Number(status.due))
        expect(Number(then.overdue)).toBeGreaterThanOrEqual(Number(status.overdue))
      }),
    )
  })

  it('never becomes due earlier with a longer rotation age', () => {
    fc.assert(
      fc.property(policyWith(span), keyWith(time), time, span, (policy, key, now, more) => {
        const longer = { ...policy, rotation: { ...policy.rotation, ageMs: policy.rotation.ageMs + more } }
        expect(rotationDue(longer, key, now).at).toBeGreaterThanOrEqual(rotationDue(policy, key, now).at)
        fc.pre(rotationDue(longer, key, now).due)
        expect(rotationDue(policy, key, now).due).toBe(true)
      }),
    )
  })
})

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

/** Documents that look like policies: known names, values good and bad. */
const documents = (leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => {
  const value = fc.oneof(
    leaf,
    fc.constantFrom('90d', '1y', 'never', '0s', 5, 2 ** 40, true, null, 'refuse', 'none', 'AES-256-GCM'),
  )
  const object = (names: string[], inner: fc.Arbitrary<unknown>) =>
    fc.dictionary(fc.constantFrom(...names), inner, { maxKeys: 5 })
  const rotation = fc.oneof(
    { weight: 3, arbitrary: object(['auto', 'age', 'messages', 'bytes', 'agee'], value) },
    { weight: 1, arbitrary: value },
  )
  const keyType = object(
    [
      'rotation',
      'maxAge',
      'maxMessages',
      'provider',
      'algorithm',
      'cache',
      'grace',
      'maxage',
      'tenants',
      'description',
    ],
    fc.oneof(value, rotation),
  )
  const flat = object(['key_type', 'rotation_interval_days', 'max_key_age_days', 'batch_size'], value)
  return fc.record(
    {
      provider: value,
      performanceMode: value,
      version: value,
      providers: fc.oneof(
        value,
        fc.dictionary(fc.constantFrom('a', 'b', 'BAD'), fc.oneof(value, object(['type', 'token'], value))),
      ),
      defaults: fc.oneof(value, keyType),
      keyTypes: fc.oneof(
        value,
        fc.dictionary(
          fc.constantFrom('pii', 'session', 'blind_index', 'own', 'Bad Name', 'constructor'),
          fc.oneof(value, keyType),
        ),
      ),
      audit: fc.oneof(value, object(['retention', 'x'], value)),
      rotation_policies: fc.oneof(value, fc.array(fc.oneof(value, flat), { maxLength: 4 })),
      unknown: value,
    },
    { requiredKeys: [] },
  )
}

/** Everything an error shows to anybody. */
const shown = (error: KeywrightError): string =>
  `${JSON.stringify(error)} ${error.message} ${error.stack} ${error.hint} ${JSON.stringify(error.details)} ${String(error.cause)}`

const outcome = (run: () => unknown): KeywrightError | undefined => {
  try {
    run()
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(KeywrightError)
    return error as KeywrightError
  }
}

describe('documents', () => {
  it('of any content give a policy or a KeywrightError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), documents(fc.jsonValue())), (document) => {
        const error = outcome(() => parsePolicyDocument(document))
        expect(['ERR_POLICY_INVALID', undefined]).toContain(error?.code)
      }),
      { numRuns: 500 },
    )
  })

  it.each(['canary7f3e', 'Canary-7f3e!', '../canary7f3e'])('never show a value: %s', (canary) => {
    let refused = 0
    const leaf = fc.constantFrom<unknown>(canary, [canary], { type: canary }, [[canary]], {
      rotation: { age: canary },
    })
    fc.assert(
      fc.property(
        documents(leaf),
        fc.option(fc.constant({ provider: canary }), { nil: {} }),
        (document, overrides) => {
          const error = outcome(() => parsePolicyDocument(document, { knownProviders: ['main'], overrides }))
          if (error === undefined) return
          refused++
          expect(shown(error)).not.toContain(canary)
        },
      ),
      { numRuns: 500 },
    )
    expect(refused).toBeGreaterThan(100)
  })

  it('never show the text around a mistake', () => {
    const text = JSON.stringify({
      providers: { a: { type: 'vault', token: 'canary7f3e' } },
      keyTypes: { pii: { maxAge: '9d' } },
    })
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(3), fc.string({ maxLength: 3 }), (at, remove, insert) => {
        const broken = text.slice(0, at) + insert + text.slice(at + remove)
        const error = outcome(() => loadPolicyText(broken, 'policy.json'))
        // A cut can turn the value into a member name, which may be told; nothing else may.
        if (error !== undefined && !error.message.includes('there twice'))
          expect(shown(error)).not.toContain('canary')
      }),
      { numRuns: 500 },
    )
  })
})

describe('JSON text', () => {
  const isUsable = (text: string): boolean => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }

  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 5 }),
        fc.nat(),
        fc.nat(2),
        fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0 \n1-.eEtrue'), maxLength: 2 }),
        (json, place, remove, insert) => {
          const at = place % (json.length + 1)
          const text = json.slice(0, at) + insert + json.slice(at + remove)
          const error = outcome(() => parseJsonText(text, 'x'))
          if (error === undefined) expect(parseJsonText(text, 'x')).toEqual(JSON.parse(text))
          else if (!error.message.includes('there twice')) expect(isUsable(text)).toBe(false)
        },
      ),
      { numRuns: 2000 },
    )
  })
})
