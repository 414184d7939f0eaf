import { describe, expect, it } from 'vitest'
import memoryProvider from '../../providers/memory.ts'
import { failureOf, runProviderConformance, wrapContext } from '../conformance/provider.ts'

runProviderConformance('memory', { open: async () => [memoryProvider(), memoryProvider()] }, [
  {
    reason: 'a memory provider keeps its master key nowhere else',
    tests: [
      'a new client opens what the former one wrapped',
      'a second client sees the rotation of the first',
      'a pinned version wraps under it',
      'an unknown master key has its code',
    ],
  },
  {
    reason: 'a master key in memory has no state: it goes with its provider',
    tests: [
      'a disabled master key refuses, an enabled one serves again',
      'a deleted master key has its code',
    ],
  },
  {
    reason: 'a memory provider has no server and nothing to start',
    tests: [
      'works after a failed start',
      'a missing permission has its code',
      'an unreachable server fails with its code',
      'a hanging server ends with the signal',
      'throttled, then served',
      'credentials that expire are renewed',
    ],
  },
])

describe('memoryProvider', () => {
  it('takes a name and an id, and warns that the key is nowhere else', async () => {
    const provider = memoryProvider({ id: 'first', name: 'test' })
    expect((await provider.wrapKey(new Uint8Array(32), wrapContext())).provider).toBe('test')
    const master = await provider.describeMasterKey()
    expect(master).toMatchObject({ id: 'memory:first', version: '1' })
    expect(master.warnings?.join()).toContain('lost')
  })

  it('two providers with the same id have different master keys', async () => {
    const [first, second] = [memoryProvider({ id: 'same' }), memoryProvider({ id: 'same' })]
    const wrapped = await first.wrapKey(new Uint8Array(32), wrapContext())
    expect(await failureOf(() => second.unwrapKey(wrapped, wrapContext()))).toMatchObject({
      code: 'ERR_UNWRAP_FAILED',
    })
  })

  it('refuses calls after it was closed', async () => {
    const provider = memoryProvider()
    await provider.close?.()
    expect(await failureOf(() => provider.describeMasterKey())).toMatchObject({ code: 'ERR_CLOSED' })
  })

  it.each([
    ['a string', 'key'],
    ['nothing', new Uint8Array()],
  ])('refuses to wrap %s', async (_, key) => {
    const call = () => memoryProvider().wrapKey(key as Uint8Array, wrapContext())
    expect(await failureOf(call)).toMatchObject({ code: 'ERR_ARGUMENT_INVALID' })
  })
})
