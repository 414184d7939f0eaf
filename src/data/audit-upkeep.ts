/** Verifying and pruning the audit log, with checkpoints signed under the audit_logs keyring. */
import { createHmac } from 'node:crypto'
import type { CheckAuditMac, SignAudit } from '../audit/checkpoint.ts'
import { type PruneOptions, type PruneResult, pruneAudit } from '../audit/retention.ts'
import type { AuditSink } from '../audit/sink.ts'
import { type AuditReport, verifyAudit } from '../audit/verify.ts'
import { equalBytes } from '../crypto/bytes.ts'
import { deriveKey } from '../crypto/derive.ts'
import { KeywrightError } from '../errors.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { OpenKey } from '../keys/open-key.ts'

const KEYRING = 'audit_logs'

const macUnder = (key: OpenKey, bytes: Uint8Array): Buffer =>
  createHmac('sha256', deriveKey(key.key, 'auditMac')).update(bytes).digest()

/** Signs with the active key of audit_logs. */
function auditSigner(rings: Keyrings): SignAudit {
  return async (bytes) => {
    const ring = rings.get(KEYRING)
    await ring.prepare()
    const key = ring.activeKey()
    return { keyId: key.id, mac: macUnder(key, bytes).toString('hex') }
  }
}

/** Checks with the key that signed. A key nobody knows is a wrong MAC; a provider that is down is an error. */
function auditMacChecker(rings: Keyrings): CheckAuditMac {
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

/** Reads the whole log. Throws ERR_ARGUMENT_INVALID when none is kept. */
export async function verifyAuditLog(rings: Keyrings, sink: AuditSink | undefined): Promise<AuditReport> {
  return verifyAudit(required(sink), { checkMac: auditMacChecker(rings) })
}

/** Drops what is older than `before` (-Infinity: nothing) and signs the checkpoint. */
export async function pruneAuditLog(
  rings: Keyrings,
  sink: AuditSink | undefined,
  options: Pick<PruneOptions, 'before' | 'reason' | 'actor' | 'clock'>,
): Promise<PruneResult> {
  const log = required(sink)
  if (!Number.isFinite(options.before)) return { dropped: 0 }
  return pruneAudit(log, { ...options, sign: auditSigner(rings), checkMac: auditMacChecker(rings) })
}

function required(sink: AuditSink | undefined): AuditSink {
  if (sink !== undefined) return sink
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'this Keywright keeps no audit log', {
    hint: 'configure one: the "audit" option, or ENCRYPTION_AUDIT_PATH',
  })
}
