/** docs/configuration.md: its tables are those of the program, and what wins over what is as it says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configure, type OpenOptions } from '../../src/compose.ts'
import { resilienceOf } from '../../src/resilience/options.ts'
import { renderVariables } from './variables.ts'

const PATH = join(import.meta.dirname, '../../docs/configuration.md')
const MARK = /<!-- From here on written by: .* -->\n\n/
const text = readFileSync(PATH, 'utf8')

describe('docs/configuration.md', () => {
  it('has every variable of every backend, as the program has them', async () => {
    const [mark = ''] = MARK.exec(text) ?? []
    expect(mark).not.toBe('')
    const before = text.slice(0, text.indexOf(mark) + mark.length)
    await expect(before + renderVariables()).toMatchFileSnapshot(PATH)
  })

  it('has every limit of provider calls, with its default', () => {
    const rows = [...text.matchAll(/^\| `resilience\.(\w+)` \|.*\| (\d+) \|$/gm)]
    expect(Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]))).toEqual(resilienceOf())
  })
})

describe('what wins over what', () => {
  const document = {
    providers: {
      main: { type: 'vault', url: 'https://document.example', keyId: 'document', mount: 'document' },
      other: { type: 'vault', keyId: 'other' },
      key: { type: 'file', path: 'document.keys' },
    },
    provider: 'main',
    performanceMode: 'security',
    keyTypes: { session: { provider: 'other' } },
    profiles: {
      test: { performanceMode: 'performance' },
      calm: { performanceMode: 'balanced' },
    },
  }
  const decide = (environment: Record<string, string>, options: OpenOptions = {}) =>
    configure({ config: document, ...options, environment })
  const optionsOf = async (name: string, environment: Record<string, string>, options?: OpenOptions) =>
    (await decide(environment, options)).providers.find((one) => one.name === name)?.options

  it.each([
    ['nothing: the first instance of the document', {}, {}, 'main'],
    ['the environment, by instance', { ENCRYPTION_KEY_STORAGE_BACKEND: 'other' }, {}, 'other'],
    ['the environment, by backend', { ENCRYPTION_KEY_STORAGE_BACKEND: 'file' }, {}, 'key'],
    ['an option above it', { ENCRYPTION_KEY_STORAGE_BACKEND: 'file' }, { backend: 'main' }, 'main'],
  ])('the backend is selected by %s', async (_, environment, options, pii) => {
    const { policy } = await decide(environment, options)
    expect(policy.keyTypes['pii']?.provider).toBe(pii)
    expect(policy.keyTypes['session']?.provider).toBe('other')
  })

  it('options of the selected provider: environment, document, the service’s own variables, default', async () => {
    const environment = { ENCRYPTION_VAULT_URL: 'https://environment.example', VAULT_NAMESPACE: 'own' }
    const withKey = { ...environment, ENCRYPTION_KEY_ID: 'environment', VAULT_ADDR: 'https://own.example' }
    expect(await optionsOf('main', withKey)).toMatchObject({
      url: 'https://environment.example',
      keyId: 'environment',
      mount: 'document',
      namespace: 'own',
    })
  })

  it('options of the others: document, environment but for the master key, own variables, default', async () => {
    const own = { VAULT_ADDR: 'https://own.example', ENCRYPTION_KEY_ID: 'environment' }
    expect(await optionsOf('other', own)).toEqual({
      url: 'https://own.example',
      keyId: 'other',
      mount: 'transit',
    })
    const more = { ...own, ENCRYPTION_VAULT_URL: 'https://environment.example' }
    expect(await optionsOf('other', more)).toMatchObject({
      url: 'https://environment.example',
      keyId: 'other',
    })
    expect(await optionsOf('key', {}, { backend: 'key', path: 'option.keys' })).toEqual({
      path: 'option.keys',
    })
  })

  it.each([
    ['the document', {}, {}, 'security'],
    ['NODE_ENV, a profile that is there', { NODE_ENV: 'test' }, {}, 'performance'],
    ['NODE_ENV, one that is not', { NODE_ENV: 'production' }, {}, 'security'],
    ['ENCRYPTION_PROFILE above NODE_ENV', { NODE_ENV: 'test', ENCRYPTION_PROFILE: 'calm' }, {}, 'balanced'],
    ['an option above both', { ENCRYPTION_PROFILE: 'calm' }, { profile: 'test' }, 'performance'],
    [
      'the variable above a profile',
      { NODE_ENV: 'test', ENCRYPTION_PERFORMANCE_MODE: 'balanced' },
      {},
      'balanced',
    ],
    [
      'an option above the variable',
      { ENCRYPTION_PERFORMANCE_MODE: 'balanced' },
      { performanceMode: 'performance' },
      'performance',
    ],
  ] as const)('the performance mode by %s', async (_, environment, options, mode) => {
    expect((await decide(environment, options)).policy.performanceMode).toBe(mode)
  })

  it.each([
    ['beside the key file', { ENCRYPTION_KEY_STORAGE_BACKEND: 'key' }, {}, 'sqlite:keys.db'],
    ['in .keywright without one', {}, {}, 'sqlite:.keywright/keys.db'],
    ['where the environment says', { ENCRYPTION_KEY_STORE_URL: 'sqlite:./e.db' }, {}, 'sqlite:./e.db'],
    [
      'where an option says',
      { ENCRYPTION_KEY_STORE_URL: 'sqlite:./e.db' },
      { storeUrl: 'sqlite:./o.db' },
      'sqlite:./o.db',
    ],
  ])('the key store is %s', async (_, environment, options, url) => {
    expect((await decide(environment, options)).storeUrl.value).toBe(url)
  })

  it('refuses a profile that is not there, and two names of one setting that differ', async () => {
    await expect(decide({ ENCRYPTION_PROFILE: 'clam' })).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
    const twice = { ENCRYPTION_KEY_STORAGE_PATH: 'a', ENCRYPTION_KEY_PATH: 'b' }
    await expect(decide(twice, { backend: 'key' })).rejects.toMatchObject({ code: 'ERR_ENVIRONMENT_INVALID' })
  })
})
