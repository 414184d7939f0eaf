/** What a user of the Vault provider may say. */
import type { LibImport } from '../../src/provider.ts'

/** How the provider proves who it is. */
export type AuthMethod = 'token' | 'token-file' | 'approle' | 'kubernetes' | 'jwt'

/** The part of a node-vault client that is used. */
export interface NodeVaultClient {
  namespace?: string
  pathPrefix?: string
  token: string
  request(request: {
    path: string
    method: string
    headers: Readonly<Record<string, string>>
    json?: unknown
    exchange: unknown
  }): Promise<unknown>
}

/** The part of node-vault that is used, so that our declarations do not need it. */
export interface NodeVaultLib {
  readonly default: (options: {
    readonly apiVersion: string
    readonly endpoint: string
    readonly 'request-promise': unknown
    readonly debug: () => void
  }) => NodeVaultClient
}

export interface VaultOptions {
  /** Instance name, stored with every wrap. @default 'vault' */
  readonly name?: string
  /** `https://host:8200`. http only to loopback, unless `allowInsecure`. */
  readonly url: string
  /** Name of the Transit key: an AEAD type (aes256-gcm96, chacha20-poly1305, xchacha20-poly1305). */
  readonly keyId: string
  /** Wraps under this version in place of the latest one. Such a provider does not rotate. */
  readonly keyVersion?: number | string
  /** Where the Transit engine is mounted. @default 'transit' */
  readonly mount?: string
  /** Namespace of the engine and of the login (Vault Enterprise, HCP, OpenBao). */
  readonly namespace?: string
  /** The key was made with `derived=true`: the context is sent as `context` too. @default false */
  readonly derived?: boolean
  /** How to log in. Default: by the credentials that are given; kubernetes must be named. */
  readonly auth?: AuthMethod
  /** Where the auth method is mounted. @default its name */
  readonly authMount?: string
  /** A token. It is renewed while it can be. */
  readonly token?: string
  /** Path of a file with a token that another program renews, such as Vault Agent; read again when it ends. */
  readonly tokenFile?: string
  /** AppRole. */
  readonly roleId?: string
  /** AppRole; roles with `bind_secret_id=false` have none. */
  readonly secretId?: string
  /** Path of a file with the secret id, read at each login. */
  readonly secretIdFile?: string
  /** Role of the kubernetes or jwt method. */
  readonly role?: string
  /** A JWT for the jwt method. */
  readonly jwt?: string
  /** Path of a file with a JWT, read at each login. @default the service account's token, for kubernetes */
  readonly jwtFile?: string
  /** Path of the CA certificates, PEM, that the server's certificate is checked against. @default Node's */
  readonly caCert?: string
  /** Path of a client certificate, PEM. */
  readonly clientCert?: string
  /** Path of its key, PEM. */
  readonly clientKey?: string
  /** The name that the server's certificate must have, where it is not the URL's. */
  readonly tlsServerName?: string
  /** Allows http to other machines. @default false */
  readonly allowInsecure?: boolean
  /** Makes the Transit key when there is none at the first use (not the mount). @default false */
  readonly create?: boolean
  /** `node-vault`, or what brings it. @default import('node-vault') */
  readonly lib?: LibImport<NodeVaultLib>
}
