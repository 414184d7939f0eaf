/** The contract of a provider over the life of its master key and of its clients. */
import assert from 'node:assert/strict'
import type { KeyProvider, WrappedKey } from '../../provider.ts'
import type { ProviderCase } from './provider-fixture.ts'
import { codeOf, sameBytes as same, wrapContext } from './provider-kit.ts'

const context = wrapContext()
const NO_ROTATION = 'the provider does not rotate its master key, and its capabilities say so'
const NO_REWRAP = 'the provider does not rewrap, and its capabilities say so'
const otherContext = wrapContext({ keyring: 'session', version: '1' })

/** Fails unless the provider opens every one of the wraps to this key. */
async function assertOpens(
  provider: KeyProvider,
  key: Uint8Array,
  wraps: Readonly<Record<string, WrappedKey>>,
): Promise<void> {
  for (const [name, wrapped] of Object.entries(wraps)) {
    assert.ok(same(await provider.unwrapKey(wrapped, context), key), `${name} opened to another key`)
  }
}

const yesOrNo = (value: boolean): string => (value ? 'yes' : 'no')

export const ROTATION: readonly ProviderCase[] = [
  {
    title: 'what capabilities announce is there, and nothing else',
    async run({ fact, first }) {
      const { bindsContext, maxPlaintextBytes, rewraps, rotatesMasterKey, versionsMasterKey } =
        first.capabilities
      assert.equal(first.rotateMasterKey !== undefined, rotatesMasterKey, 'rotateMasterKey is there')
      assert.equal(first.rewrapKey !== undefined, rewraps, 'rewrapKey is there')
      assert.ok(maxPlaintextBytes >= 64, 'it wraps fewer than the 64 bytes that core sends')
      const { algorithm, server } = await first.describeMasterKey()
      if (server?.version !== undefined) await fact('server', server.version)
      await fact('algorithm', algorithm)
      await fact('binds the context', yesOrNo(bindsContext))
      await fact('names the exact version', yesOrNo(versionsMasterKey))
      await fact('rotates the master key', yesOrNo(rotatesMasterKey))
      await fact('rewraps', yesOrNo(rewraps))
      await fact('most bytes', String(maxPlaintextBytes))
    },
  },
  {
    title: 'after a rotation old and new wraps open',
    async run({ first, newKey, skip }) {
      if (first.rotateMasterKey === undefined) return skip(NO_ROTATION)
      const key = newKey()
      const old = await first.wrapKey(key, context)
      const rotated = await first.rotateMasterKey()
      const renewed = await first.wrapKey(key, context)
      assert.notEqual(rotated.version, old.masterKeyVersion, 'the version is the same after the rotation')
      assert.equal(renewed.masterKeyVersion, rotated.version)
      assert.equal((await first.describeMasterKey()).version, rotated.version)
      await assertOpens(first, key, { 'the old wrap': old, 'the new wrap': renewed })
    },
  },
  {
    title: 'a wrap opens only under the version that made it',
    async run({ first, newKey, refused, skip }) {
      if (first.rotateMasterKey === undefined) return skip(NO_ROTATION)
      const old = await first.wrapKey(newKey(), context)
      const { version } = await first.rotateMasterKey()
      const relabelled = { ...old, masterKeyVersion: version }
      await refused(first, 'unwrap under a newer version', () => first.unwrapKey(relabelled, context))
    },
  },
  {
    title: 'rewrap moves a wrap to the current version',
    async run({ first, newKey, refused, skip }) {
      if (first.rewrapKey === undefined) return skip(NO_REWRAP)
      const key = newKey()
      const old = await first.wrapKey(key, context)
      await first.rotateMasterKey?.()
      const renewed = await first.rewrapKey(old, context)
      assert.equal(renewed.masterKeyVersion, (await first.describeMasterKey()).version)
      await assertOpens(first, key, { 'the old wrap': old, 'the renewed wrap': renewed })
      const cut = { ...old, ciphertext: old.ciphertext.subarray(1) }
      await refused(first, 'rewrap of a cut ciphertext', async () => first.rewrapKey?.(cut, context))
      if (!first.capabilities.bindsContext) return
      await refused(first, 'rewrap under another context', async () => first.rewrapKey?.(old, otherContext))
    },
  },
  {
    title: 'a pinned version wraps under it',
    needs: ['openPinned'],
    async run({ first, harness, keep, newKey }) {
      const key = newKey()
      const old = await first.wrapKey(key, context)
      await first.rotateMasterKey?.()
      const newer = await first.wrapKey(key, context)
      const pinned = keep(await harness.openPinned(old.masterKeyVersion))
      const wrapped = await pinned.wrapKey(key, context)
      assert.equal(wrapped.masterKeyVersion, old.masterKeyVersion)
      assert.equal((await pinned.describeMasterKey()).version, old.masterKeyVersion)
      assert.equal(pinned.rotateMasterKey !== undefined, pinned.capabilities.rotatesMasterKey)
      const wraps = { 'the old wrap': old, 'the newer wrap': newer, 'the pinned wrap': wrapped }
      await assertOpens(first, key, wraps)
      await assertOpens(pinned, key, wraps)
    },
  },
]

