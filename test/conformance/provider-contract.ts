/** The tests of the provider contract; `provider.ts` runs them. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { ERROR_CODES, type ErrorCode } from '../../src/errors.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { damaged, type ProviderHarness, sameBytes as same, wrapContext } from './provider-kit.ts'

/** A test of the contract. */
export type ContractTest = readonly [name: string, run: (fixture: Fixture) => Promise<void>]

/** What a test of the contract gets. */
export interface Fixture {
  readonly harness: ProviderHarness
  readonly first: KeyProvider
  readonly second: KeyProvider
  /** Closed with the test. */
  readonly keep: (provider: KeyProvider) => KeyProvider
  /** Rejects, with a code from the table and without a secret. */
  readonly refused: (provider: KeyProvider, call: () => Promise<unknown>) => Promise<ErrorCode>
}

const context = wrapContext()
const otherContext = wrapContext({ keyring: 'session', version: '1' })
const newKey = (bytes = 64): Uint8Array => Uint8Array.from(randomBytes(bytes))

const roundTrips: readonly ContractTest[] = [
  [
    'round trip of 1, 32, 64 and the most bytes',
    async ({ first }) => {
      for (const length of [1, 32, 64, Math.min(first.capabilities.maxPlaintextBytes, 4096)]) {
        const key = newKey(length)
        expect(same(await first.unwrapKey(await first.wrapKey(key, context), context), key)).toBe(true)
      }
    },
  ],
  [
    'refuses more bytes than it announces',
    async ({ first, refused }) => {
      const key = newKey(first.capabilities.maxPlaintextBytes + 1)
      await refused(first, () => first.wrapKey(key, context))
    },
  ],
  [
    'two wraps of one key differ',
    async ({ first }) => {
      const key = newKey()
      const [one, two] = [await first.wrapKey(key, context), await first.wrapKey(key, context)]
      expect(same(one.ciphertext, two.ciphertext)).toBe(false)
    },
  ],
  [
    'a wrap names provider, master key, exact version and algorithm',
    async ({ first }) => {
      const [wrapped, master] = [await first.wrapKey(newKey(), context), await first.describeMasterKey()]
      expect(wrapped).toMatchObject({ masterKeyId: master.id, provider: first.name })
      expect(master.state).toBe('enabled')
      expect(wrapped.algorithm).not.toBe('')
      if (first.capabilities.versionsMasterKey) expect(wrapped.masterKeyVersion).toBe(master.version)
      expect(wrapped.masterKeyVersion).not.toMatch(/^(latest)?$/)
    },
  ],
  [
    'does not keep or change buffers of the caller',
    async ({ first }) => {
      const key = newKey()
      const bytes = Uint8Array.from(context.bytes)
      const given = { bytes, entries: context.entries }
      const before = Uint8Array.from(key)
      const wrapped = await first.wrapKey(key, given)
      expect(same(key, before) && same(bytes, context.bytes)).toBe(true)
      key.fill(0)
      bytes.fill(0)
      const ciphertext = Uint8Array.from(wrapped.ciphertext)
      const opened = await first.unwrapKey(wrapped, context)
      expect(same(wrapped.ciphertext, ciphertext)).toBe(true)
      expect(same(opened, before)).toBe(true)
      opened.fill(0) // the caller owns it and wipes it
      expect(same(await first.unwrapKey(wrapped, context), before)).toBe(true)
    },
  ],
  [
    '200 calls at once',
    async ({ first }) => {
      const keys = Array.from({ length: 100 }, () => newKey())
      const wraps = await Promise.all(keys.map((key) => first.wrapKey(key, context)))
      const opened = await Promise.all(wraps.map((wrapped) => first.unwrapKey(wrapped, context)))
      expect(opened.every((key, index) => same(key, keys[index] ?? new Uint8Array()))).toBe(true)
    },
  ],
]

const refusals: readonly ContractTest[] = [
  [
    'another context is refused exactly when bindsContext says so',
    async ({ first, refused }) => {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const unwrap = () => first.unwrapKey(wrapped, otherContext)
      if (first.capabilities.bindsContext) expect(await refused(first, unwrap)).toBe('ERR_UNWRAP_FAILED')
      else expect(same(await unwrap(), key)).toBe(true)
    },
  ],
  [
    'a wrap of another master key is refused, also under a false label',
    async ({ first, refused, second }) => {
      const wrapped = await first.wrapKey(newKey(), context)
      await refused(second, () => second.unwrapKey(wrapped, context))
      const { algorithm: _, ciphertext: __, ...label } = await second.wrapKey(newKey(), context)
      await refused(second, () => second.unwrapKey({ ...wrapped, ...label }, context))
    },
  ],
  [
    'a damaged ciphertext is refused with one face',
    async ({ first, refused }) => {
      const variants = damaged(await first.wrapKey(newKey(), context))
      for (const [name, wrapped] of Object.entries(variants)) {
        const code = await refused(first, () => first.unwrapKey(wrapped, context))
        expect([name, code]).toEqual([name, 'ERR_UNWRAP_FAILED'])
      }
    },
  ],
  [
    'another master key id, version or algorithm is refused',
    async ({ first, refused }) => {
      const wrapped = await first.wrapKey(newKey(), context)
      const wrong = { algorithm: 'ROT-13', masterKeyId: 'not-a-master-key', masterKeyVersion: '987654321' }
      for (const member of Object.entries(wrong)) {
        const changed = { ...wrapped, ...Object.fromEntries([member]) }
        await refused(first, () => first.unwrapKey(changed, context))
      }
    },
  ],
  [
    'an aborted signal is honoured',
    async ({ first, refused }) => {
      const wrapped = await first.wrapKey(newKey(), context)
      const master = await first.describeMasterKey()
      const options = { signal: AbortSignal.abort() }
      const calls: (() => Promise<unknown>)[] = [
        () => first.wrapKey(newKey(), context, options),
        () => first.unwrapKey(wrapped, context, options),
        () => first.describeMasterKey(options),
      ]
      if (first.rotateMasterKey) calls.push(async () => first.rotateMasterKey?.(options))
      if (first.rewrapKey) calls.push(async () => first.rewrapKey?.(wrapped, context, options))
      for (const call of calls) expect(await refused(first, call)).toBe('ERR_ABORTED')
      expect((await first.describeMasterKey()).version).toBe(master.version)
    },
  ],
  [
    'anything at all gets a code',
    async ({ first }) => {
      for (const error of [
        undefined,
        null,
        'text',
        42,
        {},
        new Error('x'),
        Object.create(null),
        Symbol('x'),
      ]) {
        expect(ERROR_CODES).toHaveProperty(first.errorCode(error))
      }
    },
  ],
]

