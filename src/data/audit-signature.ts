/** Signing the checkpoint of a pruned audit log under the audit_logs keyring, and checking it. */
import { createHmac } from 'node:crypto'
import type { CheckAuditMac, SignAudit } from '../audit/checkpoint.ts'
import { equalBytes } from '../crypto/bytes.ts'
import { deriveKey } from '../crypto/derive.ts'
import { KeywrightError } from '../errors.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { OpenKey } from '../keys/open-key.ts'

const KEYRING = 'audit_logs'

const macUnder = (key: OpenKey, bytes: Uint8Array): Buffer =>
  createHmac('sha256', deriveKey(key.key, 'auditMac')).update(bytes).digest()

/** Signs with the active key of audit_logs. */
export function auditSigner(rings: Keyrings): SignAudit {
  return async (bytes) => {
    const ring = rings.get(KEYRING)
    await ring.prepare()
    const key = ring.activeKey()
    return { keyId: key.id, mac: macUnder(key, bytes).toString('hex') }
  }
}

/** Checks with the key that signed. A key nobody knows is a wrong MAC; a provider that is down is an error. */
export function auditMacChecker(rings: Keyrings): CheckAuditMac {
  return async (bytes, { keyId, mac }) => {
    const ring = rings.get(KEYRING)
    try {
      await rings.assertOwns(ring, keyId)
    } catch (error) {
      if (error instanceof KeywrightError && UNKNOWN.has(error.code)) return false
      throw error
    }
    await ring.prepareKey(keyId)
    const key = ring.openKeys().find((open) => open.id === keyId)
    return key !== undefined && equalBytes(macUnder(key, bytes), Buffer.from(mac, 'hex'))
  }
}

const UNKNOWN: ReadonlySet<string> = new Set(['ERR_KEY_UNKNOWN', 'ERR_KEYRING_MISMATCH'])
