/** Opening files with the providers alone, by the wrapped key in their header. */
import { createSecretKey } from 'node:crypto'
import type { Transform } from 'node:stream'
import { wipe } from '../../crypto/bytes.ts'
import type { FileHeader } from '../../crypto/file-header.ts'
import { KeywrightError } from '../../errors.ts'
import { ProviderCalls } from '../../keys/provider-calls.ts'
import { DATA_KEY_BYTES, wrapContextOf } from '../../keys/record.ts'
import type { KeyProvider, WrappedKey } from '../../provider.ts'
import { decryptFile } from './decrypt-file.ts'
import { decryptFolder } from './decrypt-folder.ts'
import { DecryptTransform } from './decrypt-transform.ts'
import type { Unlock } from './file-keys.ts'
import type { FolderOptions, FolderReport } from './folder-run.ts'
import type { FileResult, RecoverFileOptions, RecoverOptions, SignalOption } from './options.ts'

export interface RecoverFolderOptions extends RecoverOptions, FolderOptions {}

import { decodeRecovery } from './recovery.ts'

/**
 * Asks the providers that the header names. Throws ERR_KEY_UNKNOWN when the header carries no wrapped key,
 * ERR_PROVIDER_UNKNOWN when none of its providers is here, and what a provider answers.
 */
export function recoveryUnlock(providers: KeyProvider | readonly KeyProvider[]): Unlock {
  const list = Array.isArray(providers) ? providers : [providers as KeyProvider]
  const calls = new ProviderCalls({ providers: list, now: Date.now })
  return async (header) => {
    const { keyring, version, algorithm, wraps } = recoveryIn(header)
    const context = wrapContextOf({ id: header.keyId, keyring, version, algorithm, createdAt: 0 })
    const dataKey = await unwrapAny(calls, wraps, (wrap) => calls.unwrap(wrap, context))
    try {
      return { keyring, algorithm, key: createSecretKey(dataKey) }
    } finally {
      wipe(dataKey)
    }
  }
}

/** As `files.decryptStream`, with the providers alone. Throws as {@link recoveryUnlock} once the header is read. */
export function recoverStream({ provider, ...options }: RecoverOptions & SignalOption): Transform {
  return new DecryptTransform(recoveryUnlock(provider), options)
}

/** As `files.decryptFile`, with the providers alone. */
export function recoverFile(input: string, output: string, options: RecoverFileOptions): Promise<FileResult> {
  return decryptFile(recoveryUnlock(options.provider), input, output, options)
}

/** As `files.decryptFolder`, with the providers alone. */
export function recoverFolder(
  from: string,
  to: string,
  options: RecoverFolderOptions,
): Promise<FolderReport> {
  return decryptFolder(recoveryUnlock(options.provider), from, to, options)
}

function recoveryIn({ keyId, recovery }: FileHeader) {
  if (recovery !== undefined) return decodeRecovery(recovery)
  throw new KeywrightError(
    'ERR_KEY_UNKNOWN',
    `the file carries no wrapped key: key ${keyId} is in its key store`,
    {
      hint: 'open it with the key store; only what was encrypted with "recoverable" opens without',
      details: { keyId },
    },
  )
}

/** When none opens, a failure that may pass is reported rather than one that does not. */
async function unwrapAny(
  calls: ProviderCalls,
  wraps: readonly WrappedKey[],
  unwrap: (wrap: WrappedKey) => Promise<Buffer>,
): Promise<Buffer> {
  const here = wraps.filter(({ provider }) => calls.names.includes(provider))
  const failures: unknown[] = []
  for (const wrap of here.length === 0 ? wraps.slice(0, 1) : here) {
    try {
      const dataKey = await unwrap(wrap)
      if (dataKey.length === DATA_KEY_BYTES) return dataKey
      wipe(dataKey)
      throw new KeywrightError('ERR_UNWRAP_FAILED', `${wrap.provider} gave back no data key`, {
        hint: 'the wrapped key in the header was made by something else than Keywright',
      })
    } catch (error) {
      failures.push(error)
    }
  }
  throw failures.find((error) => error instanceof KeywrightError && error.retryable) ?? failures[0]
}
