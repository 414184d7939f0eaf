/** Following the service: wraps are renewed inside it where it can, several at once, and compared all the same. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import memoryProvider from '../../../providers/memory.ts'
import { createKeywright, type KeyProvider, type Keywright } from '../../../src/index.ts'
import type { KeyStore, WrappedKey } from '../../../src/store.ts'
import memoryStore from '../../../stores/memory.ts'
import { expectCode } from '../../kit/failures.ts'

const KEYS = 10
let store: KeyStore
let kw: Keywright
let calls: { wrap: number; unwrap: number; rewrap: number; most: number }
/** What the service gives back in place of the wrap it has renewed. */
let spoil: ((wrapped: WrappedKey) => WrappedKey) | undefined

/** A memory provider that renews wraps by itself, as Vault and AWS KMS do. */
function rewrappingProvider(): KeyProvider {
  const inner = memoryProvider()
  let now = 0
  const counted = async <T>(call: 'wrap' | 'unwrap' | 'rewrap', work: () => Promise<T>): Promise<T> => {
    calls[call]++
    calls.most = Math.max(calls.most, ++now)
    await new Promise((resolve) => setImmediate(resolve))
    return work().finally(() => now--)
  }
  return {
    ...inner,
    capabilities: { ...inner.capabilities, rewraps: true },
    wrapKey: (key, context, options) => counted('wrap', () => inner.wrapKey(key, context, options)),
    unwrapKey: (wrapped, context, options) =>
      counted('unwrap', () => inner.unwrapKey(wrapped, context, options)),
    rewrapKey: (wrapped, context, options) =>
      counted('rewrap', async () => {
        const key = await inner.unwrapKey(wrapped, context, options)
        const renewed = await inner.wrapKey(key, context, options)
        return spoil?.(renewed) ?? renewed
      }),
  }
}

beforeEach(async () => {
  spoil = undefined
  calls = { wrap: 0, unwrap: 0, rewrap: 0, most: 0 }
  store = memoryStore()
  kw = await createKeywright({
    provider: rewrappingProvider(),
    store,
    resilience: { attempts: 1, rememberFailureMs: 0 },
  })
  for (let n = 0; n < KEYS; n++) await kw.keys.create('pii', { tenant: `t${n}` })
  await kw.keys.rotateMaster('memory')
  calls = { wrap: 0, unwrap: 0, rewrap: 0, most: 0 }
})
afterEach(() => kw.close())

const versions = async (): Promise<string[]> =>
  (await kw.keys.list()).flatMap(({ wraps }) => wraps.map(({ masterKeyVersion }) => masterKeyVersion))

it('asks the service to renew, unwraps only to compare, four at once', async () => {
  expect(await kw.keys.rewrap()).toMatchObject({ keys: KEYS, rewrapped: KEYS, failed: [] })
  expect(calls).toEqual({ wrap: 0, unwrap: KEYS, rewrap: KEYS, most: 4 })
  expect(new Set(await versions())).toEqual(new Set(['2']))
})

it.each([1, 3, 8])('%i at once, if so told', async (concurrency) => {
  await kw.keys.rewrap({ concurrency })
  expect(calls.most).toBe(concurrency)
})

it('refuses a renewed wrap that does not open, and goes by unwrapping and wrapping', async () => {
  spoil = (wrapped) => ({ ...wrapped, ciphertext: wrapped.ciphertext.map((byte) => byte ^ 1) })
  expect(await kw.keys.rewrap()).toMatchObject({ rewrapped: KEYS, failed: [] })
  expect(calls.wrap).toBe(KEYS)
  expect(new Set(await versions())).toEqual(new Set(['2']))
})

it('refuses a renewed wrap of another key', async () => {
  const [, other] = (await store.list()).records
  spoil = () => other?.wraps[0] as WrappedKey
  await kw.keys.rewrap()
  for (const { id } of (await store.list()).records) {
    const { keyring } = (await store.get(id)) as { keyring: string }
    const tenant = keyring.slice('pii/'.length)
    expect(await kw.decrypt(await kw.encrypt('pii', 'x', { tenant }))).toBe('x')
  }
})

it('renews a wrap that is spoilt by the key that another wrap gives', async () => {
  const [first] = (await store.list()).records
  const [whole] = first?.wraps ?? []
  if (first === undefined || whole === undefined) throw new Error('no record')
  const spoilt = { ...whole, ciphertext: whole.ciphertext.map((byte) => byte ^ 1) }
  await store.update({ ...first, wraps: [spoilt, whole], revision: first.revision + 1 })
  expect(await kw.keys.rewrap()).toMatchObject({ rewrapped: KEYS + 1, failed: [] })
  const { wraps = [] } = (await store.get(first.id)) ?? {}
  for (const wrap of wraps) {
    const now = (await store.get(first.id)) ?? first
    await store.update({ ...now, wraps: [wrap], revision: now.revision + 1 })
    expect(await kw.jobs.drill({ only: ['memory'], keyring: first.keyring })).toMatchObject({
      outcome: 'all open',
    })
  }
})

it('changes nothing when the service is gone', async () => {
  spoil = () => {
    throw new Error('gone')
  }
  await expectCode(kw.keys.rewrap(), 'ERR_PROVIDER_FAILED')
  expect(new Set(await versions())).toEqual(new Set(['1']))
})
