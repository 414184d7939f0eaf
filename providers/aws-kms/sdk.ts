/**
 * The part of `@aws-sdk/client-kms` that the provider needs, so that our declarations do not import it and a user may
 * pass a module of his own. The compiler compares it with the real client where that is imported.
 */

/** Credentials as every provider of the SDK brings them. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** They are asked for anew shortly before this time. */
  readonly expiration?: Date
}

/** Asked before the first call, and again before what it gave expires. */
export type AwsCredentialProvider = () => Promise<AwsCredentials>

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html */
export interface AwsKeyMetadata {
  readonly Arn?: string | undefined
  readonly KeyState?: string | undefined
  readonly KeyUsage?: string | undefined
  readonly KeySpec?: string | undefined
  readonly CreationDate?: Date | undefined
  readonly CurrentKeyMaterialId?: string | undefined
  readonly DeletionDate?: Date | undefined
  /** When imported key material ends. */
  readonly ValidTo?: Date | undefined
  readonly MultiRegionConfiguration?:
    | { readonly PrimaryKey?: { readonly Region?: string | undefined } | undefined }
    | undefined
}

export interface AwsCallOptions {
  abortSignal?: AbortSignal
}

/** The service's name for AES-256-GCM under a symmetric key. */
export const ALGORITHM = 'SYMMETRIC_DEFAULT'
type Algorithm = typeof ALGORITHM

type Context = Record<string, string>

interface EncryptRequest {
  KeyId: string
  Plaintext: Uint8Array
  EncryptionContext: Context
  EncryptionAlgorithm: Algorithm
  GrantTokens?: string[]
}

interface DecryptRequest {
  KeyId: string
  CiphertextBlob: Uint8Array
  EncryptionContext: Context
  EncryptionAlgorithm: Algorithm
  GrantTokens?: string[]
}

interface ReEncryptRequest {
  CiphertextBlob: Uint8Array
  SourceKeyId: string
  SourceEncryptionContext: Context
  SourceEncryptionAlgorithm: Algorithm
  DestinationKeyId: string
  DestinationEncryptionContext: Context
  DestinationEncryptionAlgorithm: Algorithm
  GrantTokens?: string[]
}

export interface AwsEncryptReply {
  readonly CiphertextBlob?: Uint8Array | undefined
  readonly KeyId?: string | undefined
  readonly EncryptionAlgorithm?: string | undefined
}

export interface AwsDecryptReply {
  readonly Plaintext?: Uint8Array | undefined
  readonly KeyId?: string | undefined
  readonly EncryptionAlgorithm?: string | undefined
  readonly KeyMaterialId?: string | undefined
}

export interface AwsReEncryptReply {
  readonly CiphertextBlob?: Uint8Array | undefined
  readonly SourceKeyId?: string | undefined
  readonly KeyId?: string | undefined
  readonly SourceKeyMaterialId?: string | undefined
  readonly DestinationKeyMaterialId?: string | undefined
}

export interface AwsRotation {
  readonly RotationDate?: Date | undefined
  readonly KeyMaterialState?: string | undefined
}

/** Sees each request with its address on the way out, and each answer with its headers on the way back. */
export type AwsMiddleware = <
  A extends { readonly request: unknown },
  R extends { readonly response: unknown },
>(
  next: (args: A) => Promise<R>,
) => (args: A) => Promise<R>

export interface AwsKmsClient {
  /** `credentials` brings what the client signs with. */
  readonly config: { readonly credentials?: (options: { forceRefresh: true }) => Promise<unknown> }
  encrypt(request: EncryptRequest, options?: AwsCallOptions): Promise<AwsEncryptReply>
  decrypt(request: DecryptRequest, options?: AwsCallOptions): Promise<AwsDecryptReply>
  reEncrypt(request: ReEncryptRequest, options?: AwsCallOptions): Promise<AwsReEncryptReply>
  describeKey(
    request: { KeyId: string; GrantTokens?: string[] },
    options?: AwsCallOptions,
  ): Promise<{ readonly KeyMetadata?: AwsKeyMetadata | undefined }>
  getKeyRotationStatus(
    request: { KeyId: string },
    options?: AwsCallOptions,
  ): Promise<{ readonly NextRotationDate?: Date | undefined }>
  listKeyRotations(
    request: { KeyId: string; IncludeKeyMaterial: 'ALL_KEY_MATERIAL' },
    options?: AwsCallOptions,
  ): Promise<{
    readonly Rotations?: readonly AwsRotation[] | undefined
    readonly Truncated?: boolean | undefined
  }>
  rotateKeyOnDemand(request: { KeyId: string }, options?: AwsCallOptions): Promise<unknown>
  createKey(
    request: { Description: string },
    options?: AwsCallOptions,
  ): Promise<{ readonly KeyMetadata?: AwsKeyMetadata | undefined }>
  createAlias(request: { AliasName: string; TargetKeyId: string }, options?: AwsCallOptions): Promise<unknown>
  scheduleKeyDeletion(
    request: { KeyId: string; PendingWindowInDays: number },
    options?: AwsCallOptions,
  ): Promise<unknown>
  readonly middlewareStack: {
    add(middleware: AwsMiddleware, options: { step: 'deserialize'; priority: 'low'; name: string }): void
  }
  destroy(): void
}

export interface AwsClientConfig {
  region: string
  /** One try: retries are the caller's. */
  maxAttempts: number
  endpoint?: string
  profile?: string
  credentials?: AwsCredentials | AwsCredentialProvider
}

export interface AwsKmsLib {
  readonly KMS: new (config: AwsClientConfig) => AwsKmsClient
}
