/** A JWT issuer and a Kubernetes API server, as far as Vault's login methods look at them. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** PEM, for `jwt_validation_pubkeys`. */
export const jwtPublicKey: string = publicKey.export({ format: 'pem', type: 'spki' }).toString()

/** A token signed by RS256 with these claims, good for a minute. */
export function makeJwt(claims: Readonly<Record<string, unknown>>): string {
  const now = Math.floor(Date.now() / 1000)
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ iat: now, exp: now + 60, ...claims })}`
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`
}

export interface TokenReviewer extends AsyncDisposable {
  readonly endpoint: string
}

/**
 * Knows exactly the given service account token:
 * https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 */
export async function startTokenReviewer(known: string): Promise<TokenReviewer> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const { spec } = JSON.parse(body) as { spec?: { token?: string } }
    const user = {
      username: 'system:serviceaccount:prod:app',
      uid: 'uid-1',
      groups: ['system:serviceaccounts'],
    }
    const status =
      spec?.token === known ? { authenticated: true, user } : { authenticated: false, error: 'unknown' }
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec, status }
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(review))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
