import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { type PolicyContext, parsePolicyDocument } from '../../src/policy/document.ts'

function refusal(run: () => unknown): KeywrightError {
  try {
    run()
  } catch (error) {
    if (error instanceof KeywrightError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

/** The problems of a document, one a line. */
function problemsOf(document: unknown, context: PolicyContext = {}): readonly string[] {
  const error = refusal(() => parsePolicyDocument(document, context))
  expect(error.code).toBe('ERR_POLICY_INVALID')
  expect(error.hint).toContain('correct the members named')
  const problems = error.details['problems'] as readonly string[]
  for (const problem of problems) expect(error.message).toContain(problem)
  return problems
}

describe('problems of content', () => {
  it.each([
    [
      { maxAge: '10d' },
      'keyTypes.pii.maxAge: rotation.age of pii is above its maxAge; rotation.age is the default, state both',
    ],
    [
      { rotation: { age: '3y' } },
      /^keyTypes\.pii\.rotation\.age: rotation\.age of pii is above its maxAge; maxAge is the default/,
    ],
    [
      { rotation: { age: '3d' }, maxAge: '2d' },
      'keyTypes.pii.rotation.age: rotation.age of pii is above its maxAge',
    ],
    [
      { rotation: { age: 'never' } },
      /^keyTypes\.pii\.rotation\.age: rotation\.age of pii is above its maxAge/,
    ],
    [{ maxMessages: 10 }, /^keyTypes\.pii\.maxMessages: rotation\.messages of pii is above its maxMessages/],
    [
      { maxMessages: 2 ** 33 },
      /^keyTypes\.pii\.maxMessages: pii: AES-256-GCM allows at most 4,294,967,296 messages/,
    ],
    [{ maxMessages: 'never' }, /^keyTypes\.pii\.maxMessages: pii: AES-256-GCM allows at most/],
    [
      { cache: { ttl: '1m', refresh: '2m' } },
      'keyTypes.pii.cache.refresh: cache.refresh of pii is above its cache.ttl',
    ],
    [{ algorithm: 'HMAC-SHA-256' }, /^keyTypes\.pii\.selectors: keys of pii only make search tokens/],
  ])('pii %j', (pii, problem) => {
    const [found, ...others] = problemsOf({ keyTypes: { pii } })
    expect(others).toEqual([])
    if (typeof problem === 'string') expect(found).toBe(problem)
    else expect(found).toMatch(problem)
  })

  it.each([
    [
      { keyTypes: { blind_index: { algorithm: 'AES-256-GCM' } } },
      /^keyTypes\.blind_index\.algorithm: keys of blind_index make/,
    ],
    [
      { keyTypes: { blind_index: { selectors: ['a.b'] } } },
      /^keyTypes\.blind_index\.selectors: keys of blind_index only/,
    ],
    [
      { keyTypes: { pii: { provider: 'mian' } }, providers: { main: { type: 'file' } } },
      'keyTypes.pii.provider: no such provider; did you mean "main"?',
    ],
    [
      { provider: 'zebra', providers: { main: { type: 'file' } }, keyTypes: {} },
      'provider: no such provider; known: main, default',
    ],
    [
      { defaults: { rotation: { age: '100d' } } },
      /^defaults\.rotation\.age: rotation\.age of session is above its maxAge/,
    ],
    [
      { rotation_policies: [{ key_type: 'own', rotation_interval_days: 400 }] },
      /^rotation_policies\.0\.rotation_interval_days: rotation\.age of rotation_policies\.0/,
    ],
    [
      {
        defaults: { maxMessages: 5 },
        defaultSelectors: false,
        rotation_policies: [{ key_type: 's3cr3t', rotation_interval_days: 1 }],
        keyTypes: Object.fromEntries(
          ['financial_data', 'pii', 'session', 'api_keys', 'audit_logs', 'backups'].map((name) => [
            name,
            { rotation: { messages: 5 } },
          ]),
        ),
      },
      /^defaults\.maxMessages: rotation\.messages of rotation_policies\.0 is above its maxMessages/,
    ],
    [
      { keyTypes: { pii: {} }, rotation_policies: [{ key_type: 'pii', rotation_interval_days: 1 }] },
      'rotation_policies.0.key_type: the same key type as keyTypes.pii; state it in one place',
    ],
    [
      {
        rotation_policies: [1, 2].map((rotation_interval_days) => ({
          key_type: 'pii',
          rotation_interval_days,
        })),
      },
      'rotation_policies.1.key_type: the same key type as rotation_policies.0; state it in one place',
    ],
    [
      { keyTypes: { pii: { selectors: ['*.Mail'] }, session: { selectors: ['user.*'] } } },
      'keyTypes.session.selectors: "user.*" and "*.Mail" of pii can match one field and are equally specific; make one of them more specific',
    ],
  ])('%j', (document, problem) => {
    const [found, ...others] = problemsOf(document)
    expect(others).toEqual([])
    if (typeof problem === 'string') expect(found).toBe(problem)
    else expect(found).toMatch(problem)
  })

  it('knows the providers the caller knows, and checks none when nobody knows any', () => {
    expect(
      parsePolicyDocument({ provider: 'aws' }, { knownProviders: ['aws'] }).keyTypes['pii']?.provider,
    ).toBe('aws')
    expect(parsePolicyDocument({ provider: 'anything' }).keyTypes['pii']?.provider).toBe('anything')
    expect(problemsOf({ provider: 'gcp' }, { knownProviders: ['aws'] })).toEqual([
      'provider: no such provider; known: aws, default',
    ])
    expect(problemsOf({}, { knownProviders: ['aws'], overrides: { provider: 'gcp' } })).toHaveLength(1)
  })
})

describe('all problems at once', () => {
  it('reports form and content together, sorted', () => {
    const document = {
      keyTypes: {
        pii: { maxage: '1d', rotation: { age: 'x' } },
        session: { maxAge: '10d' },
        own: { maxAge: '1d', rotation: { age: '2d' } },
      },
      performancemode: 'security',
    }
    expect(problemsOf(document)).toEqual([
      'keyTypes.own.rotation.age: rotation.age of own is above its maxAge',
      'keyTypes.pii.maxage: unknown member; did you mean "maxAge"?',
      expect.stringContaining('keyTypes.pii.rotation.age: write a whole number'),
      'keyTypes.session.maxAge: rotation.age of session is above its maxAge; rotation.age is the default, state both',
      'performancemode: unknown member; did you mean "performanceMode"?',
    ])
  })

  it('does not blame one member for what another has wrong', () => {
    expect(problemsOf({ keyTypes: { session: { maxAge: '10d', rotation: { age: 'x' } } } })).toHaveLength(1)
    expect(problemsOf({ keyTypes: { session: { maxage: '900d', rotation: { age: '800d' } } } })).toHaveLength(
      1,
    )
    const flat = { key_type: 'pii', rotation_interval_days: 800, max_key_days: 900 }
    expect(problemsOf({ rotation_policies: [flat] })).toHaveLength(1)
  })

  it('stops telling at some point, and says how many there are', () => {
    const keyTypes = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`BAD${i}`, {}]))
    const error = refusal(() => parsePolicyDocument({ keyTypes }, { source: 'my.json' }))
    expect(error.message).toMatch(/^my\.json has 80 problems:/)
    expect(error.message).toMatch(/and 30 more$/)
  })
})
