/** Services that break what the harness promises of them, each in one way, and the tests that must notice it. */
import type { KeyProvider } from '../../../src/provider.ts'
import { faultyProvider, type ProviderHarness } from '../../../src/testing/index.ts'
import { gated, refusing } from './full-harness.ts'

/** A service that does not do what its member of the harness promises. */
export interface BrokenService {
  readonly what: string
  readonly members: (harness: Required<ProviderHarness>) => Partial<ProviderHarness>
  readonly caught: readonly string[]
}

const opened = async (harness: ProviderHarness): Promise<KeyProvider> => (await harness.open())[0]

export const BROKEN_SERVICES: readonly BrokenService[] = [
  {
    what: 'a disabled master key goes on serving',
    members: () => ({ disable: async () => {} }),
    caught: ['a disabled master key refuses, an enabled one serves again'],
  },
  {
    what: 'an enabled master key stays disabled',
    members: () => ({ enable: async () => {} }),
    caught: ['a disabled master key refuses, an enabled one serves again'],
  },
  {
    what: 'a deleted master key is told as disabled',
    members: ({ disable }) => ({ delete: disable }),
    caught: ['a deleted master key has its code'],
  },
  {
    what: 'a pinned provider wraps under the current version',
    members: ({ reopen }) => ({ openPinned: reopen }),
    caught: ['a pinned version wraps under it'],
  },
  {
    what: 'a wrap makes the master key that is not there',
    members: (harness) => ({
      async openUnknown() {
        let made = false
        return gated(await opened(harness), (operation) => {
          if (!made) made = operation === 'wrap'
          else return
          refusing('ERR_MASTER_KEY_NOT_FOUND')
        })
      },
    }),
    caught: ['an unknown master key has its code'],
  },
  {
    what: 'a missing permission is told as a failed unwrap',
    members: (harness) => ({
      openDenied: async () => gated(await opened(harness), () => refusing('ERR_UNWRAP_FAILED')),
    }),
    caught: ['a missing permission has its code'],
  },
  {
    what: 'a server that is not there is told as a failure',
    members: (harness) => ({
      openUnreachable: async () => gated(await opened(harness), () => refusing('ERR_PROVIDER_FAILED')),
    }),
    caught: ['an unreachable server fails with its code'],
  },
  {
    what: 'a provider waits for ever, whatever its signal says',
    members: (harness) => ({
      openHanging: async () => gated(await opened(harness), () => new Promise(() => {})),
    }),
    caught: ['a hanging server ends with the signal'],
  },
  {
    what: 'a provider tells the end of a hanging call as a failure',
    members: (harness) => ({
      async openHanging() {
        const wait = (signal: AbortSignal | undefined): Promise<void> =>
          new Promise((resolve) => signal?.addEventListener('abort', () => resolve()))
        return gated(await opened(harness), async (_, options) => {
          await wait(options?.signal)
          refusing('ERR_PROVIDER_FAILED')
        })
      },
    }),
    caught: ['a hanging server ends with the signal'],
  },
  {
    what: 'a provider tries again by itself when it is throttled',
    members: (harness) => ({ openThrottled: () => opened(harness) }),
    caught: ['throttled, then served'],
  },
  {
    what: 'a provider is throttled for ever',
    members: (harness) => ({
      openThrottled: async () =>
        faultyProvider(await opened(harness), { rules: [{ fault: 'throttled', on: ['wrap'] }] }),
    }),
    caught: ['throttled, then served'],
  },
  {
    what: 'credentials that expire are not renewed',
    members: (harness) => ({
      async openExpiring() {
        let expired = false
        const provider = gated(
          await opened(harness),
          () => expired && refusing('ERR_PROVIDER_UNAUTHENTICATED'),
        )
        const expire = async (): Promise<void> => {
          expired = true
        }
        return { provider, expire }
      },
    }),
    caught: ['credentials that expire are renewed'],
  },
]
