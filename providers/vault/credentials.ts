/**
 * Ways to a token:
 *
 * - https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle
 * - https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#login
 * - https://developer.hashicorp.com/vault/api-docs/auth/jwt#jwt-login
 */
import { readFile } from 'node:fs/promises'
import { KeywrightError } from '../../src/provider.ts'
import { CORRUPTED, failure, LOGIN_REFUSED } from './failures.ts'
import type { AuthMethod } from './options.ts'
import type { VaultReply, VaultServer } from './server.ts'
import { isToken, VARIABLES, type VaultSettings } from './settings.ts'

/** A token as the server gave it. */
export interface Grant {
  readonly token: string
  readonly isRenewable: boolean
  /** 0 when it does not end, or when that is not known. */
  readonly leaseSeconds: number
}

export interface Credentials {
  /** Another token can be had when this one ends. */
  readonly isReplaceable: boolean
  /** Throws ERR_PROVIDER_UNAUTHENTICATED where the credentials are not accepted or not there. */
  login(signal: AbortSignal): Promise<Grant>
}

type FileOption = 'tokenFile' | 'secretIdFile' | 'jwtFile'

const MAKE: Readonly<Record<AuthMethod, (server: VaultServer, settings: VaultSettings) => Credentials>> = {
  token: (server, { token = '' }) => ({
    isReplaceable: false,
    login: (signal) => lookUp(server, token, signal),
  }),
  'token-file': (_, { tokenFile = '' }) => ({
    isReplaceable: true,
    async login() {
      const token = await readText('tokenFile', tokenFile)
      if (isToken(token)) return { token, isRenewable: false, leaseSeconds: 0 }
      throw unreadable('tokenFile', tokenFile, 'does not hold a token')
    },
  }),
  approle: (server, settings) =>
    byLogin(server, settings, async () => {
      const { roleId, secretIdFile } = settings
      const secretId =
        secretIdFile === undefined ? settings.secretId : await readText('secretIdFile', secretIdFile)
      return { role_id: roleId, ...(secretId === undefined ? {} : { secret_id: secretId }) }
    }),
  kubernetes: (server, settings) => byLogin(server, settings, () => jwtLogin(settings)),
  jwt: (server, settings) => byLogin(server, settings, () => jwtLogin(settings)),
}

/** The credentials that the settings name. */
export function credentialsOf(server: VaultServer, settings: VaultSettings): Credentials {
  return MAKE[settings.auth](server, settings)
}

async function jwtLogin({ jwt, jwtFile, role }: VaultSettings): Promise<Record<string, unknown>> {
  return { role, jwt: jwtFile === undefined ? jwt : await readText('jwtFile', jwtFile) }
}

function byLogin(
  server: VaultServer,
  { authMount }: VaultSettings,
  bodyOf: () => Promise<Readonly<Record<string, unknown>>>,
): Credentials {
  return {
    isReplaceable: true,
    async login(signal) {
      const body = await bodyOf()
      try {
        return grantOf(
          await server.request({ method: 'POST', path: `auth/${authMount}/login`, body, signal }),
        )
      } catch (error) {
        // 400 and 403 stand for every kind of wrong credentials, 404 for an auth method that is not there.
        const status = error instanceof KeywrightError ? error.details['status'] : undefined
        if (typeof status !== 'number' || ![400, 401, 403, 404].includes(status)) throw error
        throw failure(LOGIN_REFUSED, { status })
      }
    },
  }
}

/** Until when a given token is good. A token that may not look itself up is taken as it is. */
async function lookUp(server: VaultServer, token: string, signal: AbortSignal): Promise<Grant> {
  try {
    const { data } = await server.request({ method: 'GET', path: 'auth/token/lookup-self', signal, token })
    const isEndless = data['expire_time'] === null || data['expire_time'] === undefined
    // In its last second the server says 0, which is also what it says of a token without an end.
    const leaseSeconds = isEndless ? 0 : Math.max(seconds(data['ttl']), 1)
    return { token, isRenewable: data['renewable'] === true, leaseSeconds }
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.details['status'] !== 403) throw error
    return { token, isRenewable: false, leaseSeconds: 0 }
  }
}

/** The token in an answer. Throws ERR_PROVIDER_CORRUPTED where there is none. */
export function grantOf({ auth }: VaultReply): Grant {
  const token = auth['client_token']
  if (typeof token !== 'string' || !isToken(token)) throw failure(CORRUPTED)
  return { token, isRenewable: auth['renewable'] === true, leaseSeconds: seconds(auth['lease_duration']) }
}

const seconds = (value: unknown): number => (typeof value === 'number' && value > 0 ? value : 0)

async function readText(option: FileOption, path: string): Promise<string> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).trim()
  } catch {
    throw unreadable(option, path, 'cannot be read')
  }
  if (text === '') throw unreadable(option, path, 'is empty')
  return text
}

function unreadable(option: FileOption, path: string, problem: string): KeywrightError {
  return new KeywrightError(
    'ERR_PROVIDER_UNAUTHENTICATED',
    `the credentials file of the vault provider ${problem}: ${path}`,
    { hint: `correct ${VARIABLES[option]}, or let what writes the file write it`, details: { option } },
  )
}
