/**
 * Identities for a fake of Cloud KMS: a token service (RFC 8693, as sts.googleapis.com speaks it) and service accounts
 * that sign their own tokens, as google-auth-library uses both.
 */
import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import selfsigned from 'selfsigned'

export type Credentials = Readonly<Record<string, unknown>>

export interface Identities {
  /** Files in a folder that goes away with `stop`. */
  readonly folder: string
  readonly caCert: string
  readonly tls: { readonly key: string; readonly cert: string }
  permissionsOf(token: string | undefined): readonly string[] | undefined
  /** Credentials whose token comes from the token service. */
  federated(permissions: readonly string[]): Promise<Credentials>
  /** The key of a service account. */
  serviceAccount(permissions: readonly string[]): Credentials
  /** No token that was given out so far is accepted any more. */
  revokeTokens(): void
  /** How many tokens were given out. */
  tokens: number
  /** The token service refuses, or does not answer. */
  broken: 'refuses' | 'unreachable' | undefined
  readonly secrets: string[]
  stop(): Promise<void>
}

export const ALL = [
  'cloudkms.cryptoKeyVersions.useToEncrypt',
  'cloudkms.cryptoKeyVersions.useToDecrypt',
  'cloudkms.cryptoKeys.get',
  'cloudkms.cryptoKeyVersions.get',
  'cloudkms.cryptoKeyVersions.create',
  'cloudkms.cryptoKeys.update',
]

async function readBody(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

const part = (token: string, index: number): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString()) as Record<string, unknown>

export async function startIdentities(): Promise<Identities> {
  const folder = await mkdtemp(join(tmpdir(), 'keywright-gcp-'))
  const pair = await selfsigned.generate([{ name: 'commonName', value: 'localhost' }], {
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  const caCert = join(folder, 'ca.pem')
  await writeFile(caCert, pair.cert)
  const subjects = new Map<string, readonly string[]>()
  const tokens = new Map<string, readonly string[]>()
  const accounts = new Map<string, { publicKey: string; permissions: readonly string[] }>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (identities.broken === 'unreachable') return void request.socket.destroy()
    const body = await readBody(request)
    const permissions = subjects.get(body.get('subject_token') ?? '')
    const right = body.get('grant_type') === 'urn:ietf:params:oauth:grant-type:token-exchange'
    if (!right || permissions === undefined || identities.broken === 'refuses') {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ error: 'invalid_grant', error_description: 'The subject token is invalid.' }),
      )
      return
    }
    const token = `ya29.${randomBytes(24).toString('base64url')}`
    identities.secrets.push(token)
    identities.tokens++
    tokens.set(token, permissions)
    response.writeHead(200, { 'content-type': 'application/json' })
    const kind = 'urn:ietf:params:oauth:token-type:access_token'
    const reply = { access_token: token, expires_in: 3600, issued_token_type: kind, token_type: 'Bearer' }
    response.end(JSON.stringify(reply))
  }

  function signedPermissions(token: string): readonly string[] | undefined {
    const { exp, iss, scope } = part(token, 1)
    const account = accounts.get(String(iss))
    if (account === undefined || Number(exp) * 1000 < Date.now()) return undefined
    if (scope !== 'https://www.googleapis.com/auth/cloudkms') return undefined
    const [header, payload, signature = ''] = token.split('.')
    const key = createPublicKey(account.publicKey)
    const signed = Buffer.from(`${header}.${payload}`)
    const valid = verify('RSA-SHA256', signed, key, Buffer.from(signature, 'base64url'))
    return valid ? account.permissions : undefined
  }

  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0

  const identities: Identities = {
    folder,
    caCert,
    tls: { cert: pair.cert, key: pair.private },
    tokens: 0,
    broken: undefined,
    secrets: [],
    permissionsOf(token) {
      if (token === undefined) return undefined
      return token.split('.').length === 3 ? signedPermissions(token) : tokens.get(token)
    },
    async federated(permissions) {
      const subject = randomBytes(24).toString('base64url')
      const file = join(folder, `${randomBytes(4).toString('hex')}.token`)
      await writeFile(file, subject)
      subjects.set(subject, permissions)
      identities.secrets.push(subject)
      return {
        type: 'external_account',
        audience:
          '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/test',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `http://127.0.0.1:${port}/v1/token`,
        credential_source: { file },
      }
    },
    serviceAccount(permissions) {
      const keys = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
        publicKeyEncoding: { format: 'pem', type: 'spki' },
      })
      const email = `app-${accounts.size}@keywright-test.iam.gserviceaccount.com`
      accounts.set(email, { permissions, publicKey: keys.publicKey })
      identities.secrets.push(keys.privateKey.split('\n')[3] ?? '')
      return {
        type: 'service_account',
        client_email: email,
        private_key: keys.privateKey,
        private_key_id: 'k1',
      }
    },
    revokeTokens: () => tokens.clear(),
    async stop() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      await rm(folder, { force: true, recursive: true })
    },
  }
  return identities
}
