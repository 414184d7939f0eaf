/** Derived keys: HKDF-SHA-256 with a label of their own, so that no purpose tells another's. */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deriveBytes, deriveKey } from '../../../src/crypto/derive.ts'

/** RFC 5869 with an empty salt and one block of output, written down a second time. */
function hkdf(key: Uint8Array, label: string): Buffer {
  const extracted = createHmac('sha256', Buffer.alloc(32)).update(key).digest()
  return createHmac('sha256', extracted)
    .update(label)
    .update(Buffer.from([1]))
    .digest()
}

const LABELS = {
  commitment: 'keywright/v1/commitment',
  recordMac: 'keywright/v1/record-mac',
  auditMac: 'keywright/v1/audit-checkpoint',
} as const

describe('deriveBytes', () => {
  it.each(Object.entries(LABELS))('gives RFC 5869 output for %s', (purpose, label) => {
    const key = randomBytes(32)
    expect(deriveBytes(key, purpose as keyof typeof LABELS)).toEqual(hkdf(key, label))
  })

  it('gives the same for bytes and for a key object, as bytes and as a key', () => {
    const bytes = randomBytes(32)
    const key = createSecretKey(bytes)
    expect(deriveBytes(key, 'recordMac')).toEqual(deriveBytes(bytes, 'recordMac'))
    expect(deriveKey(key, 'recordMac').export()).toEqual(deriveBytes(bytes, 'recordMac'))
  })

  it('gives every purpose a key of its own, and leaves the data key alone', () => {
    const bytes = randomBytes(32)
    const copy = Buffer.from(bytes)
    const purposes = Object.keys(LABELS) as (keyof typeof LABELS)[]
    const derived = purposes.map((purpose) => deriveBytes(bytes, purpose).toString('hex'))
    expect(new Set([...derived, bytes.toString('hex')]).size).toBe(purposes.length + 1)
    expect(bytes).toEqual(copy)
  })
})
