/** Envelopes: a blob that a provider alone opens, in the documented bytes, and only under its context. */
import { createDecipheriv, createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import memoryProvider from '../../../providers/memory.ts'
import { canonicalBytes } from '../../../src/crypto/canonical.ts'
import { inspect, seal, unseal } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestProvider } from '../../kit/provider.ts'

const CONTEXT = { file: 'report.pdf', tenant: 't1' }
const PLAINTEXT = Buffer.from('the plaintext of a blob')

/** The fields of a protobuf message whose fields are all short and length-delimited, read by hand. */
function fieldsOf(message: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>()
  for (let at = 0; at < message.length; ) {
    const tag = message[at++] ?? 0
    expect(tag & 7).toBe(2)
    const length = message[at++] ?? 0
    expect(length).toBeLessThan(128)
    fields.set(tag >> 3, message.subarray(at, at + length))
    at += length
  }
  return fields
}

describe('seal and unseal', () => {
  it.each([0, 1, 15, 16, 17, 100_000])(
    'are inverse for %i bytes, with one provider call each way',
    async (size) => {
      const provider = new TestProvider()
      const plaintext = Buffer.alloc(size, 'ab')
      const blob = await seal(provider.client(), plaintext, CONTEXT)
      expect(await unseal(provider.client(), blob, CONTEXT)).toEqual(plaintext)
      expect(await unseal([memoryProvider({ name: 'other' }), provider.client()], blob, CONTEXT)).toEqual(
        plaintext,
      )
      expect([provider.wraps, provider.unwraps]).toEqual([1, 2])
    },
  )

  it('never make the same blob twice', async () => {
    const provider = memoryProvider()
    const blobs = await Promise.all([1, 2, 3].map(() => seal(provider, PLAINTEXT, CONTEXT)))
    expect(new Set(blobs.map((blob) => blob.toString('hex'))).size).toBe(3)
  })

  it('leave the plaintext that was passed as it is', async () => {
    const plaintext = Buffer.from(PLAINTEXT)
    await seal(memoryProvider(), plaintext, CONTEXT)
    expect(plaintext).toEqual(PLAINTEXT)
  })

  it('write the documented bytes: opened here with the provider and node:crypto alone', async () => {
    const provider = memoryProvider({ name: 'mem', id: 'k' })
    const blob = await seal(provider, PLAINTEXT, CONTEXT)
    const length = blob.readUInt32BE(0)
    const wrap = fieldsOf(blob.subarray(4, 4 + length))
    const text = (field: number): string => wrap.get(field)?.toString('utf8') ?? ''
    expect([text(1), text(2), text(3), text(4)]).toEqual(['mem', 'memory:k', '1', 'AES-256-GCM'])
    const aad = canonicalBytes(CONTEXT)
    const entries = {
      purpose: 'keywright envelope',
      context_sha256: createHash('sha256').update(aad).digest('hex'),
    }
    const bytes = canonicalBytes(entries)
    const ciphertext = wrap.get(5) ?? Buffer.alloc(0)
    const wrapped = {
      provider: text(1),
      masterKeyId: text(2),
      masterKeyVersion: text(3),
      algorithm: text(4),
      ciphertext,
    }
    const payload = Buffer.from(await provider.unwrapKey(wrapped, { entries, bytes }))
    expect(payload.length).toBe(64)
    expect(payload.subarray(32)).toEqual(createHash('sha256').update(bytes).digest())
    const sealed = blob.subarray(4 + length)
    const decipher = createDecipheriv('aes-256-gcm', payload.subarray(0, 32), sealed.subarray(0, 12))
    decipher.setAAD(aad).setAuthTag(sealed.subarray(-16))
    const opened = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
    expect(opened).toEqual(PLAINTEXT)
  })
})

