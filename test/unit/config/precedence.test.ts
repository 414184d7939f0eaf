/**
 * One table of precedence, for every variable of every backend: an option, ENCRYPTION_*, the policy document, the
 * service's own variable, the default.
 */
import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../../../providers/index.ts'
import { configure, type OpenOptions } from '../../../src/compose.ts'
import { mergeOptions } from '../../../src/config/configuration.ts'
import type { ProviderVariable } from '../../../src/provider.ts'
import { expectCode } from '../../kit/failures.ts'

/** Where a value of one option may come from, the strongest first. */
interface Layer {
  readonly source: 'environment' | 'policy document' | 'default'
  readonly from?: string
  readonly value: string
}

const inEnvironment = (name: string): Layer => ({ source: 'environment', from: name, value: `of ${name}` })
const DOCUMENT: Layer = { source: 'policy document', value: 'of the document' }

function layersOf(row: ProviderVariable, isSelected: boolean): Layer[] {
  const own = row.variables.map(inEnvironment)
  const others = own.filter(({ from = '' }) => !from.startsWith('ENCRYPTION_KEY_'))
  const standard = (row.standard ?? []).map(inEnvironment)
  const fallback: Layer[] = row.default === undefined ? [] : [{ source: 'default', value: row.default }]
  return [...(isSelected ? [...own, DOCUMENT] : [DOCUMENT, ...others]), ...standard, ...fallback]
}

const rows = Object.values(BACKENDS).flatMap((backend) =>
  backend.variables.map((row) => ({ backend: backend.name, option: row.option, row })),
)

describe('the options of a provider', () => {
  it('has rows to test', () => {
    expect(rows.length).toBeGreaterThan(70)
    expect(rows.filter(({ row }) => row.standard !== undefined).length).toBeGreaterThan(8)
  })

  it.each(rows)('$backend: $option comes from the strongest layer that has it', ({ row }) => {
    for (const isSelected of [true, false]) {
      const layers = layersOf(row, isSelected)
      for (const [at, winner] of layers.entries()) {
        const present = layers.slice(at)
        const environment = Object.fromEntries(
          present.flatMap(({ from, value }) => (from === undefined ? [] : [[from, value]])),
        )
        const stated = present.includes(DOCUMENT) ? { [row.option]: DOCUMENT.value } : {}
        const { options, sources } = mergeOptions(stated, [row], environment, isSelected)
        expect(options).toEqual({ [row.option]: winner.value })
        expect(sources[row.option]).toEqual(winner)
      }
    }
  })

  it.each(rows)('$backend: $option is not set by an empty variable', ({ row }) => {
    const names = [...row.variables, ...(row.standard ?? [])]
    for (const empty of ['', '  ']) {
      const environment = Object.fromEntries(names.map((name) => [name, empty]))
      expect(mergeOptions({}, [row], environment, true).options).toEqual(
        row.default === undefined ? {} : { [row.option]: row.default },
      )
    }
  })

  it('other than in the table stay as the document has them', () => {
    const stated = { anything: [1, { deep: true }] }
    expect(mergeOptions(stated, [], { ENCRYPTION_ANYTHING: 'x' }, true).options).toEqual(stated)
  })
})

const twoVaults = {
  provider: 'main',
  providers: {
    main: { type: 'vault', url: 'https://one.example', keyId: 'one' },
    other: { type: 'vault', url: 'https://two.example' },
    local: { type: 'file' },
  },
}

async function planned(environment: Record<string, string>, options: OpenOptions = {}) {
  const { providers } = await configure({ config: twoVaults, environment, ...options })
  return Object.fromEntries(providers.map((one) => [one.name, one.options]))
}