export const CLIENTS: readonly ProviderCase[] = [
  {
    title: 'a new client opens what the former one wrapped',
    needs: ['reopen'],
    async run({ first, harness, keep, newKey }) {
      const key = newKey()
      const old = await first.wrapKey(key, context)
      await first.rotateMasterKey?.()
      const renewed = await first.wrapKey(key, context)
      await first.close?.()
      const client = keep(await harness.reopen())
      await assertOpens(client, key, { 'the old wrap': old, 'the new wrap': renewed })
    },
  },
  {
    title: 'a second client sees the rotation of the first',
    needs: ['reopen'],
    async run({ first, harness, keep, newKey }) {
      const client = keep(await harness.reopen())
      const key = newKey()
      const old = await client.wrapKey(key, context)
      await first.rotateMasterKey?.()
      const wrapped = await first.wrapKey(key, context)
      await assertOpens(client, key, { 'the wrap of the first client': wrapped })
      assert.equal((await client.describeMasterKey()).version, wrapped.masterKeyVersion)
      await assertOpens(first, key, { 'the old wrap of the second client': old })
    },
  },
  {
    title: 'works after a failed start',
    needs: ['openBroken'],
    async run({ harness, keep, newKey, refused }) {
      const broken = await harness.openBroken()
      const provider = keep(broken.provider)
      const key = newKey()
      await refused(provider, 'wrap before the repair', () => provider.wrapKey(key, context))
      await refused(provider, 'describe before the repair', () => provider.describeMasterKey())
      await broken.repair()
      await assertOpens(provider, key, { 'the wrap': await provider.wrapKey(key, context) })
    },
  },
  {
    title: 'closing twice is harmless',
    async run({ first, newKey, second }) {
      await first.wrapKey(newKey(), context)
      for (const provider of [first, first, second, second]) await provider.close?.()
    },
  },
  {
    title: 'after close every call works, or every call is refused with ERR_CLOSED',
    async run({ fact, first, newKey }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      await first.close?.()
      const outcome = (call: Promise<unknown>): Promise<string> =>
        call.then(
          () => 'works',
          (error: unknown) => codeOf(first, error),
        )
      const outcomes = [
        await outcome(first.wrapKey(key, context)),
        await outcome(first.unwrapKey(wrapped, context)),
        await outcome(first.describeMasterKey()),
      ]
      assert.ok(
        ['works', 'ERR_CLOSED'].some((one) => outcomes.every((found) => found === one)),
        `wrap, unwrap and describe after close: ${outcomes.join(', ')}`,
      )
      await fact('after close', outcomes[0] === 'works' ? 'calls work' : 'ERR_CLOSED')
    },
  },
]
