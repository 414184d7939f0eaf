import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import {
  loadPolicyText,
  type PolicyContext,
  parsePolicyDocument,
  policyJsonSchema,
} from '../../src/policy/document.ts'
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
    [
      { cache: { refresh: '2h' } },
      /^keyTypes\.pii\.cache\.refresh: cache\.refresh of pii is above its cache\.ttl; cache\.ttl is the default/,
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
      /^rotation_policies\.0\.rotation_interval_days: rotation\.age of own/,
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
  })

  it('stops telling at some point, and says how many there are', () => {
    const keyTypes = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`BAD${i}`, {}]))
    const error = refusal(() => parsePolicyDocument({ keyTypes }, { source: 'my.json' }))
    expect(error.message).toMatch(/^my\.json has 80 problems:/)
    expect(error.message).toMatch(/and 30 more$/)
  })
})

describe('text', () => {
  const load = (text: string) => loadPolicyText(text, 'config/encryption.json')

  it.each([
    '{}',
    '\uFEFF{}',
    ' \r\n{ "version" : 1 }\n',
    '{"keyTypes":{"pii":{"description":"\\u00e9 \\" \\n"}}}',
  ])('reads %j', (text) => expect(load(text).keyTypes['pii']).toBeDefined())

  it.each([
    ['', 'is empty'],
    [' \n\t', 'is empty'],
    ['\uFEFF', 'is empty'],
    ['{', 'line 1, column 2: the text ends too soon'],
    ['{\n  "a": s3cr3t\n}', 'line 2, column 8: expected a value'],
    ['{\r\n"a":1,\r\n}', 'line 3, column 1: expected a member name in double quotes'],
    ["{'s3cr3t':1}", 'line 1, column 2: expected a member name in double quotes'],
    ['{"a":"s3cr3t\n"}', 'line 1, column 13: a control character, or a string without its end'],
    ['{"a":"s3cr3t', 'line 1, column 13: the text ends too soon'],
    ['{"a":"\\xs3cr3t"}', 'line 1, column 7: an escape that JSON does not have'],
    ['{"a" s3cr3t}', 'line 1, column 6: expected ":"'],
    ['{"a":1 s3cr3t}', 'line 1, column 8: expected "," or "}"'],
    ['{"a":[1 s3cr3t]}', 'line 1, column 9: expected "," or "]"'],
    ['{} s3cr3t', 'line 1, column 4: text after the end of the document'],
    ['{"a":01}', 'line 1, column 7: expected "," or "}"'],
    ['{"a":1,\n"a":2}', 'line 2, column 1: the member "a" is there twice'],
    ['{"provider":"x","\\u0070rovider":"y"}', 'the member "provider" is there twice'],
    [`${'['.repeat(100_000)}`, 'nested too deeply'],
    [`"${'x'.repeat(5_000_000)}"`, 'is too long'],
    ['// s3cr3t\n{}', 'line 1, column 1: expected a value'],
  ])('refuses %.40j', (text, message) => {
    const error = refusal(() => load(text))
    expect(error.code).toBe('ERR_POLICY_INVALID')
    expect(error.message).toContain('config/encryption.json')
    expect(error.message).toContain(message)
    expect(error.hint).toBeTruthy()
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('s3cr3t')
    expect(error.cause).toBeUndefined()
  })

  it('names the file for problems of the document as well', () => {
    expect(refusal(() => load('[]')).message).toBe(
      'config/encryption.json has 1 problem:\n  expected a JSON object',
    )
  })
})

describe('the JSON schema', () => {
  const schema = policyJsonSchema()

  it('is the one that is published; otherwise run: node scripts/write-schema.ts', () => {
    const file = new URL('../../schema/encryption.schema.json', import.meta.url)
    expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(schema, null, 2)}\n`)
  })

  it('describes every member', () => {
    const without: string[] = []
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [name, member] of Object.entries((node as { properties?: object }).properties ?? {})) {
        if (typeof (member as { description?: string }).description !== 'string')
          without.push(`${path}.${name}`)
        walk(member, `${path}.${name}`)
      }
      walk((node as { additionalProperties?: unknown }).additionalProperties, `${path}.*`)
      walk((node as { items?: unknown }).items, `${path}.0`)
    }
    walk(schema, '')
    expect(without).toEqual([])
    expect(schema).toMatchObject({
      $id: expect.any(String),
      title: expect.any(String),
      additionalProperties: false,
    })
  })
})
