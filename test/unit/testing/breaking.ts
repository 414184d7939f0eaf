/** Decorators that break a provider, each in one way. */
import type { KeyProvider, WrappedKey } from '../../../src/provider.ts'
import { wrapContext } from '../../../src/testing/index.ts'
import { refusing } from './full-harness.ts'

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Keeps every array that it was given, and gives it back. */
export function keepsBuffers(provider: KeyProvider): KeyProvider {
  const kept = new Map<string, Uint8Array>()
  return {
    ...provider,
    async wrapKey(key, context, options) {
      const wrapped = await provider.wrapKey(key, context, options)
      kept.set(hex(wrapped.ciphertext), key)
      return wrapped
    },
    async unwrapKey(wrapped, context, options) {
      const opened = await provider.unwrapKey(wrapped, context, options)
      return kept.get(hex(wrapped.ciphertext)) ?? opened
    },
  }
}

export function wrapsOnce(provider: KeyProvider): KeyProvider {
  const made = new Map<string, WrappedKey>()
  return {
    ...provider,
    async wrapKey(key, context, options) {
      const { version } = await provider.describeMasterKey(options)
      const known = made.get(`${version} ${hex(key)}`)
      if (known !== undefined) return known
      const wrapped = await provider.wrapKey(key, context, options)
      made.set(`${version} ${hex(key)}`, wrapped)
      return wrapped
    },
  }
}

export function saysLatest(provider: KeyProvider): KeyProvider {
  const versions = new Map<string, string>()
  return {
    ...provider,
    async wrapKey(key, context, options) {
      const wrapped = await provider.wrapKey(key, context, options)
      versions.set(hex(wrapped.ciphertext), wrapped.masterKeyVersion)
      return { ...wrapped, masterKeyVersion: 'latest' }
    },
    async unwrapKey(wrapped, context, options) {
      const exact = versions.get(hex(wrapped.ciphertext)) ?? wrapped.masterKeyVersion
      const masterKeyVersion = wrapped.masterKeyVersion === 'latest' ? exact : wrapped.masterKeyVersion
      return provider.unwrapKey({ ...wrapped, masterKeyVersion }, context, options)
    },
  }
}

/** Adds a byte to each ciphertext and never looks at it again. */
export function ignoresLastByte(provider: KeyProvider): KeyProvider {
  const padded = (wrapped: WrappedKey): WrappedKey => ({
    ...wrapped,
    ciphertext: Buffer.concat([wrapped.ciphertext, Buffer.from([0])]),
  })
  const stripped = (wrapped: WrappedKey): WrappedKey => ({
    ...wrapped,
    ciphertext: wrapped.ciphertext.subarray(0, -1),
  })
  return {
    ...provider,
    wrapKey: async (key, context, options) => padded(await provider.wrapKey(key, context, options)),
    unwrapKey: (wrapped, context, options) => provider.unwrapKey(stripped(wrapped), context, options),
    ...(provider.rewrapKey && {
      rewrapKey: async (wrapped, context, options) => {
        const renewed = await provider.rewrapKey?.(stripped(wrapped), context, options)
        return padded(renewed ?? wrapped)
      },
    }),
  }
}

export function ignoresContext(provider: KeyProvider): KeyProvider {
  const fixed = wrapContext({ keyring: 'any' })
  return {
    ...provider,
    wrapKey: (key, _, options) => provider.wrapKey(key, fixed, options),
    unwrapKey: (wrapped, _, options) => provider.unwrapKey(wrapped, fixed, options),
    ...(provider.rewrapKey && {
      rewrapKey: async (wrapped, _, options) =>
        (await provider.rewrapKey?.(wrapped, fixed, options)) ?? wrapped,
    }),
  }
}

export function ignoresSignals(provider: KeyProvider): KeyProvider {
  const { rewrapKey, rotateMasterKey } = provider
  return {
    ...provider,
    wrapKey: (key, context) => provider.wrapKey(key, context),
    unwrapKey: (wrapped, context) => provider.unwrapKey(wrapped, context),
    describeMasterKey: () => provider.describeMasterKey(),
    ...(rotateMasterKey && { rotateMasterKey: () => rotateMasterKey() }),
    ...(rewrapKey && { rewrapKey: (wrapped, context) => rewrapKey(wrapped, context) }),
  }
}

/** Takes the label of a wrap for an ornament: opens whatever carries its own key's bytes. */
export function ignoresVersions(provider: KeyProvider): KeyProvider {
  const labels = new Map<string, string>()
  return {
    ...provider,
    async wrapKey(key, context, options) {
      const wrapped = await provider.wrapKey(key, context, options)
      labels.set(hex(wrapped.ciphertext), wrapped.masterKeyVersion)
      return wrapped
    },
    unwrapKey(wrapped, context, options) {
      const masterKeyVersion = labels.get(hex(wrapped.ciphertext)) ?? wrapped.masterKeyVersion
      return provider.unwrapKey({ ...wrapped, masterKeyVersion }, context, options)
    },
  }
}

/** Every failed unwrap tells what was wrong: an oracle. */
export function manyFaces(provider: KeyProvider): KeyProvider {
  return {
    ...provider,
    unwrapKey: (wrapped, context, options) =>
      wrapped.ciphertext.length < 20
        ? refusing('ERR_PROVIDER_FAILED')
        : provider.unwrapKey(wrapped, context, options),
  }
}
