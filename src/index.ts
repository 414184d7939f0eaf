/**
 * Keywright: a pluggable key store for Node. Applications encrypt locally with data keys; data keys are stored only
 * wrapped under a master key that a provider holds. Importing this loads no SDK and no validation library.
 */
import type { Transform } from 'node:stream'
import type { OpenOptions } from './compose.ts'
import type { Context } from './crypto/canonical.ts'
import type { VerifiedBackup } from './data/backups/read.ts'
import type { RestoreWithoutStoreOptions } from './data/backups/reader.ts'
import type { FolderReport } from './data/files/folder-run.ts'
import type { FileResult, RecoverFileOptions, RecoverOptions, SignalOption } from './data/files/options.ts'
import type { RecoverFolderOptions } from './data/files/recover.ts'
import type { KeywrightParts } from './keywright/parts.ts'
import type { Keywright } from './keywright.ts'
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

/**
 * Decrypts a stream that was encrypted with `recoverable`, with the providers alone: for when the key store is gone.
 * Throws ERR_KEY_UNKNOWN when it carries no wrapped key, ERR_PROVIDER_UNKNOWN, and what `files.decryptStream` throws.
 */
export async function recoverStream(options: RecoverOptions & SignalOption): Promise<Transform> {
  return (await import('./data/files/recover.ts')).recoverStream(options)
}

/** The same for a file. Throws as `files.decryptFile` besides. */
export async function recoverFile(
  input: string,
  output: string,
  options: RecoverFileOptions,
): Promise<FileResult> {
  return (await import('./data/files/recover.ts')).recoverFile(input, output, options)
}

/** The same for a folder. */
export async function recoverFolder(
  from: string,
  to: string,
  options: RecoverFolderOptions,
): Promise<FolderReport> {
  return (await import('./data/files/recover.ts')).recoverFolder(from, to, options)
}

/**
 * Restores a backup that carries its wrapped key with its providers alone: no key store is needed. Throws
 * ERR_BACKUP_UNKNOWN, ERR_BACKUP_DAMAGED, ERR_UNWRAP_FAILED, ERR_FILE_EXISTS and what providers throw.
 */
export async function restoreBackup(options: RestoreWithoutStoreOptions): Promise<VerifiedBackup> {
  return (await import('./data/backups/reader.ts')).restoreBackup(options)
}

