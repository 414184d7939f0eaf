import { describe, expect, it } from 'vitest'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import { DAY_MS } from '../../src/policy/duration.ts'
import type { KeyFacts } from '../../src/policy/evaluate.ts'
import { explain } from '../../src/policy/explain.ts'
import { planPolicy } from '../../src/policy/plan.ts'
import type { PlanKey } from '../../src/policy/plan-keys.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'

const BORN = Date.UTC(2026, 0, 1)
const active: KeyFacts = {
  state: 'active',
  activatesAt: BORN,
  createdAt: BORN,
  usage: { messages: 0, bytes: 0 },
}
const NOW = BORN + 100 * DAY_MS

describe('explain', () => {
  it('tells everything that decides', () => {
    const policy = parsePolicyDocument({
      performanceMode: 'security',
      provider: 'main',
      providers: { main: { type: 'vault' }, eu: { type: 'aws-kms' } },
      keyTypes: { pii: { provider: 'eu', rotation: { age: '120d', bytes: '1 GiB' }, auditAccess: true } },
    })
    const { lines, decision } = explain(
      policy,
      { operation: 'encrypt', field: 'users.email', key: active },
      NOW,
    )
    expect(decision.allowed).toBe(true)
    expect(lines).toEqual([
      'Encrypt is allowed: the key is active; by age until 2028-01-01T00:00:00Z, in 630 days.',
      'Key type: pii; field matches the selector "*.email" of the default selectors.',
      'Keyring: pii, AES-256-GCM.',
      'Provider: eu (aws-kms) wraps its keys; the policy document says so (keyTypes.pii.provider).',
      'Keys rotate by themselves. Rotation age: 120 days; the policy document says so (keyTypes.pii.rotation.age), ' +
        'or after 2,147,483,648 messages or 1 GiB.',
      'This key is due at 2026-05-01T00:00:00Z, in 20 days.',
      'Max age: 730 days by default; past it a key only decrypts.',
      'This key reaches it at 2028-01-01T00:00:00Z.',
      'A replaced key may be destroyed after 30 days at the earliest.',
      'Mode security: an unwrapped key stays in memory for 5 minutes or 100,000 operations; rotation and revocation ' +
        'reach a process within 15 seconds.',
      'When provider or store are down, it fails at once (fail closed).',
      'Every encryption and decryption is written to the audit log.',
    ])
  })

  it('tells what is due and where settings above the document come in', () => {
    const policy = defaultPolicy({ rotationIntervalDays: 50, provider: 'aws' })
    const { lines } = explain(policy, { operation: 'encrypt', keyType: 'pii', key: active }, NOW)
    expect(lines).toContain('Key type: pii; the request names it.')
    expect(lines).toContain('Provider: aws wraps its keys; a setting above the document says so (provider).')
    expect(lines).toContain('Rotation is overdue by age.')
    expect(lines.join()).toContain('50 days; a setting above the document says so (rotationIntervalDays)')
  })

  it('tells of keys that never rotate or end', () => {
    const { lines } = explain(
      defaultPolicy(),
      { operation: 'encrypt', keyType: 'blind_index', key: active },
      NOW,
    )
    expect(lines[0]).toBe('Encrypt is allowed: the key is active.')
    expect(lines).toContain('Provider: default wraps its keys; nothing names another.')
    expect(lines).toContain('Keys rotate only when somebody asks. Rotation age: never by default.')
    expect(lines).toContain('Max age: never by default; past it a key only decrypts.')
  })

  it('tells what to do about a refusal', () => {
    const { lines, decision } = explain(defaultPolicy(), { operation: 'encrypt', keyType: 'pi' }, NOW)
    expect(decision.code).toBe('ERR_KEY_TYPE_UNKNOWN')
    expect(lines).toEqual([
      'Encrypt is refused (ERR_KEY_TYPE_UNKNOWN): the policy has no key type pi; did you mean "pii"?; own key types go ' +
        'into the policy document under keyTypes.',
    ])
  })
})

