/** The contract of a provider at work: what it wraps and opens, and what it refuses. */
import assert from 'node:assert/strict'
import { ERROR_CODES } from '../../errors.ts'
import type { ProviderCase } from './provider-fixture.ts'
import { damaged, sameBytes as same, wrapContext } from './provider-kit.ts'

const context = wrapContext()
const otherContext = wrapContext({ keyring: 'session', version: '1' })
/** The longest key that is really wrapped, where a service announces megabytes. */
const LONGEST_TRIED_BYTES = 1_048_576

export const WRAPS: readonly ProviderCase[] = [
  {
    title: 'round trip of 1, 32, 64 and the most bytes',
    async run({ first, newKey }) {
      const most = Math.min(first.capabilities.maxPlaintextBytes, LONGEST_TRIED_BYTES)
      for (const length of [1, 32, 64, most]) {
        const key = newKey(length)
        const opened = await first.unwrapKey(await first.wrapKey(key, context), context)
        assert.ok(same(opened, key), `another key of ${length} bytes came back`)
      }
    },
  },
  {
    title: 'refuses more bytes than it announces',
    async run({ first, newKey, refused }) {
      const key = newKey(first.capabilities.maxPlaintextBytes + 1)
      await refused(first, 'wrap of a key that is too long', () => first.wrapKey(key, context))
    },
  },
  {
    title: 'two wraps of one key differ',
    async run({ first, newKey }) {
      const key = newKey()
      const [one, two] = [await first.wrapKey(key, context), await first.wrapKey(key, context)]
      assert.ok(!same(one.ciphertext, two.ciphertext), 'two wraps have the same ciphertext')
    },
  },
  {
    title: 'a wrap names provider, master key, exact version and algorithm',
    async run({ first, newKey }) {
      const [wrapped, master] = [await first.wrapKey(newKey(), context), await first.describeMasterKey()]
      assert.equal(wrapped.provider, first.name)
      assert.equal(wrapped.masterKeyId, master.id)
      assert.equal(master.state, 'enabled')
      assert.notEqual(wrapped.algorithm, '')
      assert.doesNotMatch(wrapped.masterKeyVersion, /^(latest)?$/i)
      if (first.capabilities.versionsMasterKey) assert.equal(wrapped.masterKeyVersion, master.version)
    },
  },
  {
    title: 'does not keep or change buffers of the caller',
    async run({ first, newKey }) {
      const key = newKey()
      const bytes = Uint8Array.from(context.bytes)
      const before = Uint8Array.from(key)
      const wrapped = await first.wrapKey(key, { bytes, entries: context.entries })
      assert.ok(same(key, before), 'the wrap changed the key')
      assert.ok(same(bytes, context.bytes), 'the wrap changed the context')
      key.fill(0)
      bytes.fill(0)
      const ciphertext = Uint8Array.from(wrapped.ciphertext)
      const opened = await first.unwrapKey(wrapped, context)
      assert.ok(same(wrapped.ciphertext, ciphertext), 'the unwrap changed the ciphertext')
      assert.ok(same(opened, before), 'another key came back')
      opened.fill(0) // the caller owns it and wipes it
      const again = await first.unwrapKey(wrapped, context)
      assert.ok(same(again, before), 'another key came back after the first one was wiped')
    },
  },
  {
    title: '200 calls at once',
    async run({ first, newKey }) {
      const keys = Array.from({ length: 100 }, () => newKey())
      const wraps = await Promise.all(keys.map((key) => first.wrapKey(key, context)))
      const opened = await Promise.all(wraps.map((wrapped) => first.unwrapKey(wrapped, context)))
      const wrong = opened.filter((key, index) => !same(key, keys[index] ?? new Uint8Array()))
      assert.equal(wrong.length, 0, `${wrong.length} of 100 wraps opened to another key`)
    },
  },
]

