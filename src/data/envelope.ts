/**
 * One self-contained blob, for those who want no keyring: a fresh data key encrypts the bytes and travels with
 * them, wrapped by the provider. The shape is Tink's KmsEnvelopeAead:
 *
 *     length of the wrapped key (4, big-endian) || wrapped key || IV (12) || ciphertext || tag (16)
 *
 * The wrapped key is a protobuf message { 1: provider, 2: master key id, 3: master key version, 4: algorithm,
 * 5: ciphertext }, so that the blob says which provider and version open it. What is wrapped is the data key and
 * the digest of the wrap context { purpose, context_sha256 }; the caller's context itself is the associated data.
 */
import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import { openDetached, sealDetached } from '../crypto/aead.ts'
import { assertBytes, wipe } from '../crypto/bytes.ts'
import { type Context, canonicalBytes } from '../crypto/canonical.ts'
import { KeywrightError } from '../errors.ts'
import { ProviderCalls } from '../keys/provider-calls.ts'
import { decodeWrappedKey, encodeWrappedKey } from '../keys/wrapped-key.ts'
import type { KeyProvider, WrapContext } from '../provider.ts'

const LENGTH_BYTES = 4
/** As in Tink: a wrapped key is 1 to 4096 bytes. */
const MAX_WRAPPED_BYTES = 4096
const DATA_KEY_BYTES = 32
const MIN_SEALED_BYTES = 28
const TIMEOUT_MS = 10_000

/** Encrypts `plaintext` under a fresh data key that `provider` wraps. One provider call. */
export async function seal(provider: KeyProvider, plaintext: Uint8Array, context: Context): Promise<Buffer> {
  assertBytes(plaintext, 'plaintext')
  const aad = canonicalBytes(context)
  const dataKey = randomBytes(DATA_KEY_BYTES)
  try {
    const wrapped = encodeWrappedKey(await callsOf([provider]).wrap(provider.name, dataKey, wrapContext(aad)))
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(wrapped.length)
    return Buffer.concat([length, wrapped, sealDetached(createSecretKey(dataKey), plaintext, aad)])
  } finally {
    wipe(dataKey)
  }
}

/**
 * The plaintext of a blob. With several providers, the one that the blob names is asked.
 * Throws ERR_CIPHERTEXT_MALFORMED, ERR_PROVIDER_UNKNOWN, ERR_UNWRAP_FAILED, ERR_DECRYPTION_FAILED.
 */
export async function unseal(
  providers: KeyProvider | readonly KeyProvider[],
  blob: Uint8Array,
  context: Context,
): Promise<Buffer> {
  const { wrapped, sealed } = splitEnvelope(blob)
  const aad = canonicalBytes(context)
  const calls = callsOf(Array.isArray(providers) ? providers : [providers])
  const dataKey = await calls.unwrap(decodeWrappedKey(wrapped), wrapContext(aad))
  try {
    return openDetached(createSecretKey(dataKey), sealed, aad)
  } finally {
    wipe(dataKey)
  }
}

/** The parts of a blob, unopened. Throws ERR_CIPHERTEXT_EMPTY and ERR_CIPHERTEXT_MALFORMED. */
export function splitEnvelope(blob: Uint8Array): { wrapped: Uint8Array; sealed: Buffer } {
  assertBytes(blob, 'blob')
  if (blob.length === 0) {
    throw new KeywrightError('ERR_CIPHERTEXT_EMPTY', 'the envelope is empty', {
      hint: 'was it written completely? the envelope of an empty plaintext is not empty',
    })
  }
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength)
  const length = bytes.length < LENGTH_BYTES ? 0 : bytes.readUInt32BE(0)
  const sealedAt = LENGTH_BYTES + length
  if (length === 0 || length > MAX_WRAPPED_BYTES || bytes.length < sealedAt + MIN_SEALED_BYTES) {
    throw new KeywrightError(
      'ERR_CIPHERTEXT_MALFORMED',
      'the bytes are not a Keywright envelope, or they were cut',
      {
        hint: 'a value that begins with "kw1." is opened with decrypt, not with unseal',
      },
    )
  }
  return { wrapped: bytes.subarray(LENGTH_BYTES, sealedAt), sealed: bytes.subarray(sealedAt) }
}

/** The context goes into logs of services: only its digest does. */
function wrapContext(aad: Uint8Array): WrapContext {
  const entries = {
    purpose: 'keywright envelope',
    context_sha256: createHash('sha256').update(aad).digest('hex'),
  }
  return { entries, bytes: canonicalBytes(entries) }
}

const callsOf = (providers: readonly KeyProvider[]): ProviderCalls =>
  new ProviderCalls({ providers, timeoutMs: TIMEOUT_MS, now: Date.now })