describe('unseal refuses', () => {
  it.each([{}, { file: 'report.pdf' }, { ...CONTEXT, tenant: 't2' }, { ...CONTEXT, more: '1' }])(
    'the context %j',
    async (other) => {
      const provider = memoryProvider()
      const blob = await seal(provider, PLAINTEXT, CONTEXT)
      await expectCode(unseal(provider, blob, other), 'ERR_UNWRAP_FAILED', 'ERR_DECRYPTION_FAILED')
    },
  )

  it('every flipped bit', async () => {
    const provider = memoryProvider()
    const blob = await seal(provider, PLAINTEXT, CONTEXT)
    for (let at = 0; at < blob.length; at++) {
      for (const mask of [1, 0x10, 0x80]) {
        const changed = Buffer.from(blob)
        changed[at] = (changed[at] ?? 0) ^ mask
        await expectCode(
          unseal(provider, changed, CONTEXT),
          'ERR_CIPHERTEXT_MALFORMED',
          'ERR_PROVIDER_UNKNOWN',
          'ERR_MASTER_KEY_NOT_FOUND',
          'ERR_UNWRAP_FAILED',
          'ERR_DECRYPTION_FAILED',
        )
      }
    }
  })

  it('every cut, and a longer blob', async () => {
    const provider = memoryProvider()
    const blob = await seal(provider, PLAINTEXT, CONTEXT)
    await expectCode(unseal(provider, new Uint8Array(0), CONTEXT), 'ERR_CIPHERTEXT_EMPTY')
    for (let length = 1; length < blob.length; length++) {
      const cut = unseal(provider, blob.subarray(0, length), CONTEXT)
      await expectCode(cut, 'ERR_CIPHERTEXT_MALFORMED', 'ERR_DECRYPTION_FAILED')
    }
    const longer = Buffer.concat([blob, Buffer.alloc(1)])
    await expectCode(unseal(provider, longer, CONTEXT), 'ERR_DECRYPTION_FAILED')
  })

  it('a provider that did not make it', async () => {
    const blob = await seal(memoryProvider(), PLAINTEXT, CONTEXT)
    await expectCode(unseal(memoryProvider(), blob, CONTEXT), 'ERR_MASTER_KEY_NOT_FOUND')
    await expectCode(unseal(memoryProvider({ name: 'other' }), blob, CONTEXT), 'ERR_PROVIDER_UNKNOWN')
    await expectCode(unseal([], blob, CONTEXT), 'ERR_PROVIDER_UNKNOWN')
  })

  it('the parts of one blob put together with those of another', async () => {
    const provider = memoryProvider()
    const [one, other] = [await seal(provider, PLAINTEXT, CONTEXT), await seal(provider, PLAINTEXT, CONTEXT)]
    const at = 4 + one.readUInt32BE(0)
    const mixed = Buffer.concat([one.subarray(0, at), other.subarray(at)])
    await expectCode(unseal(provider, mixed, CONTEXT), 'ERR_DECRYPTION_FAILED')
  })

  it.each<[string, unknown]>([
    ['text', 'blob'],
    ['null', null],
    ['an array', [0, 0, 0, 1]],
  ])('%s as a blob, and as a plaintext', async (_, value) => {
    const provider = memoryProvider()
    await expectCode(unseal(provider, value as Uint8Array, CONTEXT), 'ERR_ARGUMENT_INVALID')
    await expectCode(seal(provider, value as Uint8Array, CONTEXT), 'ERR_ARGUMENT_INVALID')
  })

  it('a context that is none', async () => {
    const provider = new TestProvider()
    for (const context of [null, undefined, new Map(), { a: 1 }, { A: 'x' }]) {
      const bad = context as unknown as Record<string, string>
      await expectCode(seal(provider.client(), PLAINTEXT, bad), 'ERR_CONTEXT_INVALID')
    }
    expect(provider.calls).toBe(0)
  })
})

it('a provider that is down says so, with nothing of its own words', async () => {
  const provider = new TestProvider()
  const blob = await seal(provider.client(), PLAINTEXT, CONTEXT)
  provider.mode = 'down'
  await expectCode(seal(provider.client(), PLAINTEXT, CONTEXT), 'ERR_PROVIDER_UNAVAILABLE')
  const error = await expectCode(unseal(provider.client(), blob, CONTEXT), 'ERR_PROVIDER_UNAVAILABLE')
  expect(error.retryable).toBe(true)
})

it('inspect reads who opens it', async () => {
  const blob = await seal(memoryProvider({ name: 'mem', id: 'k' }), PLAINTEXT, CONTEXT)
  expect(inspect(blob)).toEqual({
    kind: 'envelope',
    provider: 'mem',
    masterKeyId: 'memory:k',
    masterKeyVersion: '1',
    algorithm: 'AES-256-GCM',
    bytes: blob.length,
  })
})
