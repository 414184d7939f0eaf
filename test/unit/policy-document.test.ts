import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { type PolicyContext, parsePolicyDocument } from '../../src/policy/document.ts'
import { DAY_MS } from '../../src/policy/duration.ts'
import { selectKeyType } from '../../src/policy/selectors.ts'

const NEVER = Number.POSITIVE_INFINITY

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

const full = {
  $schema: './encryption.schema.json',
  version: 1,
  provider: 'main',
  performanceMode: 'performance',
  providers: {
    main: { type: 'aws-kms', keyId: 'alias/main', nested: { list: [1, { a: null }] } },
    'second-one': { type: 'file' },
  },
  defaults: { grace: '10d', tenants: 'required' },
  keyTypes: {
    pii: {
      description: 'people',
      provider: 'second-one',
      furtherProviders: ['main'],
      minWraps: 2,
      algorithm: 'X-AES-256-GCM',
      rotation: { auto: false, age: '10d', messages: 1000, bytes: '1 GiB' },
      maxAge: '20d',
      afterMaxAge: 'refuse',
      maxMessages: 2000,
      grace: 'never',
      compromised: 'refuse',
      cache: { ttl: '1m', uses: 5, refresh: '30s' },
      serveStale: '0s',
      tenants: 'none',
      selectors: ['people.*', '*.nickname'],
      auditAccess: true,
    },
    invoices: { rotation: { age: '30d', messages: 4_000_000_000, bytes: 'never' }, maxMessages: 2 ** 32 },
    tokens: { algorithm: 'HMAC-SHA-256', rotation: { messages: 'never' }, maxMessages: 'never' },
  },
  defaultSelectors: false,
  audit: { retention: '7y' },
  rotation_policies: [
    {
      key_type: 'session',
      rotation_interval_days: 7,
      max_key_age_days: 14,
      grace_period_days: 0,
      auto_rotation: false,
      batch_size: 500,
    },
  ],
}

describe('a document', () => {
  it('may state everything', () => {
    const policy = parsePolicyDocument(full)
    expect(policy.keyTypes['pii']).toEqual({
      description: 'people',
      provider: 'second-one',
      furtherProviders: ['main'],
      minWraps: 2,
      algorithm: 'X-AES-256-GCM',
      rotation: { auto: false, ageMs: 10 * DAY_MS, messages: 1000, bytes: 2 ** 30 },
      maxAgeMs: 20 * DAY_MS,
      afterMaxAge: 'refuse',
      maxMessages: 2000,
      graceMs: NEVER,
      compromised: 'refuse',
      cache: { ttlMs: 60_000, uses: 5, refreshMs: 30_000 },
      serveStaleMs: 0,
      tenants: 'none',
      auditAccess: true,
    })
    expect(policy.keyTypes['session']).toMatchObject({
      provider: 'main',
      rotation: { auto: false, ageMs: 7 * DAY_MS },
      maxAgeMs: 14 * DAY_MS,
      graceMs: 0,
      tenants: 'required',
    })
    expect(policy.providers['main']).toEqual({
      type: 'aws-kms',
      options: { keyId: 'alias/main', nested: { list: [1, { a: null }] } },
    })
    expect([policy.performanceMode, policy.audit.retentionMs]).toEqual(['performance', 2555 * DAY_MS])
    expect(selectKeyType(policy, 'a.nickname')?.source).toBe('document')
    expect(selectKeyType(policy, 'email')).toBeUndefined()
  })

  it('may state nothing', () => expect(Object.keys(parsePolicyDocument({}).keyTypes)).toContain('pii'))

  it('is copied: what the caller changes later changes nothing', () => {
    const document = structuredClone({ providers: { a: { type: 'file', list: [1] } } })
    const policy = parsePolicyDocument(document)
    document.providers.a.list.push(2)
    expect(policy.providers['a']?.options).toEqual({ list: [1] })
  })

  it('may call a key type like a member of Object', () => {
    expect(
      parsePolicyDocument({ keyTypes: { constructor: { maxAge: '200d' } } }).keyTypes['constructor'],
    ).toMatchObject({
      maxAgeMs: 200 * DAY_MS,
    })
  })
})