const masterKeys: readonly ContractTest[] = [
  [
    'what capabilities announce is there, and nothing else',
    async ({ first }) => {
      expect(first.rotateMasterKey !== undefined).toBe(first.capabilities.rotatesMasterKey)
      expect(first.rewrapKey !== undefined).toBe(first.capabilities.rewraps)
      expect(first.capabilities.maxPlaintextBytes).toBeGreaterThanOrEqual(64)
    },
  ],
  [
    'after a rotation old and new wraps open',
    async ({ first }) => {
      if (first.rotateMasterKey === undefined) return expect(first.capabilities.rotatesMasterKey).toBe(false)
      const key = newKey()
      const old = await first.wrapKey(key, context)
      const rotated = await first.rotateMasterKey()
      const renewed = await first.wrapKey(key, context)
      expect(rotated.version).not.toBe(old.masterKeyVersion)
      expect(renewed.masterKeyVersion).toBe(rotated.version)
      expect((await first.describeMasterKey()).version).toBe(rotated.version)
      for (const wrapped of [old, renewed])
        expect(same(await first.unwrapKey(wrapped, context), key)).toBe(true)
    },
  ],
  [
    'a wrap opens only under the version that made it',
    async ({ first, refused }) => {
      if (first.rotateMasterKey === undefined) return expect(first.capabilities.rotatesMasterKey).toBe(false)
      const old = await first.wrapKey(newKey(), context)
      const { version } = await first.rotateMasterKey()
      await refused(first, () => first.unwrapKey({ ...old, masterKeyVersion: version }, context))
    },
  ],
  [
    'rewrap moves a wrap to the current version',
    async ({ first, refused }) => {
      if (first.rewrapKey === undefined) return expect(first.capabilities.rewraps).toBe(false)
      const key = newKey()
      const old = await first.wrapKey(key, context)
      await first.rotateMasterKey?.()
      const renewed = await first.rewrapKey(old, context)
      expect(renewed.masterKeyVersion).toBe((await first.describeMasterKey()).version)
      for (const wrapped of [old, renewed])
        expect(same(await first.unwrapKey(wrapped, context), key)).toBe(true)
      const cut = { ...old, ciphertext: old.ciphertext.subarray(1) }
      await refused(first, async () => first.rewrapKey?.(cut, context))
      if (first.capabilities.bindsContext)
        await refused(first, async () => first.rewrapKey?.(old, otherContext))
    },
  ],
  [
    'a new client opens what the former one wrapped',
    async ({ first, harness, keep }) => {
      const key = newKey()
      const old = await first.wrapKey(key, context)
      await first.rotateMasterKey?.()
      const renewed = await first.wrapKey(key, context)
      await first.close?.()
      const client = keep(await (harness.reopen as NonNullable<ProviderHarness['reopen']>)())
      for (const wrapped of [old, renewed])
        expect(same(await client.unwrapKey(wrapped, context), key)).toBe(true)
    },
  ],
  [
    'a second client sees the rotation of the first',
    async ({ first, harness, keep }) => {
      const client = keep(await (harness.reopen as NonNullable<ProviderHarness['reopen']>)())
      const old = await client.wrapKey(newKey(), context)
      await first.rotateMasterKey?.()
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      expect(same(await client.unwrapKey(wrapped, context), key)).toBe(true)
      expect((await client.describeMasterKey()).version).toBe(wrapped.masterKeyVersion)
      expect((await first.unwrapKey(old, context)).length).toBe(64)
    },
  ],
  [
    'works after a failed start',
    async ({ harness, keep, refused }) => {
      const broken = await (harness.openBroken as NonNullable<ProviderHarness['openBroken']>)()
      const provider = keep(broken.provider)
      await refused(provider, () => provider.wrapKey(newKey(), context))
      await refused(provider, () => provider.describeMasterKey())
      await broken.repair()
      const key = newKey()
      expect(same(await provider.unwrapKey(await provider.wrapKey(key, context), context), key)).toBe(true)
    },
  ],
  [
    'closing twice is harmless',
    async ({ first, second }) => {
      await first.wrapKey(newKey(), context)
      for (const provider of [first, first, second, second]) await provider.close?.()
    },
  ],
]

/** The whole contract. */
export const CONTRACT: readonly ContractTest[] = [...roundTrips, ...refusals, ...masterKeys]

/** Tests that need an optional member of the harness. */
export const NEEDS: Readonly<Record<string, 'reopen' | 'openBroken'>> = {
  'a new client opens what the former one wrapped': 'reopen',
  'a second client sees the rotation of the first': 'reopen',
  'works after a failed start': 'openBroken',
}
