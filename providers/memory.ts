/** A master key in memory, for tests and examples. What it wrapped is lost when the process ends. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { type KeyProvider, KeywrightError, type ProviderSettings } from '../src/provider.ts'
import { localProvider, type MasterKey } from './local/local-provider.ts'

export interface MemoryProviderOptions {
  /** Instance name, stored with every wrap. @default 'memory' */
  readonly name?: string
  /** Names the master key: `memory:<id>`. The same id does not make the same key. @default random */
  readonly id?: string
}

/** Wraps under a random master key that is nowhere else. Otherwise it behaves like the file provider. */
export default function memoryProvider(options: MemoryProviderOptions = {}): KeyProvider {
  const masterKeyId = `memory:${options.id ?? randomBytes(16).toString('hex')}`
  const versions = new Map<string, MasterKey>()
  let current = addVersion(masterKeyId, versions)

  return localProvider(options.name ?? 'memory', {
    current: async () => current,
    async find(id, version) {
      const found = id === masterKeyId ? versions.get(version) : undefined
      if (found !== undefined) return found
      throw new KeywrightError(
        'ERR_MASTER_KEY_NOT_FOUND',
        'the wrap was made by another master key or version',
        {
          details: { masterKeyId },
          hint: 'a memory provider unwraps only what the same instance wrapped',
        },
      )
    },
    async rotate() {
      current = addVersion(masterKeyId, versions)
    },
    warnings: () => ['the master key is in memory only: what it wraps is lost when the process ends'],
    close: () => versions.clear(),
  })
}

function addVersion(id: string, versions: Map<string, MasterKey>): MasterKey {
  const bytes = randomBytes(32)
  const version = String(versions.size + 1)
  const added = { createdAt: Date.now(), id, key: createSecretKey(bytes), version }
  bytes.fill(0)
  versions.set(version, added)
  return added
}

/** The provider by configuration. It takes no options. */
export async function configure({ name }: ProviderSettings): Promise<KeyProvider> {
  return memoryProvider({ name })
}
