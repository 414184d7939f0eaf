/**
 * Keywright: a pluggable key store for Node. Applications encrypt locally with data keys; data keys are stored only
 * wrapped under a master key that a provider holds. Importing this loads no SDK and no validation library.
 */
import type { OpenOptions } from './compose.ts'
import type { Context } from './crypto/canonical.ts'
import type { Keywright, KeywrightParts } from './keywright.ts'
import type { Policy } from './policy/policy.ts'
import type { KeyProvider } from './provider.ts'

// What is heavy is loaded with the first call: importing this costs a program nothing that does not use it.

/** Opens Keywright by options, environment and policy document; options win. */
export async function open(options: OpenOptions = {}): Promise<Keywright> {
  return (await import('./compose.ts')).open(options)
}

/** Composes a Keywright from its parts. Throws ERR_PROVIDER_UNKNOWN when the policy names a provider that is none. */
export async function createKeywright(parts: KeywrightParts): Promise<Keywright> {
  return new (await import('./keywright.ts')).Keywright(parts)
}

export interface ParsePolicyOptions {
  /** The provider of key types that name none. @default what the document says */
  readonly provider?: string
}

/**
 * Checks a policy document and resolves it; an empty one is the default policy. Throws ERR_POLICY_INVALID with
 * everything that is wrong with it.
 */
export async function parsePolicy(document: unknown = {}, options: ParsePolicyOptions = {}): Promise<Policy> {
  const { parsePolicyDocument } = await import('./policy/document.ts')
  return parsePolicyDocument(document, { overrides: options })
}

/** Encrypts bytes into one self-contained blob: a fresh data key travels with them, wrapped by the provider. */
export async function seal(provider: KeyProvider, plaintext: Uint8Array, context: Context): Promise<Buffer> {
  return (await import('./data/envelope.ts')).seal(provider, plaintext, context)
}

/**
 * The plaintext of a blob that `seal` made; with several providers the one that the blob names is asked.
 * Throws ERR_CIPHERTEXT_MALFORMED, ERR_PROVIDER_UNKNOWN, ERR_UNWRAP_FAILED, ERR_DECRYPTION_FAILED.
 */
export async function unseal(
  providers: KeyProvider | readonly KeyProvider[],
  blob: Uint8Array,
  context: Context,
): Promise<Buffer> {
  return (await import('./data/envelope.ts')).unseal(providers, blob, context)
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
export type { Field, FieldOptions, RowOption } from './data/field.ts'
export { type Inspection, inspect, isEncrypted } from './data/inspect.ts'
export type { DecryptOptions, Encryptable, KeyringCipher } from './data/keyring-cipher.ts'
export type { ExportOptions, ImportOptions } from './data/keyset.ts'
export type { NormaliserName } from './data/normalisers.ts'
export type { PlainRecord, RecordCodec, RecordField, RecordOptions } from './data/records.ts'
export { ERROR_CODES, type ErrorCode, KeywrightError } from './errors.ts'
export type { DrillOptions, DrillReport, LostKey } from './jobs/drill.ts'
export type { JobOptions, JobProgress, JobReport } from './jobs/job.ts'
export type { Jobs } from './jobs/jobs.ts'
export type { KeyReport, KeyStep } from './jobs/key-log.ts'
export type { MoveOptions, MoveReport } from './jobs/move.ts'
export type { MoveCounts, MovePlan, MoveRequest } from './jobs/move-plan.ts'
export type { MoveOutcome, MoveStep } from './jobs/move-run.ts'
export type { MoveState } from './jobs/move-state.ts'
export type { RepairOptions, RepairReport } from './jobs/repair.ts'
export type { RollbackOptions, RollbackReport } from './jobs/rollback.ts'
export type { KeySelection } from './jobs/selection.ts'
export type { Health, HealthCheck, HealthState } from './keys/health.ts'
export type { KeyManager, RevocationReport, RotationReport } from './keys/manager.ts'
export type { KeyInfo, KeyStatistics } from './keys/views.ts'
export type { WrapStatus } from './keys/wrap-status.ts'
export type { EncryptOptions, Keywright, KeywrightParts } from './keywright.ts'
export type { Decision, PolicyRequest } from './policy/evaluate.ts'
export type { Explanation } from './policy/explain.ts'
export type { PolicyPlan } from './policy/plan.ts'
export type { KeyTypePolicy, Policy } from './policy/policy.ts'
export type {
  KeyProvider,
  MasterKeyDescription,
  ProviderCapabilities,
  WrapContext,
  WrappedKey,
} from './provider.ts'
export type { ResilienceOptions } from './resilience/options.ts'
export type {
  DocumentStore,
  KeyRecord,
  KeyRecordPage,
  KeyState,
  KeyStore,
  StoredDocument,
} from './store.ts'
