import { describe, expect, it } from 'vitest'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import { DAY_MS } from '../../src/policy/duration.ts'
import { selectKeyType } from '../../src/policy/selectors.ts'
import { failureOf } from '../kit/failures.ts'

const DOCUMENT = {
  provider: 'main',
  providers: { main: { type: 'aws-kms', keyId: 'alias/app' }, second: { type: 'gcp-kms', keyId: 'app' } },
  defaults: { grace: '10d' },
  keyTypes: {
    pii: { maxAge: '100d', rotation: { age: '50d' }, selectors: ['people.*'], furtherProviders: ['second'] },
  },
  profiles: {
    development: {
      provider: 'local',
      providers: { local: { type: 'file' }, main: { type: 'file', path: 'dev.keys' } },
      defaults: { tenants: 'none' },
      keyTypes: {
        pii: { rotation: { age: '5d' }, furtherProviders: [], selectors: ['person.*'] },
        extra: {},
      },
      performanceMode: 'security',
      audit: { retention: '1d' },
    },
    test: { keyTypes: { pii: { rotation: { age: '200d' } } } },
  },
}
const parse = (name?: string, expected = false) =>
  parsePolicyDocument(DOCUMENT, name === undefined ? {} : { profile: { name, expected } })

describe('profiles of a policy document', () => {
  it('lays the chosen profile over the rest', () => {
    const { keyTypes, providers, performanceMode, profile, audit, selectors } = parse('development')
    expect({ profile, performanceMode, audit }).toEqual({
      profile: 'development',
      performanceMode: 'security',
      audit: { retentionMs: DAY_MS },
    })
    expect(keyTypes['pii']).toMatchObject({
      provider: 'local',
      furtherProviders: [],
      maxAgeMs: 100 * DAY_MS,
      rotation: { ageMs: 5 * DAY_MS },
      graceMs: 10 * DAY_MS,
      tenants: 'none',
    })
    expect(keyTypes['extra']).toMatchObject({ provider: 'local', graceMs: 10 * DAY_MS })
    // An instance is replaced whole: options of another backend would make no sense in it.
    expect(providers['main']).toEqual({ type: 'file', options: { path: 'dev.keys' } })
    expect(providers['second']).toEqual({ type: 'gcp-kms', options: { keyId: 'app' } })
    expect(selectors.filter(({ source }) => source === 'document').map(({ pattern }) => pattern)).toEqual([
      'person.*',
    ])
  })

  it('takes none of them without a choice, or when NODE_ENV names one that is not there', () => {
    for (const policy of [parse(), parse('staging', true)]) {
      expect(policy.profile).toBeUndefined()
      expect(policy.keyTypes['pii']).toMatchObject({ provider: 'main', furtherProviders: ['second'] })
      expect(selectKeyType(policy, 'people.name')?.keyType).toBe('pii')
    }
  })

  it('refuses one that is asked for by name and is not there, without repeating the name', async () => {
    const error = await failureOf(async () => parse('developmnt'))
    expect(error).toMatchObject({ code: 'ERR_POLICY_INVALID' })
    expect(String(error)).toContain('did you mean "development"')
    expect(String(error)).not.toContain('developmnt')
  })

  it('names the place of what is wrong in a profile', async () => {
    const error = await failureOf(async () => parse('test'))
    expect(String(error)).toContain('profiles.test.keyTypes.pii.rotation.age')
    const form = await failureOf(async () =>
      parsePolicyDocument({ profiles: { a: { keyTypes: { pii: { maxAg: '1d' } } } } }),
    )
    expect(String(form)).toContain('profiles.a.keyTypes.pii.maxAg')
    const nested = await failureOf(async () => parsePolicyDocument({ profiles: { a: { profiles: {} } } }))
    expect(String(nested)).toContain('profiles.a.profiles')
  })
})

describe('several providers of a key type', () => {
  const wraps = (pii: object) =>
    parsePolicyDocument({
      provider: 'a',
      providers: { a: { type: 'file' }, b: { type: 'file' } },
      keyTypes: { pii },
    })

  it('reads them in order, and "all" as the default', () => {
    expect(wraps({ furtherProviders: ['b'] }).keyTypes['pii']).toMatchObject({
      provider: 'a',
      furtherProviders: ['b'],
      minWraps: Number.POSITIVE_INFINITY,
    })
    expect(wraps({ furtherProviders: ['b'], minWraps: 1 }).keyTypes['pii']?.minWraps).toBe(1)
    expect(wraps({ minWraps: 'all' }).keyTypes['pii']?.minWraps).toBe(Number.POSITIVE_INFINITY)
  })

  it.each([
    [{ furtherProviders: ['b', 'b'] }, 'names a provider twice'],
    [{ furtherProviders: ['b'], minWraps: 3 }, 'minWraps of pii is above the number of its providers'],
    [{ minWraps: 2 }, 'minWraps of pii is above'],
    [{ minWraps: 0 }, 'keyTypes.pii.minWraps: expected a whole number above zero, or "all"'],
    [{ furtherProviders: ['c'] }, 'keyTypes.pii.furtherProviders.0: no such provider'],
    [{ furtherProviders: 'b' }, 'keyTypes.pii.furtherProviders'],
  ])('refuses %j', async (pii, told) => {
    const error = await failureOf(async () => wraps(pii))
    expect(error).toMatchObject({ code: 'ERR_POLICY_INVALID' })
    expect(String(error)).toContain(told)
  })
})
