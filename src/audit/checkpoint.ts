/**
 * The record a pruned log begins with. It stands in the place of the last record that was dropped:
 *
 *   seq      that record's seq
 *   prev     64 zeros: nothing stands before it
 *   details  fromSeq (always 1), toSeq (= seq), dropped (= toSeq), fromTime, toTime: what it stands for, with all
 *            that earlier checkpoints stood for
 *            lastHash: hash of the last record dropped; the next record's `prev`
 *            macKeyId, mac (optional): who signed it, and the MAC
 *
 * The MAC is made over the canonical JSON of the record without `hash`, `details.mac` and `details.macKeyId`.
 * The `audit.prune` record, which was appended before anything was dropped, has the same toSeq and lastHash.
 */
import { type ChainPosition, canonicalJson, chainRecord, NO_HASH } from './chain.ts'
import type { AuditDetails, AuditEvent, AuditRecord } from './event.ts'

/** A MAC, and the id of the key it was made with. */
export interface AuditMac {
  readonly keyId: number
  readonly mac: string
}

/** Makes the MAC of a checkpoint's bytes. */
export type SignAudit = (bytes: Uint8Array) => Promise<AuditMac>

/** Whether a MAC is right, compared in constant time. */
export type CheckAuditMac = (bytes: Uint8Array, mac: AuditMac) => Promise<boolean>

/** The bytes that the MAC of a checkpoint covers. */
export function checkpointBytes(record: AuditRecord): Buffer {
  const { hash: _, details = {}, ...rest } = record
  const { mac: _mac, macKeyId: _keyId, ...signed } = details
  return Buffer.from(canonicalJson({ ...rest, details: signed }), 'utf8')
}

/** The MAC that stands in a checkpoint. */
export function checkpointMac(record: AuditRecord): AuditMac | undefined {
  const { mac, macKeyId } = record.details ?? {}
  return typeof mac === 'string' && typeof macKeyId === 'number' ? { keyId: macKeyId, mac } : undefined
}

/** Makes the checkpoint; `event` brings the details named above without a MAC. */
export async function makeCheckpoint(
  event: AuditEvent & { readonly details: AuditDetails & { readonly toSeq: number } },
  now: number,
  sign: SignAudit | undefined,
): Promise<AuditRecord> {
  const place: ChainPosition = { seq: event.details.toSeq - 1, link: NO_HASH }
  const plain = chainRecord({ ...event, event: 'audit.checkpoint' }, place, now)
  if (sign === undefined) return plain
  const { keyId, mac } = await sign(checkpointBytes(plain))
  const details = { ...event.details, macKeyId: keyId, mac }
  return chainRecord({ ...event, event: 'audit.checkpoint', details }, place, now)
}