export type { AuditEvent, AuditEventName, AuditRecord } from './audit/event.ts'
export type { AuditFilter, AuditTrail } from './audit/log.ts'
export type { AuditHead, AuditLine, AuditSink, AuditWriter } from './audit/sink.ts'
export type { AuditReport } from './audit/verify.ts'
export type { Clock } from './clock.ts'
export { systemClock } from './clock.ts'
export type { OpenOptions } from './compose.ts'
export type { Context } from './crypto/canonical.ts'
export type { Backups, PruneBackupsOptions, RemoveBackupOptions } from './data/backups/backups.ts'
export type {
  BackupProgress,
  BackupSource,
  CreateBackupOptions,
  CreatedBackup,
} from './data/backups/create.ts'
export type { ListedBackup } from './data/backups/folder.ts'
export type { BackupCompression, BackupKind, BackupManifest } from './data/backups/manifest.ts'
export type { VerifiedBackup } from './data/backups/read.ts'
export type {
  RestoreBackupOptions,
  RestoreWithoutStoreOptions,
  VerifyBackupOptions,
} from './data/backups/reader.ts'
export type { PruneReport, RetentionRules } from './data/backups/retention.ts'
export type { FieldType, FieldTypes, JsonValue } from './data/codecs.ts'
export type { Field, FieldOptions, RowOption } from './data/field.ts'
export type { EncryptFolderOptions } from './data/files/encrypt-folder.ts'
export type { BytesTransform, DecryptFolderOptions, Files } from './data/files/files.ts'
export type { FolderItem, FolderReport } from './data/files/folder-run.ts'
export type { EncryptedFileInfo, ListFilesOptions } from './data/files/list-files.ts'
export type {
  DecryptFileOptions,
  EncryptFileOptions,
  FileProgress,
  FileResult,
  OpenOptions as OpenFileOptions,
  RecoverFileOptions,
  RecoverOptions,
  SealOptions,
  SignalOption,
} from './data/files/options.ts'
export type { EncryptedFileReader } from './data/files/random-access.ts'
export type { RecoverFolderOptions } from './data/files/recover.ts'
export type { ReencryptFileOptions, ReencryptFileResult } from './data/files/reencrypt-file.ts'
export type {
  MigratingField,
  MigratingFieldOptions,
  MigratingValue,
} from './data/foreign/migrating-field.ts'
export type { ForeignReader } from './data/foreign/reader.ts'
export type { ForeignOptions } from './data/foreign/readers.ts'
export { type Inspection, inspect, isEncrypted } from './data/inspect.ts'
export type { DecryptOptions, Encryptable, KeyringCipher } from './data/keyring-cipher.ts'
export type { ExportOptions, ImportOptions } from './data/keyset.ts'
export type { PlainRecord, RecordCodec, RecordField, RecordOptions } from './data/records.ts'
export type { BlindIndex, HashOptions } from './data/search/blind-index.ts'
export type { CustomNormaliser, NormaliserName } from './data/search/normalisers.ts'
export { ERROR_CODES, type ErrorCode, KeywrightError } from './errors.ts'
export type { DrillOptions, DrillReport, LostKey } from './jobs/drill.ts'
export type { JobOptions, JobProgress, JobReport } from './jobs/job.ts'
export type { Jobs } from './jobs/jobs.ts'
export type { KeyReport, KeyStep } from './jobs/key-log.ts'
export type { LifecycleOutcome, LifecycleReport, RunLifecycleOptions } from './jobs/lifecycle/lifecycle.ts'
export type {
  LifecycleEvent,
  LifecycleStep,
  LifecycleTask,
  StepFailure,
  StepOutcome,
} from './jobs/lifecycle/task.ts'
export type { WatchEvent, WatchLifecycleOptions } from './jobs/lifecycle/watch-options.ts'
export type { MigrationPlan } from './jobs/migrate/plan.ts'
export type {
  MigrateOptions,
  PlanMigrationOptions,
  ReverseMigrationOptions,
  VerifyMigrationOptions,
} from './jobs/migrate/request.ts'
export type { MigrationReport } from './jobs/migrate/run.ts'
export type { VerificationReport } from './jobs/migrate/verify.ts'
export type { MoveOptions, MoveReport } from './jobs/move.ts'
export type { MoveCounts, MovePlan, MoveRequest } from './jobs/move-plan.ts'
export type { MoveOutcome, MoveStep } from './jobs/move-run.ts'
export type { MoveState } from './jobs/move-state.ts'
export type { ColumnBinding, DataPlace, FolderPlace, IndexBinding, RowsPlace } from './jobs/places.ts'
export type { FlowEvent, WaitOptions } from './jobs/queue/follow.ts'
export type { QueueOptions, QueueRequest, WorkQueue } from './jobs/queue/queue.ts'
export type { FailedRange, FlowOutcome, FlowPlace, FlowReport } from './jobs/queue/report.ts'
export type { FlowStatus, QueueStatus } from './jobs/queue/status.ts'
export type { QueueWorker } from './jobs/queue/worker.ts'
export type { WorkerEvent, WorkerOptions } from './jobs/queue/worker-options.ts'
export type { RepairOptions, RepairReport } from './jobs/repair.ts'
export type { RollbackOptions, RollbackReport } from './jobs/rollback.ts'
export type { KeyDistribution } from './jobs/search/distribution.ts'
export type { IndexReport, IndexReportOptions } from './jobs/search/index-report.ts'
export type { ReindexOptions, ReindexReport } from './jobs/search/reindex.ts'
export type { KeySelection } from './jobs/selection.ts'
export type { CensusOptions, CensusProgress, CensusReport } from './jobs/values/census.ts'
export type { ColumnCensus, PlaceCensus } from './jobs/values/census-count.ts'
export type { KeyCensus } from './jobs/values/census-keys.ts'
export type { ColumnCounts, ValueCounts } from './jobs/values/counts.ts'
export type { PlaceResult, ValueProgress } from './jobs/values/engine.ts'
export type { ReencryptOptions, ReencryptReport } from './jobs/values/reencrypt.ts'
export type { ColumnPlan, PlacePlan, PlanOptions, ReencryptPlan } from './jobs/values/reencrypt-plan.ts'
export type { ValueSelection } from './jobs/values/selection.ts'
export type { CensusRecord, KeyCount } from './keys/census.ts'
export type { DestroyVerdict } from './keys/destroy-gate.ts'
export type { Health, HealthCheck, HealthState } from './keys/health.ts'
export type { KeyManager, RevocationReport, RotationReport } from './keys/manager.ts'
export type { KeyInfo, KeyStatistics } from './keys/views.ts'
export type { WrapStatus } from './keys/wrap-status.ts'
export type { IndexOptions } from './keywright/declared-index.ts'
export type { KeywrightParts } from './keywright/parts.ts'
export type { EncryptOptions, Keywright } from './keywright.ts'
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
  KeysQuery,
  PageQuery,
  RowWrite,
  Source,
  SourceCallOptions,
  SourceCheckpoint,
  SourceColumn,
  SourceDescription,
  SourcePage,
  SourceRow,
  SourceValue,
  WriteOutcome,
  WriteRequest,
} from './source.ts'
export type {
  DocumentStore,
  KeyRecord,
  KeyRecordPage,
  KeyState,
  KeyStore,
  StoredDocument,
} from './store.ts'
