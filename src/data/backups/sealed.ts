/** The stream of a backup as a file of Keywright: encrypted under a keyring, with the wrapped key in its header. */
import type { Transform } from 'node:stream'
import { KeywrightError } from '../../errors.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import type { KeyProvider } from '../../provider.ts'
import { Files } from '../files/files.ts'
import { recoverStream } from '../files/recover.ts'
import { damaged } from './failures.ts'
import { through } from './through.ts'

/** No file that an application encrypts is taken for a backup. */
const CONTEXT = { purpose: 'keywright backup' }

export interface SealRequest {
  readonly keyType: string
  readonly tenant?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Seal {
  readonly keyring: string
  /** The encrypted form of what is given. To be called once. */
  seal(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

/** Opens the active key of a key type. Throws ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID, and what a key refuses. */
export async function newSeal(services: KeyServices, rings: Keyrings, request: SealRequest): Promise<Seal> {
  const { keyType, signal, tenant } = request
  const { keyring } = keyringFor(services.policy, { keyType, ...(tenant === undefined ? {} : { tenant }) })
  const files = new Files(services, rings)
  const stream = await files.encryptStream({ keyType, tenant, context: CONTEXT, recoverable: true, signal })
  return { keyring, seal: (chunks) => through(chunks, stream) }
}

/** Makes a stream that decrypts; where it finds keys is its own affair. */
export type Opener = (signal: AbortSignal | undefined) => Promise<Transform>

/** Finds keys through the key store. */
export function storeOpener(services: KeyServices, rings: Keyrings): Opener {
  const files = new Files(services, rings)
  return (signal) => files.decryptStream({ context: CONTEXT, signal })
}

/** Finds keys in the headers, with the providers alone. */
export function providerOpener(provider: KeyProvider | readonly KeyProvider[]): Opener {
  return async (signal) => recoverStream({ provider, context: CONTEXT, signal })
}

/** What the outside of a file, or a wrong key, looks like: all one to whoever looks for a good backup. */
const DAMAGE: ReadonlySet<string> = new Set([
  'ERR_DECRYPTION_FAILED',
  'ERR_FILE_DAMAGED',
  'ERR_CIPHERTEXT_EMPTY',
  'ERR_CIPHERTEXT_MALFORMED',
  'ERR_NOT_CIPHERTEXT',
])

/** The reverse. Throws ERR_BACKUP_DAMAGED, and what finding the key throws. */
export async function* unseal(
  chunks: AsyncIterable<Uint8Array>,
  opener: Opener,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* through(chunks, await opener(signal))
  } catch (error) {
    const isDamage = error instanceof KeywrightError && DAMAGE.has(error.code)
    throw isDamage ? damaged('it was cut or changed, or is no backup') : error
  }
}
