import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import { PRESETS } from '../../src/policy/defaults.ts'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import { DAY_MS } from '../../src/policy/duration.ts'
import { originOf, toKeyTypePolicy, toMembers } from '../../src/policy/members.ts'
import type { PerformanceMode } from '../../src/policy/policy.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'

const NEVER = Number.POSITIVE_INFINITY
const MODES: PerformanceMode[] = ['security', 'balanced', 'performance']

describe('the default policy', () => {
  const policy = defaultPolicy()

  it.each([
    ['financial_data', 90, 365],
    ['pii', 180, 730],
    ['session', 30, 90],
    ['api_keys', 90, 365],
    ['audit_logs', 365, 1825],
    ['backups', 365, 1825],
  ])('%s rotates after %d days and stops after %d', (name, age, maxAge) => {
    const { description, ...keyType } = policy.keyTypes[name] ?? { description: '' }
    expect(description).not.toBe('')
    expect(keyType).toEqual({
      provider: 'default',
      furtherProviders: [],
      minWraps: Number.POSITIVE_INFINITY,
      algorithm: 'AES-256-GCM',
      rotation: { auto: true, ageMs: age * DAY_MS, messages: 2 ** 31, bytes: NEVER },
      maxAgeMs: maxAge * DAY_MS,
      afterMaxAge: 'decrypt',
      maxMessages: 2 ** 32,
      graceMs: 30 * DAY_MS,
      compromised: 'decrypt',
      cache: { ttlMs: 3_600_000, uses: 2 ** 24, refreshMs: 60_000 },
      serveStaleMs: 900_000,
      tenants: 'optional',
      auditAccess: false,
    })
  })

  it('never rotates index keys by itself', () => {
    expect(policy.keyTypes['blind_index']).toMatchObject({
      algorithm: 'HMAC-SHA-256',
      rotation: { auto: false, ageMs: NEVER, messages: NEVER, bytes: NEVER },
      maxAgeMs: NEVER,
      maxMessages: NEVER,
      tenants: 'optional',
    })
  })

  it('has nothing else', () => {
    expect(Object.keys(policy.keyTypes)).toHaveLength(7)
    expect(policy.keyTypes['constructor']).toBeUndefined()
    expect([policy.performanceMode, policy.audit.retentionMs, policy.providers]).toEqual([
      'balanced',
      NEVER,
      {},
    ])
  })

  it('cannot be changed', () => {
    expect(() => Object.assign(policy.keyTypes['pii'] ?? {}, { maxAgeMs: 1 })).toThrow(TypeError)
    expect(() => Object.assign(policy.keyTypes, { other: {} })).toThrow(TypeError)
  })

  it('keeps everything in the flat form and back', () => {
    for (const keyType of Object.values(policy.keyTypes)) {
      expect(toKeyTypePolicy(toMembers(keyType))).toEqual(keyType)
    }
  })
})

describe('performance modes', () => {
  it.each(MODES)('%s sets caches and staleness, and nothing else', (mode) => {
    const { cache, serveStaleMs, ...rest } = defaultPolicy({ performanceMode: mode }).keyTypes['pii'] ?? {}
    expect(cache).toEqual({
      ttlMs: PRESETS[mode]['cache.ttl'],
      uses: PRESETS[mode]['cache.uses'],
      refreshMs: PRESETS[mode]['cache.refresh'],
    })
    expect(serveStaleMs).toBe(PRESETS[mode].serveStale)
    const { cache: _, serveStaleMs: __, ...balanced } = defaultPolicy().keyTypes['pii'] ?? {}
    expect(rest).toEqual(balanced)
  })

  it.each(MODES)('%s leaves alone what the document states', (performanceMode) => {
    const document = {
      performanceMode: 'balanced',
      defaults: { cache: { uses: 7 } },
      keyTypes: { pii: { cache: { refresh: '7s' }, serveStale: '7m' } },
    }
    const { keyTypes } = parsePolicyDocument(document, { overrides: { performanceMode } })
    expect(keyTypes['pii']).toMatchObject({
      cache: { uses: 7, refreshMs: 7000, ttlMs: PRESETS[performanceMode]['cache.ttl'] },
      serveStaleMs: 420_000,
    })
    expect(keyTypes['session']?.cache).toMatchObject({
      uses: 7,
      refreshMs: PRESETS[performanceMode]['cache.refresh'],
    })
  })

  it.each(MODES)('%s refreshes no more seldom than a stated ttl', (performanceMode) => {
    const document = { performanceMode, keyTypes: { pii: { cache: { ttl: '2s' } } } }
    expect(parsePolicyDocument(document).keyTypes['pii']?.cache).toMatchObject({
      ttlMs: 2000,
      refreshMs: 2000,
    })
  })

  it.each(MODES)('%s has no say in whether a document is right', (performanceMode) => {
    const document = { keyTypes: { pii: { cache: { refresh: '2h' } }, session: { cache: { ttl: '1s' } } } }
    const { pii, session } = parsePolicyDocument(document, { overrides: { performanceMode } }).keyTypes
    expect([pii?.cache.refreshMs, session?.cache.ttlMs]).toEqual([7_200_000, 1000])
  })
})

