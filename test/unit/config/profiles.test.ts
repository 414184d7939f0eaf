/** The profile of the policy document: NODE_ENV picks one that is there, ENCRYPTION_PROFILE one that must be. */
import { describe, expect, it } from 'vitest'
import { configure, type OpenOptions } from '../../../src/compose.ts'
import { expectCode } from '../../kit/failures.ts'

const DAY_MS = 86_400_000

const config = {
  provider: 'main',
  providers: { main: { type: 'file', path: 'base.keys' } },
  keyTypes: { pii: { rotation: { age: '100d' } } },
  profiles: {
    development: { providers: { main: { type: 'file', path: 'dev.keys' } } },
    production: {
      providers: { main: { type: 'vault', url: 'https://vault.example', keyId: 'app' } },
      keyTypes: { pii: { rotation: { age: '20d' } } },
      performanceMode: 'security',
    },
  },
}

async function decide(environment: Record<string, string>, options: OpenOptions = {}) {
  const { policy, production, providers } = await configure({ config, environment, ...options })
  const [main] = providers
  return {
    backend: main?.backend.name,
    options: main?.options,
    ageDays: (policy.keyTypes['pii']?.rotation.ageMs ?? 0) / DAY_MS,
    profile: policy.profile,
    production,
  }
}

describe('the profile', () => {
  it.each([
    ['nobody names', {}, {}, undefined, 'file', 100],
    ['NODE_ENV names', { NODE_ENV: 'production' }, {}, 'production', 'vault', 20],
    ['NODE_ENV names and that has less', { NODE_ENV: 'development' }, {}, 'development', 'file', 100],
    ['NODE_ENV names and that is not there', { NODE_ENV: 'staging' }, {}, undefined, 'file', 100],
    ['ENCRYPTION_PROFILE names', { ENCRYPTION_PROFILE: 'production' }, {}, 'production', 'vault', 20],
    [
      'ENCRYPTION_PROFILE names against NODE_ENV',
      { ENCRYPTION_PROFILE: 'development', NODE_ENV: 'production' },
      {},
      'development',
      'file',
      100,
    ],
    [
      'an option names against both',
      { ENCRYPTION_PROFILE: 'development', NODE_ENV: 'development' },
      { profile: 'production' },
      'production',
      'vault',
      20,
    ],
    ['an empty variable names', { ENCRYPTION_PROFILE: ' ', NODE_ENV: '' }, {}, undefined, 'file', 100],
  ] as const)('that %s', async (_, environment, options, profile, backend, ageDays) => {
    expect(await decide(environment, options)).toMatchObject({ ageDays, backend, profile })
  })

  it('does not decide what is for development only: NODE_ENV does', async () => {
    expect((await decide({ NODE_ENV: 'production', ENCRYPTION_PROFILE: 'development' })).production).toBe(
      true,
    )
    expect((await decide({ ENCRYPTION_PROFILE: 'production' })).production).toBe(false)
  })

  it('stands below the environment', async () => {
    const environment = {
      ENCRYPTION_KEY_ID: 'other',
      ENCRYPTION_ROTATION_INTERVAL_DAYS: '5',
      NODE_ENV: 'production',
    }
    expect(await decide(environment)).toMatchObject({ ageDays: 5, options: { keyId: 'other' } })
  })

  it.each([
    ['the environment', { ENCRYPTION_PROFILE: 'hunter2' }, {}],
    ['an option', {}, { profile: 'hunter2' }],
  ])('that is not there is refused where %s names it', async (_, environment, options) => {
    const error = await expectCode(decide(environment, options), 'ERR_POLICY_INVALID')
    expect(error.message).toContain('known: development, production')
  })

  it('that is nearly there is suggested', async () => {
    const error = await expectCode(decide({ ENCRYPTION_PROFILE: 'prodution' }), 'ERR_POLICY_INVALID')
    expect(error.message).toContain('did you mean "production"')
  })

  it('without a document is refused: what it was to change would not be changed', async () => {
    const environment = { ENCRYPTION_KEY_STORAGE_BACKEND: 'memory', ENCRYPTION_PROFILE: 'production' }
    const error = await expectCode(configure({ environment }), 'ERR_CONFIG_INVALID')
    expect(error.hint).toContain('ENCRYPTION_PROFILE')
    const { ENCRYPTION_PROFILE: _, ...rest } = environment
    expect((await configure({ environment: { ...rest, NODE_ENV: 'production' } })).production).toBe(true)
  })
})