describe('several instances', () => {
  it('ENCRYPTION_KEY_ID and the path of the key file reach the selected one only', async () => {
    const environment = {
      ENCRYPTION_KEY_ID: 'from-environment',
      ENCRYPTION_KEY_STORAGE_PATH: 'environment.keys',
      ENCRYPTION_KEY_VERSION: '3',
    }
    expect(await planned(environment)).toEqual({
      main: { url: 'https://one.example', keyId: 'from-environment', keyVersion: '3', mount: 'transit' },
      other: { url: 'https://two.example', mount: 'transit' },
      local: { path: '.keywright/master.keys' },
    })
    expect(await planned({ ...environment, ENCRYPTION_KEY_STORAGE_BACKEND: 'other' })).toMatchObject({
      main: { keyId: 'one' },
      other: { keyId: 'from-environment', keyVersion: '3' },
    })
    expect(await planned({ ...environment, ENCRYPTION_KEY_STORAGE_BACKEND: 'file' })).toMatchObject({
      main: { keyId: 'one' },
      local: { path: 'environment.keys', masterKeyId: 'from-environment', pinnedVersion: '3' },
    })
  })

  it('what is no name of a key fills up all of them, below the document', async () => {
    const environment = { ENCRYPTION_VAULT_TOKEN: 't', ENCRYPTION_VAULT_URL: 'https://env.example' }
    const { main, other } = await planned(environment)
    expect(main).toMatchObject({ url: 'https://env.example', token: 't' })
    expect(other).toMatchObject({ url: 'https://two.example', token: 't' })
  })

  it('a variable of the service does not move a provider that the document has placed', async () => {
    const { main, other } = await planned({ VAULT_ADDR: 'https://shell.example', VAULT_NAMESPACE: 'team' })
    expect(main).toMatchObject({ url: 'https://one.example', namespace: 'team' })
    expect(other).toMatchObject({ url: 'https://two.example', namespace: 'team' })
  })

  it('an option names the key file of the selected one', async () => {
    const environment = { ENCRYPTION_KEY_STORAGE_PATH: 'environment.keys' }
    const options = { backend: 'local', path: 'option.keys' }
    expect((await planned(environment, options))['local']).toEqual({ path: 'option.keys' })
  })
})

describe('standard variables alone are enough', () => {
  it.each([
    ['vault', { VAULT_ADDR: 'https://vault.example' }, { url: 'https://vault.example' }],
    ['aws_kms', { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'us-east-1' }, { region: 'eu-west-1' }],
    ['aws_kms', { AWS_DEFAULT_REGION: 'us-east-1' }, { region: 'us-east-1' }],
    [
      'azure_kv',
      { AZURE_KEY_VAULT_URL: 'https://a.vault.azure.net' },
      { vaultUrl: 'https://a.vault.azure.net' },
    ],
    ['gcp_kms', { GOOGLE_CLOUD_PROJECT: 'my-project' }, { projectId: 'my-project' }],
    ['redis', { REDIS_URL: 'redis://cache.example' }, { url: 'redis://cache.example' }],
  ])('%s: %j', async (backend, variables, options) => {
    const { providers } = await configure({
      config: {},
      environment: { ...variables, ENCRYPTION_KEY_STORAGE_BACKEND: backend },
    })
    expect(providers).toHaveLength(1)
    expect(providers[0]?.options).toMatchObject(options)
  })
})

describe('refusals', () => {
  it('two names of one setting that differ, by name and not by value', async () => {
    const environment = {
      ENCRYPTION_KEY_STORAGE_BACKEND: 'file',
      ENCRYPTION_KEY_STORAGE_PATH: 'hunter2-one.keys',
      ENCRYPTION_KEY_PATH: 'hunter2-two.keys',
    }
    const error = await expectCode(configure({ config: {}, environment }), 'ERR_ENVIRONMENT_INVALID')
    expect(error.message).toContain('ENCRYPTION_KEY_STORAGE_PATH and ENCRYPTION_KEY_PATH differ')
    const same = { ...environment, ENCRYPTION_KEY_PATH: 'hunter2-one.keys' }
    expect((await configure({ config: {}, environment: same })).providers[0]?.options).toEqual({
      path: 'hunter2-one.keys',
    })
  })

  it.each([
    ['ERR_BACKEND_UNKNOWN', 'vualt', 'did you mean "vault"'],
    ['ERR_BACKEND_UNKNOWN', 'hunter2', 'known: file'],
  ] as const)('%s for the backend %s, without repeating it', async (code, backend, hint) => {
    const environment = { ENCRYPTION_KEY_STORAGE_BACKEND: backend }
    const error = await expectCode(configure({ config: {}, environment }), code)
    expect(error.hint).toContain(hint)
  })

  it('no backend at all', async () => {
    const error = await expectCode(configure({ config: {}, environment: {} }), 'ERR_BACKEND_MISSING')
    expect(error.hint).toContain('ENCRYPTION_KEY_STORAGE_BACKEND')
  })
})
