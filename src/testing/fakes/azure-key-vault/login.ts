/**
 * Who may do what in the fake, and the tokens for it: Microsoft Entra's client credentials flow, and the local token
 * endpoint that App Service gives to managed identities.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Reply } from './answers.ts'

/** What a caller may be permitted, in the words of access policies. */
export const PERMISSIONS = [
  'get',
  'list',
  'create',
  'update',
  'delete',
  'recover',
  'purge',
  'wrapKey',
  'unwrapKey',
  'rotate',
  'getrotationpolicy',
  'setrotationpolicy',
] as const
export type Permission = (typeof PERMISSIONS)[number]

export interface Principal {
  readonly clientId: string
  readonly clientSecret: string
  permissions: ReadonlySet<Permission>
}

interface Token {
  readonly principal: Principal
  readonly expiresAt: number
}

/** The token that clients of an emulator send: it may do everything. */
const EMULATOR_TOKEN = 'keywright-emulator'
const RESOURCE = 'https://vault.azure.net'
/** https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference */
const IDENTITY_API = '2019-08-01'

export class FakeLogin {
  readonly tenantId = randomUUID()
  /** What the local token endpoint asks for in the header X-IDENTITY-HEADER. */
  readonly identityHeader = randomUUID()
  /** How long the tokens live that are issued from now on, in seconds. */
  lifetimeS = 3600
  /** Tokens issued so far. */
  issued = 0
  readonly #principals: Principal[] = []
  readonly #tokens = new Map<string, Token>()
  readonly #emulator: Principal = { clientId: '', clientSecret: '', permissions: new Set(PERMISSIONS) }

  /** Someone who can log in. */
  addPrincipal(permissions: readonly Permission[] = PERMISSIONS): Principal {
    const clientSecret = randomBytes(24).toString('base64url')
    const principal = { clientId: randomUUID(), clientSecret, permissions: new Set(permissions) }
    this.#principals.push(principal)
    return principal
  }

  /** Whose token it is; undefined for one that is unknown, has ended or was revoked. */
  principalOf(token: string): Principal | undefined {
    if (token === EMULATOR_TOKEN) return this.#emulator
    const known = this.#tokens.get(token)
    return known === undefined || known.expiresAt <= Date.now() ? undefined : known.principal
  }

  /** Ends every token that was issued until now. */
  revokeTokens(): void {
    this.#tokens.clear()
  }

  /** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#first-case-access-token-request-with-a-shared-secret */
  clientCredentials(form: URLSearchParams): Reply {
    const principal = this.#principals.find(({ clientId }) => clientId === form.get('client_id'))
    if (
      form.get('grant_type') !== 'client_credentials' ||
      form.get('scope')?.includes(`${RESOURCE}/.default`) !== true
    ) {
      return refused(400, 'invalid_request', 'AADSTS900144: The request body is missing a parameter.')
    }
    if (principal === undefined)
      return refused(400, 'unauthorized_client', 'AADSTS700016: Application was not found.')
    if (form.get('client_secret') !== principal.clientSecret) {
      return refused(401, 'invalid_client', 'AADSTS7000215: Invalid client secret provided.')
    }
    const { lifetimeS } = this
    const body = { token_type: 'Bearer', expires_in: lifetimeS, ext_expires_in: lifetimeS }
    return { status: 200, body: { ...body, access_token: this.issue(principal) } }
  }

  /** What the login library asks for first. https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc */
  discovery(origin: string): Reply {
    const base = `${origin}/${this.tenantId}`
    return {
      status: 200,
      body: {
        issuer: `${base}/v2.0`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        jwks_uri: `${base}/discovery/v2.0/keys`,
      },
    }
  }

  /** The token endpoint of managed identities; the first principal is the identity of this machine. */
  managedIdentity(query: URLSearchParams, header: string | undefined): Reply {
    if (header !== this.identityHeader)
      return refused(401, 'unauthorized', 'The header X-IDENTITY-HEADER is wrong.')
    if (query.get('api-version') !== IDENTITY_API || query.get('resource') !== RESOURCE) {
      return refused(400, 'invalid_request', 'The parameters api-version and resource are required.')
    }
    const wanted = query.get('client_id')
    const principal = this.#principals.find(({ clientId }) => wanted === null || clientId === wanted)
    if (principal === undefined) return refused(400, 'invalid_request', 'Identity not found.')
    const expires = Math.floor(Date.now() / 1000) + this.lifetimeS
    const body = {
      expires_on: String(expires),
      resource: RESOURCE,
      token_type: 'Bearer',
      client_id: principal.clientId,
    }
    return { status: 200, body: { ...body, access_token: this.issue(principal) } }
  }

  /** A token without a login, for tests that hand it over themselves. */
  issue(principal: Principal): string {
    const token = randomBytes(32).toString('base64url')
    this.issued++
    this.#tokens.set(token, { principal, expiresAt: Date.now() + this.lifetimeS * 1000 })
    return token
  }
}

const refused = (status: number, error: string, description: string): Reply => ({
  status,
  body: { error, error_description: description, error_codes: [], trace_id: '', correlation_id: '' },
})
