/** Where Cloud KMS is reached when it is not its usual address: an emulator, a regional or a private endpoint. */
import { KeywrightError } from '../../src/provider.ts'

export interface Endpoint {
  /** An IPv6 address in brackets. */
  readonly host: string
  readonly port: number
  /** Without TLS. Then no credentials are sent either. */
  readonly insecure: boolean
}

const HTTPS_PORT = 443
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])$/i
const VARIABLE = 'ENCRYPTION_GCP_ENDPOINT'

/**
 * Reads `host:port`, `http://host:port` or `https://host:port`. Without a scheme it is TLS, but plain on the loopback
 * interface, as emulators are. Throws ERR_CONFIG_INVALID, for a plain connection to another host too unless
 * `allowInsecure`. The endpoint itself is not in the message: people put passwords into URLs.
 */
export function parseEndpoint(text: string, allowInsecure: boolean): Endpoint {
  const url = parse(text.includes('://') ? text : `bare://${text}`)
  const host = url.hostname.toLowerCase()
  const insecure = url.protocol === 'http:' || (url.protocol === 'bare:' && isLoopback(host))
  if (insecure && !isLoopback(host) && !allowInsecure) {
    throw invalid(
      'the endpoint is plain http on another host: data keys would be readable on the way',
      `use https:// in ${VARIABLE}; for an emulator in another container set ENCRYPTION_GCP_ALLOW_INSECURE=true`,
    )
  }
  if (url.port === '' && insecure)
    throw invalid('the endpoint has no port', `write host:port into ${VARIABLE}`)
  return { host, insecure, port: url.port === '' ? HTTPS_PORT : Number(url.port) }
}

function parse(text: string): URL {
  const hint = `write host:port, http://127.0.0.1:port or https://host into ${VARIABLE}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw invalid('the endpoint is no address', hint)
  const { hash, hostname, password, pathname, protocol, search, username } = url
  if (!['bare:', 'http:', 'https:'].includes(protocol)) throw invalid('the endpoint has another scheme', hint)
  if (username !== '' || password !== '') throw invalid('the endpoint holds a user name or password', hint)
  if (!HOST.test(hostname) || search !== '' || hash !== '' || !['', '/'].includes(pathname)) {
    throw invalid('the endpoint is more than a host and a port', hint)
  }
  return url
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `gcp-kms: ${message}`, { hint })
}
