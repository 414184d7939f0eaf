/** The table of backends. A new one is a file, a row here, an emulator and a call of the conformance suite. */
import type { KeyProvider } from '../src/provider.ts'

/** Backend name to the module that has its factory as default export. Loaded only when it is used. */
export const PROVIDERS = {
  file: () => import('./file.ts'),
  memory: () => import('./memory.ts'),
} as const satisfies Record<string, () => Promise<{ default: (options: never) => KeyProvider }>>

/** Name of a backend that can be configured. */
export type ProviderName = keyof typeof PROVIDERS

/** Backends that are named in the documentation and not built into this version. */
export const PLANNED_PROVIDERS = ['redis', 'vault', 'aws-kms', 'azure-key-vault', 'gcp-kms'] as const
