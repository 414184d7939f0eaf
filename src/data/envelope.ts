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
import { joinEnvelope, splitEnvelope } from '../crypto/envelope-format.ts'
import { ProviderCalls } from '../keys/provider-calls.ts'
import { decodeWrappedKey, encodeWrappedKey } from '../keys/wrapped-key.ts'
import type { KeyProvider, WrapContext } from '../provider.ts'

const DATA_KEY_BYTES = 32

/** Encrypts `plaintext` under a fresh data key that `provider` wraps. One provider call. */
export async function seal(provider: KeyProvider, plaintext: Uint8Array, context: Context): Promise<Buffer> {
  assertBytes(plaintext, 'plaintext')
  const aad = canonicalBytes(context)
  const dataKey = randomBytes(DATA_KEY_BYTES)
  try {
    const wrapped = encodeWrappedKey(await callsOf([provider]).wrap(provider.name, dataKey, wrapContext(aad)))
    return joinEnvelope(wrapped, sealDetached(createSecretKey(dataKey), plaintext, aad))
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

/** The context goes into logs of services: only its digest does. */
function wrapContext(aad: Uint8Array): WrapContext {
  const entries = {
    purpose: 'keywright envelope',
    context_sha256: createHash('sha256').update(aad).digest('hex'),
  }
  return { entries, bytes: canonicalBytes(entries) }
}

const callsOf = (providers: readonly KeyProvider[]): ProviderCalls =>
  new ProviderCalls({ providers, now: Date.now })
