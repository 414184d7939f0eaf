/**
 * Signature Version 4, checked as the service checks it.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from './refusal.ts'

/** Who may call, and what. */
export interface Identity {
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** Actions as IAM writes them, 'kms:Encrypt'. Absent: all. */
  readonly actions?: readonly string[]
}

/** Temporary credentials as a container's endpoint hands them out. */
export interface IssuedCredentials {
  readonly AccessKeyId: string
  readonly SecretAccessKey: string
  readonly Token: string
  readonly Expiration: string
}

/** A caller that was recognised. */
export interface Caller {
  readonly identity: Identity
  readonly accessKeyId: string
  readonly region: string
}

const HOUR_MS = 3_600_000
const MOST_SKEW_MS = 300_000
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/kms\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/

/** The identities of a fake, by access key id. */
export class Identities {
  readonly #known = new Map<string, Identity>()
  readonly #expired = new Set<string>()

  add(accessKeyId: string, identity: Identity): void {
    this.#known.set(accessKeyId, identity)
  }

  /** New temporary credentials, good for an hour unless they are expired. */
  issue(): IssuedCredentials {
    const AccessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`
    const SecretAccessKey = randomBytes(20).toString('hex')
    const Token = randomBytes(48).toString('base64')
    this.add(AccessKeyId, { secretAccessKey: SecretAccessKey, sessionToken: Token })
    return { AccessKeyId, SecretAccessKey, Token, Expiration: new Date(Date.now() + HOUR_MS).toISOString() }
  }

  /** Ends all temporary credentials now, whatever was said of their end. */
  expire(): void {
    for (const [id, { sessionToken }] of this.#known) if (sessionToken !== undefined) this.#expired.add(id)
  }

  /** Who signed the request. Throws the refusals that KMS has for those it does not know. */
  recognise(headers: IncomingHttpHeaders, body: string): Caller {
    const { authorization } = headers
    if (authorization === undefined)
      throw new Refusal('MissingAuthenticationToken', 'Missing Authentication Token')
    const [, accessKeyId = '', date = '', region = '', names = '', signature = ''] =
      AUTHORIZATION.exec(authorization) ?? []
    if (signature === '') throw new Refusal('IncompleteSignature', 'the Authorization header is not complete')
    const identity = this.#known.get(accessKeyId)
    if (identity === undefined || identity.sessionToken !== headers['x-amz-security-token']) {
      throw new Refusal(
        'UnrecognizedClientException',
        'The security token included in the request is invalid.',
      )
    }
    if (this.#expired.has(accessKeyId)) {
      throw new Refusal('ExpiredTokenException', 'The security token included in the request is expired')
    }
    const time = String(headers['x-amz-date'])
    const scope = `${date}/${region}/kms/aws4_request`
    const request = canonicalRequest(headers, names, body)
    const text = ['AWS4-HMAC-SHA256', time, scope, sha256(request)].join('\n')
    const expected = hmac(signingKey(identity.secretAccessKey, date, region), text)
    const isSigned = timingSafeEqual(expected, Buffer.from(signature, 'hex'))
    if (!isSigned || !time.startsWith(date) || !isNow(time) || !coversEnough(names, headers)) {
      throw new Refusal('InvalidSignatureException', 'The request signature we calculated does not match.')
    }
    return { accessKeyId, identity, region }
  }
}

function canonicalRequest(headers: IncomingHttpHeaders, names: string, body: string): string {
  const lines = names
    .split(';')
    .map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}\n`)
  return ['POST', '/', '', lines.join(''), names, sha256(body)].join('\n')
}

/** What decides over the call has to be signed. */
function coversEnough(names: string, headers: IncomingHttpHeaders): boolean {
  const signed = names.split(';')
  const decisive = ['host', 'x-amz-date', 'x-amz-target', 'x-amz-security-token']
  return decisive.every((name) => headers[name] === undefined || signed.includes(name))
}

/** '20261122T081449Z' */
function isNow(time: string): boolean {
  const iso = time.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5')
  return Math.abs(Date.parse(iso) - Date.now()) < MOST_SKEW_MS
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: Uint8Array | string, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest()

function signingKey(secret: string, date: string, region: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), 'kms'), 'aws4_request')
}
