/** Providers that break the contract, each in one way, and the tests that must notice it. */
import { KeywrightError } from '../../../src/errors.ts'
import type { KeyProvider } from '../../../src/provider.ts'
import { faultyProvider } from '../../../src/testing/index.ts'
import {
  hex,
  ignoresContext,
  ignoresLastByte,
  ignoresSignals,
  ignoresVersions,
  keepsBuffers,
  manyFaces,
  saysLatest,
  wrapsOnce,
} from './breaking.ts'
import { gated, refusing } from './full-harness.ts'

export interface BrokenProvider {
  readonly what: string
  readonly change: (provider: KeyProvider) => KeyProvider
  /** Titles of the tests that fail, all of them. */
  readonly caught: readonly string[]
}

function withCapabilities(
  provider: KeyProvider,
  capabilities: Partial<KeyProvider['capabilities']>,
): KeyProvider {
  return { ...provider, capabilities: { ...provider.capabilities, ...capabilities } }
}

/** Shows the key in an error, in the way that `spell` says. */
function leaking(what: string, spell: (key: Uint8Array) => unknown): BrokenProvider {
  return {
    what: `leaks the key in an error: ${what}`,
    change: (provider) => ({
      ...provider,
      async wrapKey(key, context, options) {
        if (options?.signal?.aborted !== true) return provider.wrapKey(key, context, options)
        const error = new KeywrightError('ERR_ABORTED', 'the call was aborted')
        throw Object.assign(error, { request: spell(key) })
      },
    }),
    caught: ['an aborted signal is honoured', 'no error shows a key'],
  }
}

export const BROKEN_PROVIDERS: readonly BrokenProvider[] = [
  {
    what: 'ignores the context that it says it binds',
    change: ignoresContext,
    caught: [
      'another context is refused exactly when bindsContext says so',
      'rewrap moves a wrap to the current version',
    ],
  },
  {
    what: 'binds a context that it says it does not bind',
    change: (provider) => withCapabilities(provider, { bindsContext: false }),
    caught: ['another context is refused exactly when bindsContext says so'],
  },
  {
    what: 'gives the same ciphertext twice',
    change: wrapsOnce,
    caught: [
      'two wraps of one key differ',
      'a disabled master key refuses, an enabled one serves again', // it gives the wrap of before
    ],
  },
  {
    what: "keeps the caller's buffer",
    change: keepsBuffers,
    caught: ['does not keep or change buffers of the caller'],
  },
  {
    what: 'wipes the key of the caller',
    change: (provider) => ({
      ...provider,
      async wrapKey(key, context, options) {
        const wrapped = await provider.wrapKey(key, context, options)
        key.fill(0)
        return wrapped
      },
    }),
    caught: [
      'round trip of 1, 32, 64 and the most bytes',
      'does not keep or change buffers of the caller',
      '200 calls at once',
      'after a rotation old and new wraps open',
      'rewrap moves a wrap to the current version',
      'a pinned version wraps under it',
      'a new client opens what the former one wrapped',
      'a second client sees the rotation of the first',
      'works after a failed start',
      'a disabled master key refuses, an enabled one serves again',
    ],
  },
  {
    what: 'labels a wrap "latest"',
    change: saysLatest,
    caught: [
      'a wrap names provider, master key, exact version and algorithm',
      'a damaged ciphertext is refused with one face',
      'after a rotation old and new wraps open',
      'rewrap moves a wrap to the current version',
      'a pinned version wraps under it',
      'a new client opens what the former one wrapped',
      'a second client sees the rotation of the first',
    ],
  },
  {
    what: 'accepts a damaged ciphertext',
    change: ignoresLastByte,
    caught: ['a damaged ciphertext is refused with one face', 'no error shows a key'],
  },
  {
    what: 'tells by the code what is wrong with a wrap',
    change: manyFaces,
    caught: ['a damaged ciphertext is refused with one face'],
  },
  {
    what: 'opens a wrap under any version',
    change: ignoresVersions,
    caught: [
      'another master key id, version or algorithm is refused',
      'no error shows a key',
      'a wrap opens only under the version that made it',
    ],
  },
  leaking('as hex', hex),
  leaking('as base64 within a text', (key) => `body=${Buffer.from(key).toString('base64url')}`),
  leaking('as bytes', (key) => ({ body: Buffer.from(key) })),
  leaking('as numbers in an object that refers to itself', (key) => {
    const request: Record<string, unknown> = { body: [...key] }
    return Object.assign(request, { request })
  }),
  {
    what: 'ignores an abort',
    change: ignoresSignals,
    caught: ['an aborted signal is honoured', 'no error shows a key'],
  },
  {
    what: 'rotates and says that it does not',
    change: (provider) => withCapabilities(provider, { rotatesMasterKey: false }),
    caught: ['what capabilities announce is there, and nothing else'],
  },
  {
    what: 'announces a rewrap that is not there',
    change: ({ rewrapKey: _, ...provider }) => provider,
    caught: ['what capabilities announce is there, and nothing else'],
  },
  {
    what: 'announces fewer bytes than it takes',
    change: (provider) => withCapabilities(provider, { maxPlaintextBytes: 100 }),
    caught: ['refuses more bytes than it announces'],
  },
  {
    what: 'announces more bytes than it takes',
    change: (provider) => withCapabilities(provider, { maxPlaintextBytes: 1_000_000 }),
    caught: ['round trip of 1, 32, 64 and the most bytes'],
  },
  {
    what: 'has no code for an error that it does not know',
    change: (provider) => ({
      ...provider,
      errorCode: (error) => provider.errorCode(error === null ? (error as never)['code'] : error),
    }),
    caught: ['anything at all gets a code'],
  },
  {
    what: 'serves half of the calls after it was closed',
    change: (provider) => {
      let closed = false
      const gate = gated(provider, (operation) => {
        if (closed && operation !== 'unwrap') throw new KeywrightError('ERR_CLOSED', 'the provider is closed')
      })
      const close = async (): Promise<void> => {
        closed = true
      }
      return { ...gate, close }
    },
    caught: ['after close every call works, or every call is refused with ERR_CLOSED'],
  },
  {
    what: 'cannot be closed twice',
    change: (provider) => {
      let closed = 0
      return { ...provider, close: async () => void (++closed > 1 && refusing('ERR_PROVIDER_FAILED')) }
    },
    caught: [
      'a new client opens what the former one wrapped',
      'closing twice is harmless',
      'after close every call works, or every call is refused with ERR_CLOSED',
    ],
  },
  {
    what: 'says the version of before a rotation',
    change: (provider) => faultyProvider(provider, { rules: [{ fault: 'stale-version', on: ['wrap'] }] }),
    caught: [
      'after a rotation old and new wraps open',
      'a pinned version wraps under it',
      'a new client opens what the former one wrapped',
    ],
  },
]
