/**
 * Keywright: a pluggable key store for Node. Applications encrypt locally with data keys; data keys are stored only
 * wrapped under a master key that a provider holds. Importing this loads no SDK and no validation library.
 */
import type { OpenOptions } from './compose.ts'
import type { Keywright } from './keywright.ts'
import type { Policy } from './policy/policy.ts'

/** Opens Keywright by options, environment and policy document; options win. */
export async function open(options: OpenOptions = {}): Promise<Keywright> {
  return (await import('./compose.ts')).open(options)
}

/** Checks a policy document and resolves it. Throws ERR_POLICY_INVALID with everything that is wrong with it. */
export async function parsePolicy(document: unknown): Promise<Policy> {
  return (await import('./policy/document.ts')).parsePolicyDocument(document)
}

export type { AuditEvent, AuditEventName, AuditRecord } from './audit/event.ts'
export type { AuditFilter, AuditTrail } from './audit/log.ts'
export type { AuditHead, AuditLine, AuditSink, AuditWriter } from './audit/sink.ts'
export type { AuditReport } from './audit/verify.ts'
export type { Clock } from './clock.ts'
export { systemClock } from './clock.ts'
export type { OpenOptions } from './compose.ts'
export type { Context } from './crypto/canonical.ts'
export type { BlindIndex, HashOptions } from './data/blind-index.ts'
export type { FieldType, FieldTypes, JsonValue } from './data/codecs.ts'
export { seal, unseal } from './data/envelope.ts'
export type { Field, FieldOptions, RowOption } from './data/field.ts'
export { type Inspection, inspect, isEncrypted } from './data/inspect.ts'
export type { DecryptOptions, Encryptable, KeyringCipher } from './data/keyring-cipher.ts'
export type { ExportOptions, ImportOptions } from './data/keyset.ts'
export type { NormaliserName } from './data/normalisers.ts'
export type { PlainRecord, RecordCodec, RecordField, RecordOptions } from './data/records.ts'
export { ERROR_CODES, type ErrorCode, KeywrightError } from './errors.ts'
export type { Health, HealthCheck, HealthState } from './keys/health.ts'
export type { KeyManager, RevocationReport, RotationReport } from './keys/manager.ts'
export type { KeyInfo, KeyStatistics } from './keys/views.ts'
export { createKeywright, type EncryptOptions, type Keywright, type KeywrightParts } from './keywright.ts'
export type { Decision, PolicyRequest } from './policy/evaluate.ts'
export type { Explanation } from './policy/explain.ts'
export type { PolicyPlan } from './policy/plan.ts'
export type { KeyTypePolicy, Policy } from './policy/policy.ts'
export { defaultPolicy } from './policy/resolve.ts'
export type {
  KeyProvider,
  MasterKeyDescription,
  ProviderCapabilities,
  WrapContext,
  WrappedKey,
} from './provider.ts'
export type { KeyRecord, KeyRecordPage, KeyState, KeyStore } from './store.ts'
