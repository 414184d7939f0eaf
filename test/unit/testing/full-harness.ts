/** A harness with every optional member: a service in memory that has versions, states, permissions and faults. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { localProvider, type MasterKey } from '../../../providers/local/local-provider.ts'
import { KeywrightError, type ProviderErrorCode } from '../../../src/errors.ts'
import type { CallOptions, KeyProvider, ProviderOperation } from '../../../src/provider.ts'
import { type FaultRule, faultyProvider, type ProviderHarness } from '../../../src/testing/index.ts'

/** What happens before each call: it may throw or wait. */
export type Gate = (operation: ProviderOperation, options?: CallOptions) => unknown

/** `provider` with something before each call. */
export function gated(provider: KeyProvider, gate: Gate): KeyProvider {
  const { rewrapKey, rotateMasterKey } = provider
  return {
    ...provider,
    async wrapKey(key, context, options) {
      await gate('wrap', options)
      return provider.wrapKey(key, context, options)
    },
    async unwrapKey(wrapped, context, options) {
      await gate('unwrap', options)
      return provider.unwrapKey(wrapped, context, options)
    },
    async describeMasterKey(options) {
      await gate('describe', options)
      return provider.describeMasterKey(options)
    },
    ...(rotateMasterKey && {
      async rotateMasterKey(options) {
        await gate('rotate', options)
        return rotateMasterKey(options)
      },
    }),
    ...(rewrapKey && {
      async rewrapKey(wrapped, context, options) {
        await gate('rewrap', options)
        return rewrapKey(wrapped, context, options)
      },
    }),
  }
}

/** Refuses with a code of the table. */
export const refusing = (code: ProviderErrorCode): never => {
  throw new KeywrightError(code, 'refused by the service')
}

/** A master key in the service. It is gone without versions. */
class ServedKey {
  readonly id = `served:${randomBytes(8).toString('hex')}`
  readonly versions: MasterKey[] = []
  state: 'enabled' | 'disabled' | 'deleted' = 'enabled'

  add(): this {
    const version = String(this.versions.length + 1)
    this.versions.push({ createdAt: 0, id: this.id, key: createSecretKey(randomBytes(32)), version })
    return this
  }

  find(id: string, version: string | undefined): MasterKey {
    const found = this.versions.find((known) => known.id === id && known.version === version)
    return found ?? refusing('ERR_MASTER_KEY_NOT_FOUND')
  }
}

/** A client of the service, for one master key. */
function clientOf(key: ServedKey, pinned?: string): KeyProvider {
  const provider = localProvider('served', {
    current: async () => key.find(key.id, pinned ?? key.versions.at(-1)?.version),
    find: async (id, version) => key.find(id, version),
    ...(pinned === undefined ? { rotate: async () => void key.add() } : {}),
    warnings: () => [],
    close: () => {},
  })
  const served = gated(provider, (operation) => {
    if (key.state === 'deleted') refusing('ERR_MASTER_KEY_DELETED')
    if (key.state === 'disabled' && operation !== 'describe') refusing('ERR_MASTER_KEY_DISABLED')
  })
  return {
    ...served,
    async describeMasterKey(options) {
      const described = await served.describeMasterKey(options)
      return key.state === 'disabled' ? { ...described, state: 'disabled' } : described
    },
  }
}

const another = (): KeyProvider => clientOf(new ServedKey().add())
const faulty = (fault: FaultRule): KeyProvider => faultyProvider(another(), { rules: [fault] })

/** Every member, none of them skipped. `change` breaks the clients of the master key that `open` makes. */
export function fullHarness(
  change: (provider: KeyProvider) => KeyProvider = (provider) => provider,
): Required<ProviderHarness> {
  let key = new ServedKey()
  return {
    async open() {
      key = new ServedKey().add()
      return [change(clientOf(key)), change(another())]
    },
    reopen: async () => change(clientOf(key)),
    async openBroken() {
      const late = new ServedKey()
      return { provider: change(clientOf(late)), repair: async () => void late.add() }
    },
    async disable() {
      key.state = 'disabled'
    },
    async enable() {
      key.state = 'enabled'
    },
    async delete() {
      key.state = 'deleted'
    },
    openPinned: async (version) => change(clientOf(key, version)),
    openUnknown: async () => clientOf(new ServedKey()),
    openDenied: async () => gated(clientOf(key), () => refusing('ERR_PROVIDER_DENIED')),
    openUnreachable: async () => faulty({ fault: 'unavailable' }),
    openHanging: async () => faulty({ fault: 'hanging' }),
    openThrottled: async () => faulty({ fault: 'throttled', times: 1 }),
    openExpiring: async () => ({ provider: clientOf(key), expire: async () => {} }),
    secrets: () => ['a token of the service'],
  }
}
