/**
 * Keys derived from a data key. The data key itself only seals values; whatever else needs a key gets one of its
 * own by HKDF-SHA-256 (RFC 5869) with a label that says what for.
 */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

const LABELS = {
  commitment: 'keywright/v1/commitment',
  recordMac: 'keywright/v1/record-mac',
  auditMac: 'keywright/v1/audit-checkpoint',
  file: 'keywright/v1/file',
} as const

/** 32 bytes derived from `dataKey` for one purpose. */
export function deriveBytes(dataKey: Uint8Array | KeyObject, purpose: keyof typeof LABELS): Buffer {
  return Buffer.from(hkdfSync('sha256', dataKey, new Uint8Array(0), LABELS[purpose], 32))
}

/** The same as a KeyObject. */
export function deriveKey(dataKey: Uint8Array | KeyObject, purpose: keyof typeof LABELS): KeyObject {
  const bytes = deriveBytes(dataKey, purpose)
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}
