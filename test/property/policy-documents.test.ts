import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { loadPolicyText, parsePolicyDocument } from '../../src/policy/document.ts'
import { parseJsonText } from '../../src/policy/json-text.ts'

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
