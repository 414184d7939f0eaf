/** What this provider uses of @google-cloud/kms and google-gax, so that its types need neither to be installed. */
import { createRequire } from 'node:module'
import { importLib, KeywrightError, type LibImport } from '../../src/provider.ts'

const KMS = '@google-cloud/kms'
const GAX = 'google-gax'

/** A promise of google-gax. */
export interface GaxPromise<T> extends Promise<readonly [T, ...unknown[]]> {
  cancel?(): void
}

/** A method of the client below its logging: see connection.ts for why. */
export type ApiCall = (request: object, options: object) => GaxPromise<unknown>

/** The part of KeyManagementServiceClient that is used. */
export interface KmsClient {
  initialize(): Promise<{ close(): void }>
  readonly innerApiCalls: Readonly<Record<string, ApiCall>>
}

/** The part of @google-cloud/kms that is used. */
export interface KmsLib {
  readonly KeyManagementServiceClient: new (options: object) => KmsClient
}

/** What signs requests: a client of google-auth-library. */
export interface AuthClient {
  getRequestHeaders(url?: string): Promise<Iterable<readonly [string, string]>>
}

/** Finds the AuthClient: what is given, else Application Default Credentials. */
export interface Auth {
  getClient(): Promise<AuthClient>
}

/** The part of google-gax that is used. */
export interface GaxLib {
  readonly GoogleAuth: new (options: object) => Auth
  readonly googleAuthLibrary: {
    readonly JWT: new (options: object) => AuthClient & { fromJSON(json: object): void }
    readonly UserRefreshClient: { fromJSON(json: object): AuthClient }
    readonly IdentityPoolClient: new (options: object) => AuthClient
    readonly AwsClient: new (options: object) => AuthClient
  }
  readonly grpc: {
    readonly credentials: {
      createInsecure(): object
      createSsl(rootCertificates?: Buffer): object
      createFromGoogleCredential(credential: object): object
      combineChannelCredentials(channel: object, ...calls: object[]): object
    }
  }
}

export interface Sdk {
  readonly kms: KmsLib
  readonly gax: GaxLib
}

/** Loads both libraries. Throws ERR_DEPENDENCY_MISSING. */
export async function loadSdk(
  kms: LibImport<unknown> | undefined,
  gax: LibImport<unknown> | undefined,
): Promise<Sdk> {
  return {
    kms: (await importLib(KMS, kms, () => import('@google-cloud/kms'))) as KmsLib,
    gax: (await loadGax(gax)) as GaxLib,
  }
}

/**
 * The copy that @google-cloud/kms itself loads: its gRPC takes no credentials made by another copy, and users
 * need not install it.
 */
async function loadGax(gax: LibImport<unknown> | undefined): Promise<unknown> {
  if (gax !== undefined) return importLib(GAX, gax, async () => undefined)
  try {
    return createRequire(createRequire(import.meta.url).resolve(KMS))(GAX)
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', `cannot import ${GAX}`, {
      hint: `npm install ${GAX}, or pass the copy that ${KMS} uses as the "gax" option`,
    })
  }
}