export const REFUSALS: readonly ProviderCase[] = [
  {
    title: 'another context is refused exactly when bindsContext says so',
    async run({ first, newKey, refusedAs }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const unwrap = () => first.unwrapKey(wrapped, otherContext)
      if (first.capabilities.bindsContext) {
        return refusedAs(first, 'unwrap under another context', ['ERR_UNWRAP_FAILED'], unwrap)
      }
      assert.ok(same(await unwrap(), key), 'another key came back')
    },
  },
  {
    title: 'a wrap of another master key is refused, also under a false label',
    async run({ first, newKey, refused, second }) {
      const wrapped = await first.wrapKey(newKey(), context)
      await refused(second, 'unwrap by another master key', () => second.unwrapKey(wrapped, context))
      const { algorithm: _, ciphertext: __, ...label } = await second.wrapKey(newKey(), context)
      const relabelled = { ...wrapped, ...label }
      await refused(second, 'unwrap under a false label', () => second.unwrapKey(relabelled, context))
    },
  },
  {
    title: 'a damaged ciphertext is refused with one face',
    async run({ first, newKey, refusedAs }) {
      const variants = damaged(await first.wrapKey(newKey(), context))
      for (const [name, wrapped] of Object.entries(variants)) {
        const unwrap = () => first.unwrapKey(wrapped, context)
        await refusedAs(first, `unwrap of a ciphertext, ${name}`, ['ERR_UNWRAP_FAILED'], unwrap)
      }
    },
  },
  {
    title: 'another master key id, version or algorithm is refused',
    async run({ first, newKey, refused }) {
      const wrapped = await first.wrapKey(newKey(), context)
      const wrong = { algorithm: 'ROT-13', masterKeyId: 'not-a-master-key', masterKeyVersion: '987654321' }
      for (const [member, value] of Object.entries(wrong)) {
        const changed = { ...wrapped, [member]: value }
        await refused(first, `unwrap under another ${member}`, () => first.unwrapKey(changed, context))
      }
    },
  },
  {
    title: 'an aborted signal is honoured',
    async run({ first, newKey, refusedAs }) {
      const key = newKey()
      const wrapped = await first.wrapKey(key, context)
      const master = await first.describeMasterKey()
      const options = { signal: AbortSignal.abort() }
      const calls: [string, () => Promise<unknown>][] = [
        ['wrap', () => first.wrapKey(key, context, options)],
        ['unwrap', () => first.unwrapKey(wrapped, context, options)],
        ['describe', () => first.describeMasterKey(options)],
      ]
      if (first.rotateMasterKey) calls.push(['rotate', async () => first.rotateMasterKey?.(options)])
      if (first.rewrapKey) calls.push(['rewrap', async () => first.rewrapKey?.(wrapped, context, options)])
      for (const [name, call] of calls) {
        await refusedAs(first, `${name} with an aborted signal`, ['ERR_ABORTED'], call)
      }
      assert.equal((await first.describeMasterKey()).version, master.version, 'it was rotated all the same')
    },
  },
  {
    title: 'anything at all gets a code',
    async run({ first }) {
      const thrown = [undefined, null, 'text', 42, {}, new Error('x'), Object.create(null), Symbol('x')]
      for (const [place, error] of thrown.entries()) {
        const code = first.errorCode(error)
        assert.ok(Object.hasOwn(ERROR_CODES, code), `value ${place} of the list has no code of the table`)
      }
    },
  },
  {
    title: 'no error shows a key',
    async run({ first, newKey, refused, second }) {
      const key = newKey() // refused() looks for it
      const wrapped = await first.wrapKey(key, context)
      const aborted = { signal: AbortSignal.abort() }
      const wrongVersion = { ...wrapped, masterKeyVersion: '987654321' }
      await refused(second, 'unwrap by another master key', () => second.unwrapKey(wrapped, context))
      await refused(first, 'wrap with an aborted signal', () => first.wrapKey(key, context, aborted))
      await refused(first, 'unwrap under another version', () => first.unwrapKey(wrongVersion, context))
      for (const [name, bad] of Object.entries(damaged(wrapped))) {
        await refused(first, `unwrap of a ciphertext, ${name}`, () => first.unwrapKey(bad, context))
      }
    },
  },
]
