import { describe, expect, it } from 'vitest'
import { DEFAULT_SELECTORS } from '../../src/policy/default-selectors.ts'
import {
  matches,
  normalizeField,
  parsePattern,
  patternsIntersect,
  sampleField,
} from '../../src/policy/patterns.ts'
import type { Policy, Selector } from '../../src/policy/policy.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import { overlappingSelectors, selectKeyType, unmatchedFieldHint } from '../../src/policy/selectors.ts'

const pattern = (text: string) => {
  const parsed = parsePattern(text)
  if (parsed === undefined) throw new Error(`${text} is no pattern`)
  return parsed
}

const withDocument = (selectors: readonly (readonly [string, string])[]): Policy => ({
  ...defaultPolicy(),
  selectors: [
    ...DEFAULT_SELECTORS,
    ...selectors.map(([text, keyType]) => ({ pattern: text, keyType, source: 'document' as const })),
  ],
})

describe('field names', () => {
  it.each([
    ['apiKey', 'api_key'],
    ['API-Key', 'api_key'],
    ['Api Key', 'api_key'],
    ['APIKey', 'api_key'],
    ['api_key', 'api_key'],
    ['API_KEY', 'api_key'],
    ['emailAddress', 'email_address'],
    ['userID', 'user_id'],
    ['IPAddress', 'ip_address'],
    ['SSN', 'ssn'],
    ['address2', 'address2'],
    ['oauth2Token', 'oauth2_token'],
    ['Users.homePhone', 'users.home_phone'],
    [' Email ', 'email'],
    ['Straße', 'straße'],
    ['TÉLÉPHONE', 'téléphone'],
    ['te\u0301le\u0301phone', 'téléphone'],
    ['日本語', '日本語'],
  ])('%s is compared as %s', (field, normalized) => expect(normalizeField(field)).toBe(normalized))
})

describe('patterns', () => {
  it.each([
    ['users.ssn', 'users.ssn', true],
    ['users.ssn', 'Users.SSN', true],
    ['users.ssn', 'ssn', false],
    ['users.ssn', 'app.users.ssn', false],
    ['*.email', 'email', true],
    ['*.email', 'a.b.c.email', true],
    ['*.email', 'email.verified', false],
    ['*.email', 'billing_email', false],
    ['*.*_email', 'billingEmail', true],
    ['*.*_email', 'users.billing_email', true],
    ['*.*_email', '_email', true],
    ['users.*', 'users.a', true],
    ['users.*', 'users.a.b', false],
    ['users.*.street', 'users.home.street', true],
    ['users.*.street', 'users.street', false],
    ['users.*.street', 'users.a.b.street', false],
    ['users.home*', 'users.homePhone', true],
    ['users.home*', 'users.home', true],
    ['*.users.email', 'users.email', true],
    ['*.users.email', 'app.users.email', true],
    ['*', 'anything.at.all', true],
    ['*.*', 'x', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'a_b_b_c', true],
    ['a*b*c', 'a_c_b', false],
    ['*.email', '*', false],
  ])('%s and %s: %s', (text, field, expected) => {
    expect(matches(pattern(text), normalizeField(field))).toBe(expected)
  })

  it.each(['', '.', 'a.', '.a', 'a..b', 'a.b/c', 'a\nb!', "a'b", `a.${'b'.repeat(300)}`])(
    '%j is none',
    (text) => {
      expect(parsePattern(text)).toBeUndefined()
    },
  )

  it.each([
    ['*.email', 'users.*', true],
    ['*.email', 'users.*_phone', false],
    ['a_*', '*_b', true],
    ['a.b', 'a.b.c', false],
    ['*.b.c', '*.c', true],
    ['*.b.c', 'b.*', true],
    ['*.b.c', 'c.*', false],
    ['*', 'a.b.c', true],
    ['x*y', 'x*z', false],
    ['*.*_email', '*.*_address', false],
    ['*.*_address', '*.email_*', true],
  ])('%s and %s have a field in common: %s', (one, other, expected) => {
    expect(patternsIntersect(pattern(one), pattern(other))).toBe(expected)
    expect(patternsIntersect(pattern(other), pattern(one))).toBe(expected)
  })

  it.each(['users.ssn', '*.email', '*.*_email', '*', 'a.*.c*'])(
    'the sample of %s is one of its fields',
    (text) => {
      expect(matches(pattern(text), sampleField(pattern(text)))).toBe(true)
    },
  )
})

