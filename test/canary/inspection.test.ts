/** Objects that applications hold, log and serialise: no way of looking at them shows a key. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fileProvider from '../../providers/file.ts'
import { KeyFile } from '../../providers/local/key-file.ts'
import { holdRootSecret } from '../../providers/local/root-secret.ts'
import memoryProvider from '../../providers/memory.ts'
import { noAudit } from '../../src/audit/log.ts'
import { systemClock } from '../../src/clock.ts'
import { type KeyProvider, parsePolicy } from '../../src/index.ts'
import { Keyrings } from '../../src/keys/keyrings.ts'
import { ProviderCalls } from '../../src/keys/provider-calls.ts'
import { Keywright } from '../../src/keywright.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import { openStore } from '../../stores/index.ts'
import memoryStore from '../../stores/memory.ts'
import { CanarySearch } from './canaries.ts'
import { type Lab, openLab, SECRETS, unwrappedKeys } from './lab.ts'
import { inspected } from './outputs.ts'

let lab: Lab
let search: CanarySearch
let provider: KeyProvider
const root = holdRootSecret({ kind: 'key', bytes: SECRETS.rootKey.value })
beforeAll(async () => {
  lab = await openLab()
  search = new CanarySearch([...Object.values(SECRETS), ...(await unwrappedKeys(lab))])
  provider = fileProvider({
    path: join(lab.folder, 'master.keys'),
    rootSecret: { kind: 'key', bytes: SECRETS.rootKey.value },
  })
  await provider.describeMasterKey()
})
afterAll(async () => {
  await provider.close?.()
  await lab.close()
})

/** Keyrings with every key open, as they are inside a Keywright. */
async function openKeyrings(): Promise<Keyrings> {
  const store = await openStore(`sqlite:${join(lab.folder, 'keys.db')}`)
  const calls = new ProviderCalls({ providers: [provider], timeoutMs: 10_000, now: Date.now })
  const policy = defaultPolicy({ provider: 'file' })
  const rings = new Keyrings({ store, calls, audit: noAudit, policy, clock: systemClock })
  await rings.get('pii').prepareAll()
  expect(rings.get('pii').openKeys().length).toBeGreaterThan(0)
  return rings
}

const OBJECTS: Readonly<Record<string, () => unknown>> = {
  Keywright: () => lab.keywright,
  'its parts that are public': () => [lab.keywright.keys, lab.keywright.audit, lab.keywright.policy],
  'a keyring': () => lab.keywright.keyring('pii'),
  'a field': () => lab.keywright.field('users.email').ready(),
  'a codec for records': () => lab.keywright.records({ table: 'users' }).ready(),
  'a search index': () => lab.keywright.index('users.email'),
  'what management tells of keys': async () => [
    await lab.keywright.keys.list(),
    await lab.keywright.keys.statistics(),
    await lab.keywright.check(),
    lab.keywright.counters(),
    await lab.keywright.explain({ operation: 'encrypt', keyType: 'pii' }),
  ],
  'the provider': () => provider,
  'a provider made from bytes': () => memoryProvider({}),
  'what the provider tells': () => provider.describeMasterKey(),
  'an opened key file': async () => {
    const path = join(lab.folder, 'master.keys')
    const file = new KeyFile({ path, root, create: false, production: false, checkIntervalMs: 0 })
    return [file, await file.reload()]
  },
  'the root secret as it is held': () => root,
  'the store': () => openStore(`sqlite:${join(lab.folder, 'keys.db')}`),
  'the keyrings inside': openKeyrings,
  'an open keyring inside': async () => (await openKeyrings()).get('pii'),
  'open keys inside': async () => (await openKeyrings()).get('pii').openKeys(),
  'a Keywright whose policy configures a provider with a token': async () => {
    const providers = { memory: { type: 'memory', token: SECRETS.setting.value } }
    const policy = await parsePolicy({ provider: 'memory', providers })
    return new Keywright({ provider: memoryProvider({}), store: memoryStore(), policy })
  },
}

describe('inspection shows no secret', () => {
  it.each(Object.entries(OBJECTS))('%s', async (_, make) => {
    expect(search.find(inspected(await make()))).toEqual([])
  })

  it('and would show one that somebody can reach', () => {
    const careless = { key: root.key, copy: root.key.export() }
    expect(search.find(inspected(careless)).map(({ canary }) => canary)).toContain('root key')
  })
})
