/**
 * The connection to Cloud KMS: opened by the first call, replaced when it seems dead, with credentials that are
 * fetched anew when the service does not accept them any more.
 */
import { readFile } from 'node:fs/promises'
import { KeywrightError, type LibImport, once } from '../../src/provider.ts'
import { abortable, assertNotAborted } from './abort.ts'
import { type CredentialOptions, NO_AUTH, openAuth } from './credentials.ts'
import type { Endpoint } from './endpoint.ts'
import { statusOf } from './errors.ts'
import { type Auth, type GaxPromise, type KmsClient, loadSdk, type Sdk } from './sdk.ts'

export interface ConnectionOptions extends CredentialOptions {
  readonly projectId: string
  /** @default the service's own address */
  readonly endpoint?: Endpoint | undefined
  /** Path of the certificates of who signed the endpoint's, in PEM. */
  readonly caCert?: string | undefined
  readonly lib?: LibImport<unknown> | undefined
  readonly gax?: LibImport<unknown> | undefined
}

/** A request goes to the place of what it names. */
export type KmsRequest = { readonly name: string } | { readonly parent: string }

/** One gRPC channel, with what tells whether it is alive. */
interface Channel {
  readonly client: KmsClient
  close(): void
  calls: number
  retired: boolean
  answeredAt: number
}

/** For callers without a signal. */
const CALL_TIMEOUT_MS = 30_000
const UNAVAILABLE = 14
const DEADLINE_EXCEEDED = 4
const UNAUTHENTICATED = 16

/** Retries are the caller's; a channel that failed is replaced, so it need not be shared nor wait long. */
const CHANNEL = {
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
}

/** Calls methods of Cloud KMS. Throws what google-gax throws, and KeywrightError of our own. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #sdk: { get(): Promise<Sdk>; forget(): void }
  readonly #auth: { get(): Promise<Auth>; forget(): void }
  readonly #channel: { get(): Promise<Channel>; peek(): Promise<Channel> | undefined; forget(): void }
  #closed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#sdk = once(() => loadSdk(options.lib, options.gax))
    this.#auth = once(async () => openAuth((await this.#sdk.get()).gax, options.projectId, options))
    this.#channel = once(() => this.#open())
  }

  /**
   * Calls a method. When the service does not accept the credentials, they are fetched anew and the call is made
   * once more: a key file that was replaced, or a token that was revoked before its time, heals by that.
   */
  async call<T>(method: string, request: KmsRequest, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await this.#callOnce<T>(method, request, signal)
    } catch (error) {
      if (statusOf(error) !== UNAUTHENTICATED || this.#options.endpoint?.insecure === true) throw error
      return this.#callOnce<T>(method, request, signal)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const opened = this.#channel.peek()
    this.#channel.forget()
    const channel = await opened?.catch(() => undefined)
    channel?.close()
  }

  async #callOnce<T>(method: string, request: KmsRequest, signal: AbortSignal | undefined): Promise<T> {
    assertNotAborted(signal)
    const startedAt = performance.now()
    const channel = await this.#usable(signal)
    channel.calls++
    try {
      const [reply] = await abortable(this.#send(channel, method, request), signal)
      channel.answeredAt = performance.now()
      return reply as T
    } catch (error) {
      this.#judge(channel, error, startedAt)
      throw error
    } finally {
      channel.calls--
      if (channel.retired && channel.calls === 0) channel.close()
    }
  }

  /** A channel may be retired between the moment it was there and the moment in which the waiting call goes on. */
  async #usable(signal: AbortSignal | undefined): Promise<Channel> {
    let channel: Channel | undefined
    while (channel === undefined || channel.retired) {
      if (this.#closed) throw closed()
      channel = await abortable(this.#channel.get(), signal)
    }
    if (this.#closed) throw closed()
    return channel
  }

  /**
   * The client's own methods print requests and replies, data keys included, when GOOGLE_SDK_NODE_LOGGING is set;
   * what they call does not. The header is what they would add: it routes the request to the key's location.
   * `retry: null`, or google-gax goes on for minutes.
   */
  #send(channel: Channel, method: string, request: KmsRequest): GaxPromise<unknown> {
    const call = channel.client.innerApiCalls[method]
    if (call === undefined) throw unsupported()
    const [route, place] = 'name' in request ? ['name', request.name] : ['parent', request.parent]
    const headers = { 'x-goog-request-params': `${route}=${encodeURIComponent(place)}` }
    return call(request, { otherArgs: { headers }, retry: null, timeout: CALL_TIMEOUT_MS })
  }

  /** The next call opens a new channel when this one gave no sign of life, new credentials when they were refused. */
  #judge(channel: Channel, error: unknown, startedAt: number): void {
    const status = statusOf(error)
    if (status !== undefined && status !== UNAVAILABLE && status !== DEADLINE_EXCEEDED) {
      channel.answeredAt = performance.now()
      if (status !== UNAUTHENTICATED) return
    } else if (channel.answeredAt >= startedAt && status !== UNAVAILABLE) return
    if (channel.retired) return
    channel.retired = true
    this.#channel.forget()
    if (status === UNAUTHENTICATED) this.#auth.forget()
  }

  async #open(): Promise<Channel> {
    const { gax, kms } = await this.#sdk.get()
    const { endpoint, projectId } = this.#options
    const insecure = endpoint?.insecure === true
    const auth = insecure ? NO_AUTH : await this.#auth.get()
    const sslCreds = await this.#channelCredentials(gax, auth)
    const client = new kms.KeyManagementServiceClient({
      ...CHANNEL,
      // Otherwise https_proxy would get what is meant for this machine, in clear.
      ...(insecure ? { 'grpc.enable_http_proxy': 0 } : {}),
      auth,
      fallback: false,
      projectId,
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint.host, port: endpoint.port }),
      ...(sslCreds === undefined ? {} : { sslCreds }),
    })
    // Awaited before the first call: a failure inside of one would be an unhandled rejection of the library.
    const stub = await client.initialize()
    return { answeredAt: 0, calls: 0, client, close: () => stub.close(), retired: false }
  }

  /** Undefined for TLS with the usual roots, which the client sets up itself. */
  async #channelCredentials(gax: Sdk['gax'], auth: object): Promise<object | undefined> {
    const { caCert, endpoint } = this.#options
    const { credentials } = gax.grpc
    if (endpoint?.insecure === true) return credentials.createInsecure()
    if (caCert === undefined) return undefined
    const roots = await readFile(caCert).catch(() => {
      throw new KeywrightError(
        'ERR_CONFIG_UNREADABLE',
        `gcp-kms: cannot read the CA certificate: ${caCert}`,
        {
          hint: 'correct ENCRYPTION_GCP_CACERT',
        },
      )
    })
    const google = credentials.createFromGoogleCredential({
      getRequestHeaders: async (url: string) => {
        const client = await (auth as Auth).getClient()
        return Object.fromEntries(await client.getRequestHeaders(url))
      },
    })
    return credentials.combineChannelCredentials(credentials.createSsl(roots), google)
  }
}

function closed(): KeywrightError {
  return new KeywrightError('ERR_CLOSED', 'gcp-kms: the provider is closed', { hint: 'open a new one' })
}

function unsupported(): KeywrightError {
  return new KeywrightError('ERR_PROVIDER_FAILED', 'gcp-kms: @google-cloud/kms lacks a method', {
    hint: 'install @google-cloud/kms 6.3 or later',
  })
}
