/** Which provider instance is the selected one: it gets the environment's options, and key types that name none. */
import { expect, it } from 'vitest'
import { configure } from '../../src/compose.ts'

const providers = {
  main: { type: 'vault', keyId: 'main', url: 'https://main.example.org' },
  second: { type: 'vault', keyId: 'second', url: 'https://second.example.org' },
}
const decide = async (document: object, environment: Record<string, string> = {}, backend?: string) => {
  const options = backend === undefined ? {} : { backend }
  const {
    policy,
    providers: planned,
    selected,
  } = await configure({
    config: document,
    environment: {
      ENCRYPTION_VAULT_MOUNT: 'of-environment',
      ENCRYPTION_KEY_ID: 'of-environment',
      ...environment,
    },
    storeUrl: 'memory:',
    ...options,
  })
  const overridden = planned.filter(({ options: { keyId } }) => keyId === 'of-environment')
  return { selected, pii: policy.keyTypes['pii']?.provider, overridden: overridden.map(({ name }) => name) }
}

it.each([
  ['the first instance', { providers }, {}, undefined, 'main'],
  ['the one that the document names', { provider: 'second', providers }, {}, undefined, 'second'],
  [
    'the first of the backend that the environment names',
    { providers },
    { backend: 'vault' },
    undefined,
    'main',
  ],
  ['the instance that the environment names', { providers }, { backend: 'second' }, undefined, 'second'],
  ['the one that an option names', { provider: 'second', providers }, { backend: 'second' }, 'main', 'main'],
])('is %s', async (_, document, { backend }: { backend?: string }, option, expected) => {
  const environment = backend === undefined ? {} : { ENCRYPTION_KEY_STORAGE_BACKEND: backend }
  const found = await decide(document, environment, option)
  expect(found).toEqual({ selected: expected, pii: expected, overridden: [expected] })
})

it('leaves a key type alone that names its own', async () => {
  const document = { providers, keyTypes: { pii: { provider: 'second' } } }
  expect(await decide(document)).toMatchObject({ selected: 'main', pii: 'second' })
})

it('takes a token of the shell only where no other login is set', async () => {
  const tokenWith = async (options: object): Promise<unknown> => {
    const { providers: planned } = await configure({
      config: { providers: { vault: { ...providers.main, ...options } } },
      environment: { VAULT_TOKEN: 'of-the-shell' },
      storeUrl: 'memory:',
    })
    return planned[0]?.options['token']
  }
  expect(await tokenWith({})).toBe('of-the-shell')
  for (const login of [{ tokenFile: '/t' }, { roleId: 'r', secretId: 's' }, { jwtFile: '/j', role: 'r' }])
    expect(await tokenWith(login)).toBeUndefined()
  expect(await tokenWith({ token: 'stated', roleId: 'r' })).toBe('stated')
})
