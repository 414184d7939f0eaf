/**
 * Whose requests they are: Application Default Credentials, or a credential file or text that the options name.
 * https://cloud.google.com/docs/authentication/application-default-credentials
 */
import { readFile } from 'node:fs/promises'
import { KeywrightError } from '../../src/provider.ts'
import type { Auth, AuthClient, GaxLib } from './sdk.ts'

export interface CredentialOptions {
  /** Path of a JSON credential file. */
  readonly keyFilename?: string | undefined
  /** The content of such a file. */
  readonly credentials?: Readonly<Record<string, unknown>> | undefined
}

/** All that Encrypt, Decrypt and the key's metadata need. https://cloud.google.com/kms/docs/accessing-the-api */
const SCOPES = ['https://www.googleapis.com/auth/cloudkms']

/** The kinds of credentials that are taken as a file or text; the environment's own chain knows more. */
export const CREDENTIAL_TYPES = ['service_account', 'authorized_user', 'external_account'] as const

/** For a connection without TLS: nothing is looked up, and no credentials are sent. */
export const NO_AUTH = { getUniverseDomain: async () => undefined }

/**
 * Finds the credentials. Nothing is contacted. `projectId` keeps the library from asking gcloud and the metadata
 * server for one. Throws ERR_PROVIDER_UNAUTHENTICATED when the file cannot be used.
 */
export async function openAuth(gax: GaxLib, projectId: string, options: CredentialOptions): Promise<Auth> {
  const json = options.credentials ?? (await readCredentials(options.keyFilename))
  const given = json === undefined ? {} : { authClient: authClient(gax, json) }
  return new gax.GoogleAuth({ projectId, scopes: SCOPES, ...given })
}

async function readCredentials(path: string | undefined): Promise<Record<string, unknown> | undefined> {
  if (path === undefined) return undefined
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    // Not the path: somebody may have put the credentials themselves there.
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    throw unusable(`the file that "keyFilename" names cannot be read (${code})`)
  }
  try {
    const json: unknown = JSON.parse(text)
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>
  } catch {
    // What JSON.parse says shows a part of the text, which is a private key.
  }
  throw unusable('the file that "keyFilename" names is no JSON object')
}

/** Never shows what is in `json`, nor an error of the library, which may. */
function authClient({ googleAuthLibrary: library }: GaxLib, json: Record<string, unknown>): AuthClient {
  try {
    const client = clientOf(library, json)
    if (client !== null) return client
  } catch {
    throw unusable('the credentials lack a field, or one of them is malformed')
  }
  throw unusable(`the credentials are none of: ${CREDENTIAL_TYPES.join(', ')}`)
}

/** Not by the library's `fromJSON`, which warns on the console of untrusted files: this one is the operator's own. */
function clientOf(library: GaxLib['googleAuthLibrary'], json: Record<string, unknown>): AuthClient | null {
  switch (json['type']) {
    case 'service_account': {
      const client = new library.JWT({ scopes: SCOPES })
      client.fromJSON(json)
      return client
    }
    case 'authorized_user':
      return library.UserRefreshClient.fromJSON(json)
    case 'external_account':
      return federated(library, json)
    default:
      return null
  }
}

/** Workload identity federation. A source that is a program to run is left to the environment's own chain. */
function federated(
  { AwsClient, IdentityPoolClient }: GaxLib['googleAuthLibrary'],
  json: Record<string, unknown>,
): AuthClient | null {
  const source = Object(json['credential_source']) as Record<string, unknown>
  if (source['executable'] !== undefined) return null
  const Client = source['environment_id'] === undefined ? IdentityPoolClient : AwsClient
  return new Client({ ...json, scopes: SCOPES })
}

function unusable(message: string): KeywrightError {
  return new KeywrightError('ERR_PROVIDER_UNAUTHENTICATED', `gcp-kms: ${message}`, {
    hint: 'correct ENCRYPTION_GCP_KEY_FILE or ENCRYPTION_GCP_CREDENTIALS; other kinds of credentials go by GOOGLE_APPLICATION_CREDENTIALS',
  })
}
