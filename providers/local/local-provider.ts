/**
 * A provider whose master keys are in this process: wraps and unwraps with them, wherever they come from.
 *
 * A wrap is `nonce (12) || ciphertext || tag (16)`, AES-256-GCM under one master key version. Its associated
 * data is `length (4, big-endian) || masterKeyId || length (4, big-endian) || masterKeyVersion || canonical
 * context`, so that a wrap that is given another label does not open.
 */
import type { KeyObject } from 'node:crypto'
import {
  type CallOptions,
  type KeyProvider,
  KeywrightError,
  type MasterKeyDescription,
  type WrapContext,
  type WrappedKey,
} from '../../src/provider.ts'
import { assertNotAborted, copyPayload, localErrorCode, unwrapFailed } from './call.ts'
import { gcmOpen, gcmSeal } from './gcm.ts'

/** One version of a master key, ready for use. */
export interface MasterKey {
  readonly id: string
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly key: KeyObject
}

/** Where a local provider gets its master keys from. */
export interface MasterKeySource {
  /** The version for new wraps; `fresh` when it has to be looked up anew. */
  current(fresh: boolean): Promise<MasterKey>
  /** Exactly this version. Throws when there is none. */
  find(id: string, version: string): Promise<MasterKey>
  /** Adds a version, which is current then. Without it the provider does not rotate. */
  rotate?(signal: AbortSignal | undefined): Promise<void>
  warnings(): readonly string[]
  /** Forgets the keys. */
  close(): void
}

const ALGORITHM = 'AES-256-GCM'
const MAX_PLAINTEXT_BYTES = 65_536

/** The provider named `name` over the master keys of `source`. */
export function localProvider(name: string, source: MasterKeySource): KeyProvider {
  let closed = false
  const begin = (options: CallOptions | undefined): void => {
    if (closed) throw new KeywrightError('ERR_CLOSED', `the provider "${name}" is closed`)
    assertNotAborted(options?.signal)
  }

  async function wrapKey(key: Uint8Array, context: WrapContext, options?: CallOptions): Promise<WrappedKey> {
    begin(options)
    const plaintext = copyPayload(key, MAX_PLAINTEXT_BYTES)
    const bytes = Uint8Array.from(context.bytes)
    try {
      const master = await source.current(false)
      begin(options)
      return wrapUnder(name, master, plaintext, bytes)
    } finally {
      plaintext.fill(0)
    }
  }

  async function unwrapKey(
    wrapped: WrappedKey,
    context: WrapContext,
    options?: CallOptions,
  ): Promise<Uint8Array> {
    begin(options)
    const { algorithm, masterKeyId, masterKeyVersion } = wrapped
    const ciphertext = Uint8Array.from(wrapped.ciphertext)
    const bytes = Uint8Array.from(context.bytes)
    const master = await source.find(masterKeyId, masterKeyVersion)
    begin(options)
    const aad = wrapAssociatedData(masterKeyId, masterKeyVersion, bytes)
    const key = algorithm === ALGORITHM ? gcmOpen(master.key, ciphertext, aad) : undefined
    if (key === undefined) throw unwrapFailed()
    return key
  }

  async function rewrapKey(
    wrapped: WrappedKey,
    context: WrapContext,
    options?: CallOptions,
  ): Promise<WrappedKey> {
    const key = await unwrapKey(wrapped, context, options)
    try {
      return await wrapKey(key, context, options)
    } finally {
      key.fill(0)
    }
  }

  async function describeMasterKey(options?: CallOptions): Promise<MasterKeyDescription> {
    begin(options)
    const { createdAt, id, version } = await source.current(true)
    begin(options)
    return { algorithm: ALGORITHM, createdAt, id, state: 'enabled', version, warnings: source.warnings() }
  }

  const provider: KeyProvider = {
    name,
    capabilities: {
      bindsContext: true,
      maxPlaintextBytes: MAX_PLAINTEXT_BYTES,
      rewraps: true,
      rotatesMasterKey: source.rotate !== undefined,
      versionsMasterKey: true,
    },
    wrapKey,
    unwrapKey,
    rewrapKey,
    describeMasterKey,
    errorCode: localErrorCode,
    async close() {
      closed = true
      source.close()
    },
  }
  if (source.rotate === undefined) return provider
  const rotate = source.rotate.bind(source)
  return {
    ...provider,
    async rotateMasterKey(options) {
      begin(options)
      await rotate(options?.signal)
      return describeMasterKey() // it happened: an abort that comes now must not hide it
    },
  }
}

function wrapUnder(
  provider: string,
  master: MasterKey,
  plaintext: Uint8Array,
  context: Uint8Array,
): WrappedKey {
  const aad = wrapAssociatedData(master.id, master.version, context)
  return {
    algorithm: ALGORITHM,
    ciphertext: gcmSeal(master.key, plaintext, aad),
    masterKeyId: master.id,
    masterKeyVersion: master.version,
    provider,
  }
}

function wrapAssociatedData(id: string, version: string, context: Uint8Array): Buffer {
  return Buffer.concat([lengthPrefixed(id), lengthPrefixed(version), context])
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
