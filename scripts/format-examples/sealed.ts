/** Examples of an envelope and of keysets. */

import { createHash } from 'node:crypto'
import { canonicalBytes, canonicalText } from '../../src/crypto/canonical.ts'
import { splitEnvelope } from '../../src/crypto/envelope-format.ts'
import { seal } from '../../src/index.ts'
import { decodeWrappedKey } from '../../src/keys/wrapped-key.ts'
import type { SetUp } from './set-up.ts'

/** An envelope, and one keyring as a keyset in its four forms. */
export async function sealedExamples({ keywright, provider }: SetUp) {
  const context = { purpose: 'backup', day: '2026-01-02' }
  const plaintext = 'the quick brown fox'
  const blob = await seal(provider, Buffer.from(plaintext), context)
  const wrapped = decodeWrappedKey(splitEnvelope(blob).wrapped)
  const aad = canonicalBytes(context)
  const entries = {
    purpose: 'keywright envelope',
    context_sha256: createHash('sha256').update(aad).digest('hex'),
  }
  const payload = await provider.unwrapKey(wrapped, { entries, bytes: canonicalBytes(entries) })
  const under = { provider: 'file', reason: 'example' }
  const clear = { clear: true, reason: 'example' }
  const text = async (options: typeof under | typeof clear): Promise<string> =>
    (await keywright.exportKeyset('pii', options)).toString()
  const binary = async (options: typeof under | typeof clear): Promise<string> =>
    (await keywright.exportKeyset('pii', { ...options, format: 'binary' })).toString('base64')
  return [
    {
      example: 'envelope',
      context,
      aad: aad.toString(),
      wrapped: { ...wrapped, ciphertext: Buffer.from(wrapped.ciphertext).toString('base64') },
      wrapContext: canonicalText(entries),
      dataKey: Buffer.from(payload.subarray(0, 32)).toString('hex'),
      plaintext,
      blob: blob.toString('hex'),
    },
    { example: 'keyset', json: await text(clear), binary: await binary(clear) },
    { example: 'encrypted-keyset', json: await text(under), binary: await binary(under) },
  ]
}