describe('problems of form', () => {
  it.each([
    [null, 'expected a JSON object'],
    [[], 'expected a JSON object'],
    ['text', 'expected a JSON object'],
    [undefined, 'expected a JSON object'],
    [{ version: 2 }, 'version: expected one of 1'],
    [{ keyType: {} }, 'keyType: unknown member; did you mean "keyTypes"?'],
    [
      { keyTypes: { pii: { max_age: '1d' } } },
      'keyTypes.pii.max_age: unknown member; did you mean "maxAge"?',
    ],
    [
      { keyTypes: { pii: { cache: { zebra: 1 } } } },
      'keyTypes.pii.cache.zebra: unknown member; known: ttl, uses, refresh',
    ],
    [
      { defaults: { provider: 'a' } },
      'defaults.provider: unknown member; "provider" belongs at the top of the document',
    ],
    [{ audit: { retension: '1d' } }, 'audit.retension: unknown member; did you mean "retention"?'],
    [{ performanceMode: 'fast' }, 'performanceMode: expected one of "security", "balanced", "performance"'],
    [{ keyTypes: { pii: 7 } }, 'keyTypes.pii: expected an object'],
    [{ keyTypes: { pii: { rotation: { auto: 'yes' } } } }, 'keyTypes.pii.rotation.auto: expected a boolean'],
    [
      { keyTypes: { pii: { selectors: ['a..b'] } } },
      /^keyTypes\.pii\.selectors\.0: expected names joined by dots/,
    ],
    [
      { keyTypes: { pii: { rotation: { messages: 0 } } } },
      /rotation\.messages: expected a whole number above zero, or "never"/,
    ],
    [{ keyTypes: { pii: { rotation: { messages: 1.5 } } } }, /rotation\.messages: expected a whole number/],
    [
      { keyTypes: { pii: { rotation: { bytes: '0 GiB' } } } },
      /rotation\.bytes: write a whole number of bytes/,
    ],
    [
      { keyTypes: { pii: { rotation: { bytes: '999999999999999TiB' } } } },
      /rotation\.bytes: write a whole number/,
    ],
    [{ keyTypes: { PII: {} } }, /^keyTypes\.PII: a key type name is a-z/],
    [{ keyTypes: { '../x': {} } }, /^keyTypes\."\.\.\/x": a key type name is a-z/],
    [{ providers: { a_b: { type: 'file' } } }, /^providers\.a_b: a provider name is a-z/],
    [{ providers: { a: {} } }, /^providers\.a\.type: expected the name of a backend/],
    [{ providers: { a: { type: '../x' } } }, /^providers\.a\.type: expected the name of a backend/],
    [{ provider: '../x' }, /^provider: a provider name is/],
    [
      { rotation_policies: [{ key_type: 'pii' }] },
      /^rotation_policies\.0\.rotation_interval_days: expected a number of days/,
    ],
    [
      { rotation_policies: [{ key_type: 'pii', rotation_interval_days: -1 }] },
      /rotation_interval_days: expected a number/,
    ],
    [{ rotation_policies: [7] }, 'rotation_policies.0: expected an object'],
    [{ rotation_policies: {} }, 'rotation_policies: expected an array'],
    [JSON.parse('{"keyTypes":{"__proto__":{"maxAge":"1d"}}}'), 'keyTypes.__proto__: unknown member'],
    [
      JSON.parse('{"providers":{"a":{"type":"file","__proto__":{}}}}'),
      'providers.a.__proto__: unknown member',
    ],
  ])('%j', (document, problem) => {
    const [found, ...others] = problemsOf(document)
    expect(others).toEqual([])
    if (typeof problem === 'string') expect(found).toBe(problem)
    else expect(found).toMatch(problem)
  })

  it.each([
    ['rotation.age', { rotation: { age: '0d' } }],
    ['rotation.age', { rotation: { age: 90 } }],
    ['rotation.age', { rotation: { age: '-1d' } }],
    ['maxAge', { maxAge: '90' }],
    ['maxAge', { maxAge: '2000y' }],
    ['grace', { grace: 'soon' }],
    ['serveStale', { serveStale: 'never' }],
    ['cache.ttl', { cache: { ttl: 'never' } }],
    ['cache.refresh', { cache: { refresh: '0s' } }],
  ])('a duration that is none: %s %j', (path, keyType) => {
    const problems = problemsOf({ keyTypes: { pii: keyType } })
    expect(problems).toEqual([
      expect.stringMatching(`^keyTypes\\.pii\\.${path}: write a whole number and a unit`),
    ])
  })

  it('refuses nesting without end', () => {
    const inner: Record<string, unknown> = { type: 'file' }
    inner['inner'] = inner
    expect(problemsOf({ providers: { a: inner } })).toEqual(['providers.a.inner.inner: nested too deeply'])
  })
})
