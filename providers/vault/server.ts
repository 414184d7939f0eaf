/** Calls of one Vault or OpenBao server through node-vault: path and body in, checked JSON or our error out. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { importLib, once, type ServerFacts } from '../../src/provider.ts'
import { assertNotAborted } from '../local/call.ts'
import { CORRUPTED, failure, toFailure } from './failures.ts'
import type { NodeVaultClient } from './options.ts'
import { invalid, type VaultSettings } from './settings.ts'
import { createTransport, type Exchange, type TlsSettings, type Transport } from './transport.ts'

export interface VaultRequest {
  readonly method: 'GET' | 'POST'
  /** Without /v1 and without a slash in front. Made of checked names only: node-vault does not escape it. */
  readonly path: string
  readonly body?: Readonly<Record<string, unknown>>
  /** Sent as X-Vault-Token. */
  readonly token?: string
  readonly signal?: AbortSignal | undefined
}

export interface VaultReply {
  /** The answer's `data`; empty where there is none. */
  readonly data: Readonly<Record<string, unknown>>
  /** Its `auth`: the token of a login or a renewal. */
  readonly auth: Readonly<Record<string, unknown>>
  readonly facts: ServerFacts
}

interface Opened {
  readonly client: NodeVaultClient
  readonly transport: Transport
}

export class VaultServer {
  readonly #opened = once(() => this.#open())
  readonly #settings: VaultSettings

  constructor(settings: VaultSettings) {
    this.#settings = settings
  }

  /** Throws KeywrightError with the codes of failures.ts, ERR_ABORTED, ERR_PROVIDER_TIMEOUT. */
  async request({ body, method, path, signal, token }: VaultRequest): Promise<VaultReply> {
    const { client } = await this.#opened.get()
    const exchange: Exchange = { signal }
    try {
      const answer = await client.request({
        path: `/${path}`,
        method,
        // A header for each call: the client has one token for all, which a login would replace under a call's feet.
        headers: token === undefined ? {} : { 'X-Vault-Token': token },
        ...(body === undefined ? {} : { json: body }),
        exchange,
      })
      if (!isObject(answer) && answer !== '') throw failure(CORRUPTED)
      const { auth, data } = Object(answer) as { auth?: unknown; data?: unknown } // 204 has no body
      return {
        data: isObject(data) ? data : {},
        auth: isObject(auth) ? auth : {},
        facts: exchange.facts ?? {},
      }
    } catch (error) {
      assertNotAborted(signal)
      throw toFailure(error)
    }
  }

  /** Ends idle connections. */
  async close(): Promise<void> {
    const opened = await this.#opened.peek()?.catch(() => undefined)
    opened?.transport.close()
  }

  async #open(): Promise<Opened> {
    const { lib, namespace, url } = this.#settings
    const { default: nodeVault } = await importLib('node-vault', lib, () => import('node-vault'))
    const transport = createTransport(this.#settings.isTls ? await readTls(this.#settings) : undefined)
    const client = nodeVault({
      apiVersion: 'v1',
      endpoint: url,
      'request-promise': transport.requestPromise,
      debug: () => {}, // it would print data keys where DEBUG=node-vault is set
    })
    // Without these it takes VAULT_NAMESPACE, VAULT_PREFIX and VAULT_TOKEN from the environment.
    client.namespace = namespace ?? ''
    client.pathPrefix = ''
    client.token = ''
    return { client, transport }
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function readTls(settings: VaultSettings): Promise<TlsSettings> {
  const { caCert, clientCert, clientKey, tlsServerName } = settings
  const ca = await readPem('caCert', caCert)
  const cert = await readPem('clientCert', clientCert)
  const key = await readPem('clientKey', clientKey)
  return {
    secureContext: secureContextOf(ca, cert, key),
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
  }
}

function secureContextOf(
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): SecureContext {
  try {
    if (ca !== undefined) new X509Certificate(ca)
  } catch {
    throw invalid('caCert', 'names a file without a PEM certificate')
  }
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    })
  } catch {
    throw invalid('clientCert', 'and "clientKey" name files that are no PEM certificate and its key')
  }
}

async function readPem(
  option: 'caCert' | 'clientCert' | 'clientKey',
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch {
    throw invalid(option, 'names a file that cannot be read')
  }
}