describe('selectKeyType', () => {
  it.each([
    ['users.email', 'pii'],
    ['billingEmail', 'pii'],
    ['homePhone', 'pii'],
    ['shipping_address', 'pii'],
    ['customer.dateOfBirth', 'pii'],
    ['clientIp', 'pii'],
    ['person.firstName', 'pii'],
    ['salary', 'financial_data'],
    ['account.IBAN', 'financial_data'],
    ['payment.cardNumber', 'financial_data'],
    ['opening_balance', 'financial_data'],
    ['stripeApiKey', 'api_keys'],
    ['oauth.refresh_token', 'api_keys'],
    ['webhook_secret', 'api_keys'],
    ['github.clientSecret', 'api_keys'],
    ['session_data', 'session'],
  ])('without a document %s belongs to %s', (field, keyType) => {
    expect(selectKeyType(defaultPolicy(), field)?.keyType).toBe(keyType)
  })

  it.each(['name', 'file_name', 'password', 'city', 'id', 'token_count', 'cvv', 'description', ''])(
    'without a document %j belongs to none',
    (field) => expect(selectKeyType(defaultPolicy(), field)).toBeUndefined(),
  )

  it('lets the document win over a more specific default, and says where it comes from', () => {
    const policy = withDocument([['*', 'audit_logs']])
    expect(selectKeyType(policy, 'users.email')).toEqual({
      keyType: 'audit_logs',
      pattern: '*',
      source: 'document',
      reason: 'field matches the selector "*" of the policy document',
    })
    expect(selectKeyType(defaultPolicy(), 'users.email')?.reason).toContain('default selectors')
  })

  it.each([
    ['users.email', 'session'],
    ['orders.email', 'api_keys'],
    ['users.mail', 'pii'],
    ['users.phone', 'financial_data'],
  ])('prefers literal segments, then literal characters: %s', (field, keyType) => {
    const policy = withDocument([
      ['users.*', 'financial_data'],
      ['*.email', 'api_keys'],
      ['users.email', 'session'],
      ['users.*mail', 'pii'],
    ])
    expect(selectKeyType(policy, field)?.keyType).toBe(keyType)
  })

  it('answers the same however the document orders its selectors', () => {
    const one = withDocument([
      ['*.a*', 'pii'],
      ['*.*b', 'pii'],
    ])
    const other = withDocument([
      ['*.*b', 'pii'],
      ['*.a*', 'pii'],
    ])
    expect(selectKeyType(one, 'ab')).toEqual(selectKeyType(other, 'ab'))
  })

  it('remembers answers without growing for ever', () => {
    const policy = defaultPolicy()
    expect(selectKeyType(policy, 'email')).toBe(selectKeyType(policy, 'email'))
    for (let i = 0; i < 10_050; i++) selectKeyType(policy, `f${i}`)
    expect(selectKeyType(policy, 'email')?.keyType).toBe('pii')
    expect(selectKeyType(policy, 'f1')).toBeUndefined()
  })

  it('names a near field for one that matches nothing', () => {
    expect(unmatchedFieldHint(defaultPolicy(), 'users.emial')).toContain('did you mean "email"?')
    expect(unmatchedFieldHint(defaultPolicy(), 'users.zzzzzzzz')).not.toContain('did you mean')
  })
})

describe('overlappingSelectors', () => {
  const list = (...entries: [string, string, Selector['source']?][]): Selector[] =>
    entries.map(([text, keyType, source = 'document']) => ({ pattern: text, keyType, source }))

  it('finds none in the default selectors', () => expect(overlappingSelectors(DEFAULT_SELECTORS)).toEqual([]))

  it('finds two that are equally specific and meet', () => {
    const [first, second] = list(['*.email', 'pii'], ['users.*', 'session'])
    expect(overlappingSelectors(list(['*.email', 'pii'], ['users.*', 'session']))).toEqual([
      { first, second },
    ])
    expect(overlappingSelectors(list(['*.ssn', 'pii'], ['*.SSN', 'session']))).toHaveLength(1)
  })

  it.each([
    ['the same key type', list(['*.email', 'pii'], ['users.*', 'pii'])],
    ['another source', list(['*.email', 'pii', 'default'], ['users.*', 'session'])],
    ['another rank', list(['*.email', 'pii'], ['users.email', 'session'])],
    ['no field in common', list(['*.email', 'pii'], ['*.phone', 'session'])],
    ['a pattern that is none', list(['a..b', 'pii'], ['a..b', 'session'])],
  ])('passes over %s', (_, selectors) => expect(overlappingSelectors(selectors)).toEqual([]))
})