describe('layers', () => {
  const document = {
    provider: 'doc-wide',
    performanceMode: 'security',
    defaults: { maxAge: '800d', rotation: { age: '200d' }, grace: '9d' },
    keyTypes: { pii: { rotation: { age: '100d', auto: false }, provider: 'own' }, invoices: {} },
  }

  it('lies default < preset < defaults < key type', () => {
    const { keyTypes } = parsePolicyDocument(document)
    expect(keyTypes['pii']).toMatchObject({
      provider: 'own',
      rotation: { ageMs: 100 * DAY_MS, auto: false },
      maxAgeMs: 800 * DAY_MS,
      graceMs: 9 * DAY_MS,
      serveStaleMs: 0,
    })
    expect(keyTypes['session']).toMatchObject({
      provider: 'doc-wide',
      rotation: { ageMs: 200 * DAY_MS, auto: true },
    })
  })

  it('makes a key type that only the document knows from the general defaults', () => {
    expect(parsePolicyDocument({ keyTypes: { invoices: {} } }).keyTypes['invoices']).toMatchObject({
      rotation: { ageMs: 90 * DAY_MS, auto: true, messages: 2 ** 31 },
      maxAgeMs: 365 * DAY_MS,
      provider: 'default',
    })
  })

  it('does not let what is said for all key types end the life of index keys', () => {
    const all = {
      ...document.defaults,
      algorithm: 'X-AES-256-GCM',
      maxMessages: 2 ** 40,
      afterMaxAge: 'refuse',
    }
    const overrides = { autoRotation: true, rotationIntervalDays: 10 }
    const { keyTypes } = parsePolicyDocument({ defaults: all }, { overrides })
    expect(keyTypes['blind_index']).toMatchObject({
      algorithm: 'HMAC-SHA-256',
      rotation: { auto: false, ageMs: NEVER },
      maxAgeMs: NEVER,
      maxMessages: NEVER,
      afterMaxAge: 'decrypt',
      graceMs: 9 * DAY_MS,
    })
    expect(keyTypes['pii']).toMatchObject({ algorithm: 'X-AES-256-GCM', maxMessages: 2 ** 40 })
  })

  it('has limits that fit the algorithm', () => {
    const { keyTypes } = parsePolicyDocument({ keyTypes: { pii: { algorithm: 'X-AES-256-GCM' } } })
    expect([keyTypes['pii']?.maxMessages, keyTypes['pii']?.rotation.messages]).toEqual([2 ** 48, 2 ** 40])
  })

  it('knows where a value comes from', () => {
    const { pii, session } = parsePolicyDocument(document, {
      overrides: { rotationIntervalDays: 50 },
    }).keyTypes
    if (pii === undefined || session === undefined) throw new Error('missing key type')
    expect(originOf(pii, 'rotation.age')).toEqual({ from: 'override', path: 'rotationIntervalDays' })
    expect(originOf(pii, 'rotation.auto')).toEqual({ from: 'document', path: 'keyTypes.pii.rotation.auto' })
    expect(originOf(pii, 'grace')).toEqual({ from: 'document', path: 'defaults.grace' })
    expect(originOf(session, 'provider')).toEqual({ from: 'document', path: 'provider' })
    expect(originOf(session, 'serveStale')).toEqual({ from: 'preset' })
    expect(originOf(session, 'tenants')).toEqual({ from: 'default' })
    expect(originOf({ ...pii }, 'tenants')).toBeUndefined()
  })
})

describe('overrides', () => {
  it('win over the document', () => {
    const document = {
      provider: 'a',
      keyTypes: { pii: { rotation: { age: '5d', auto: true } }, session: { provider: 'b' } },
    }
    const overrides = { autoRotation: false, rotationIntervalDays: 7, provider: 'c' }
    const { keyTypes } = parsePolicyDocument(document, { overrides })
    expect(keyTypes['pii']).toMatchObject({ provider: 'c', rotation: { auto: false, ageMs: 7 * DAY_MS } })
    expect(keyTypes['session']?.provider).toBe('b')
  })

  it.each([
    [{ rotationIntervalDays: 100 }, /rotationIntervalDays: rotation\.age of session is above its maxAge/],
    [{ rotationIntervalDays: 0 }, /rotationIntervalDays: expected a number of days above zero/],
    [{ rotationIntervalDays: Number.NaN }, /rotationIntervalDays/],
    [{ rotationIntervalDays: NEVER }, /rotationIntervalDays/],
    [{ performanceMode: 'fast' as PerformanceMode }, /performanceMode: expected one of security, balanced/],
    [{ provider: '../s3cr3t' }, /provider: a provider name is/],
  ])('%j is refused', (overrides, message) => {
    const refused = (): unknown => defaultPolicy(overrides)
    expect(refused).toThrow(KeywrightError)
    expect(refused).toThrow(message)
    expect(refused).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INVALID', hint: expect.any(String) }))
    expect(refused).not.toThrow(/s3cr3t|fast/)
  })
})