describe('plan', () => {
  const keys: PlanKey[] = [
    { ...active, keyring: 'pii', wrappedBy: ['default'] },
    { ...active, keyring: 'pii/t1', wrappedBy: ['default', 'eu'] },
    {
      ...active,
      keyring: 'pii',
      state: 'deactivated',
      activatesAt: BORN - 400 * DAY_MS,
      wrappedBy: ['default'],
    },
    { ...active, keyring: 'pii', state: 'destroyed', wrappedBy: [] },
    { ...active, keyring: 'session', wrappedBy: ['default'] },
    { ...active, keyring: 'not a keyring', wrappedBy: ['default'] },
  ]

  it('is empty when nothing changes', () => {
    expect(planPolicy(defaultPolicy(), defaultPolicy(), keys, NOW)).toEqual({
      isEmpty: true,
      settings: [],
      keyTypes: [],
      fields: [],
      warnings: [],
    })
  })

  it('lists each member that changes and counts the keys it touches', () => {
    const after = parsePolicyDocument({
      keyTypes: { pii: { provider: 'eu', rotation: { age: '60d' }, maxAge: '90d', afterMaxAge: 'refuse' } },
    })
    const plan = planPolicy(defaultPolicy(), after, keys, NOW)
    expect(plan.keyTypes).toEqual([
      {
        keyType: 'pii',
        kind: 'changed',
        changes: [
          { path: 'provider', from: 'default', to: 'eu' },
          { path: 'rotation.age', from: '180 days', to: '60 days' },
          { path: 'maxAge', from: '730 days', to: '90 days' },
          { path: 'afterMaxAge', from: 'decrypt', to: 'refuse' },
        ],
        keys: 3,
        becomeDue: 2,
        noLongerDue: 0,
        stopEncrypting: 2,
        startEncrypting: 0,
        stopDecrypting: 3,
        startDecrypting: 0,
        moveProvider: 2,
      },
    ])
    expect(plan.warnings.map(({ level, subject, keys: count }) => [level, subject, count])).toEqual([
      ['error', 'pii', 3],
      ['warning', 'pii', 2],
    ])
  })

  it('tells the way back, too', () => {
    const strict = parsePolicyDocument({ keyTypes: { pii: { rotation: { age: '60d' }, maxAge: '90d' } } })
    const [pii] = planPolicy(strict, defaultPolicy(), keys, NOW).keyTypes
    expect(pii).toMatchObject({ noLongerDue: 2, startEncrypting: 2, stopEncrypting: 0, becomeDue: 0 })
  })

  it('lists fields that get another key type, key types that come and go, and other settings', () => {
    const before = parsePolicyDocument({
      keyTypes: { old: { selectors: ['legacy.*'] }, pii: { selectors: ['a.b'] } },
    })
    const after = parsePolicyDocument({
      performanceMode: 'security',
      audit: { retention: '1y' },
      keyTypes: { fresh: { selectors: ['a.b', 'users.email'] } },
    })
    const olds: PlanKey[] = [{ ...active, keyring: 'old', wrappedBy: ['default'] }]
    const plan = planPolicy(before, after, olds, NOW)
    expect(plan.fields).toEqual([
      { pattern: 'a.b', from: 'pii', to: 'fresh' },
      { pattern: 'legacy.*', from: 'old' },
      { pattern: 'users.email', from: 'pii', to: 'fresh' },
    ])
    expect(plan.settings).toEqual([
      { path: 'audit.retention', from: 'never', to: '365 days' },
      { path: 'performanceMode', from: 'balanced', to: 'security' },
    ])
    const kinds = Object.fromEntries(plan.keyTypes.map(({ keyType, kind }) => [keyType, kind]))
    expect(kinds).toMatchObject({ fresh: 'added', old: 'removed', pii: 'changed' })
    expect(Object.keys(kinds)).toEqual(Object.keys(kinds).sort())
    expect(plan.warnings).toEqual([
      { level: 'error', subject: 'old', message: expect.stringContaining('removed'), keys: 1 },
    ])
  })

  it.each([
    [{ algorithm: 'X-AES-256-GCM' }, 'warning', 'existing keys keep', 3],
    [{ tenants: 'none' }, 'error', 'keys belong to tenants', 1],
    [{ tenants: 'required' }, 'error', 'keys belong to no tenant', 2],
  ])('warns about %j', (pii, level, message, count) => {
    const { warnings } = planPolicy(defaultPolicy(), parsePolicyDocument({ keyTypes: { pii } }), keys, NOW)
    expect(warnings).toEqual([
      { level, subject: 'pii', message: expect.stringContaining(message), keys: count },
    ])
  })

  it('warns when keys would change between encrypting and making tokens', () => {
    const encrypts = parsePolicyDocument({ keyTypes: { own: {} } })
    const tokens = parsePolicyDocument({ keyTypes: { own: { algorithm: 'HMAC-SHA-256' } } })
    const own: PlanKey[] = [{ ...active, keyring: 'own', wrappedBy: ['default'] }]
    expect(planPolicy(encrypts, tokens, own, NOW).warnings).toMatchObject([
      { level: 'error', subject: 'own' },
    ])
  })

  it('warns about providers that go or change, and never shows their options', () => {
    const before = parsePolicyDocument({
      providers: { default: { type: 'vault', token: 's3cr3t-1' }, eu: { type: 'aws-kms' } },
    })
    const other = parsePolicyDocument({
      providers: { default: { type: 'vault', token: 's3cr3t-2' }, eu: { type: 'file' } },
    })
    const plan = planPolicy(before, other, keys, NOW)
    expect(plan.settings).toEqual([
      { path: 'providers.default', from: 'vault', to: 'vault with other options' },
      { path: 'providers.eu', from: 'aws-kms', to: 'file' },
    ])
    expect(plan.warnings).toMatchObject([{ level: 'warning', subject: 'eu', keys: 1 }])
    expect(JSON.stringify(plan)).not.toContain('s3cr3t')
    expect(planPolicy(before, defaultPolicy(), keys, NOW).warnings).toMatchObject([
      { level: 'error', subject: 'default', keys: 4 },
      { level: 'warning', subject: 'default', keys: 1 },
      { level: 'warning', subject: 'eu', keys: 1 },
    ])
  })

  it('does not depend on the order of keys', () => {
    const after = parsePolicyDocument({
      keyTypes: { pii: { maxAge: '99d', rotation: { age: '1d' } }, session: { provider: 'x' } },
    })
    expect(planPolicy(defaultPolicy(), after, keys.toReversed(), NOW)).toEqual(
      planPolicy(defaultPolicy(), after, keys, NOW),
    )
  })
})
