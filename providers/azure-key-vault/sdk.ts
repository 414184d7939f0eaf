/**
 * The parts of `@azure/keyvault-keys` and `@azure/identity` that the provider needs, so that our declarations do not
 * import them and a user may pass modules of his own.
 */

/** What the pipeline shows of an answer, successful or not. */
export interface AzureResponse {
  readonly status: number
  readonly headers: { get(name: string): string | undefined }
  readonly parsedBody?: unknown
}

export interface AzureCallOptions {
  abortSignal?: AbortSignal
  onResponse?: (response: AzureResponse) => void
}

export interface AzureAccessToken {
  readonly token: string
  /** Milliseconds since the epoch. */
  readonly expiresOnTimestamp: number
}

/** Whatever brings tokens: every credential of `@azure/identity` does. */
export interface AzureCredential {
  getToken(scopes: string | string[], options?: object): Promise<AzureAccessToken | null>
}

/** A key version as the service describes it. */
export interface AzureKey {
  readonly id?: string | undefined
  readonly keyType?: string | undefined
  readonly keyOperations?: readonly string[] | undefined
  readonly key?: { readonly n?: Uint8Array | undefined } | undefined
  readonly properties: {
    readonly enabled?: boolean | undefined
    readonly notBefore?: Date | undefined
    readonly expiresOn?: Date | undefined
    readonly createdOn?: Date | undefined
    readonly scheduledPurgeDate?: Date | undefined
  }
}

export interface AzureRotationPolicy {
  readonly lifetimeActions?:
    | readonly {
        readonly action: string
        readonly timeAfterCreate?: string | undefined
        readonly timeBeforeExpiry?: string | undefined
      }[]
    | undefined
}

export interface AzureKeyClient {
  getKey(name: string, options?: AzureCallOptions & { version?: string }): Promise<AzureKey>
  getDeletedKey(name: string, options?: AzureCallOptions): Promise<AzureKey>
  getKeyRotationPolicy(name: string): Promise<AzureRotationPolicy>
  rotateKey(name: string, options?: AzureCallOptions): Promise<AzureKey>
  createKey(
    name: string,
    keyType: string,
    options?: AzureCallOptions & { keySize?: number; keyOps?: string[] },
  ): Promise<AzureKey>
}

export interface AzureCryptographyClient {
  wrapKey(algorithm: string, key: Uint8Array, options?: AzureCallOptions): Promise<{ result?: Uint8Array }>
  unwrapKey(algorithm: string, key: Uint8Array, options?: AzureCallOptions): Promise<{ result?: Uint8Array }>
}

/**
 * What a CryptographyClient is made from. No `key`, so that nothing is computed locally; no dates, because the service
 * unwraps under an expired version and the client, by what it remembers of the dates, would not.
 */
export interface AzureKeyReference {
  id: string
  name: string
  properties: { vaultUrl: string; name: string; version: string }
}

export interface AzureKeysLib {
  KeyClient: new (vaultUrl: string, credential: AzureCredential, options?: object) => AzureKeyClient
  CryptographyClient: new (
    key: AzureKeyReference,
    credential: AzureCredential,
    options?: object,
  ) => AzureCryptographyClient
}

export interface AzureIdentityLib {
  DefaultAzureCredential: new (options?: object) => AzureCredential
  ManagedIdentityCredential: new (options?: object) => AzureCredential
  ClientSecretCredential: new (
    tenantId: string,
    clientId: string,
    clientSecret: string,
    options?: object,
  ) => AzureCredential
}
