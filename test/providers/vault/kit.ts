/** What the tests of the Vault provider share. */
import { afterEach, expect } from 'vitest'
import vaultProvider, { type VaultOptions } from '../../../providers/vault.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { KeyProvider, WrapContext } from '../../../src/provider.ts'
import { type OpenBao, openbao, startOpenBao } from '../../../src/testing/native/openbao.ts'
import { codeOf, expectNoSecret, failureOf, wrapContext } from '../../conformance/provider-kit.ts'
import { serverFor } from '../../kit/servers.ts'
import type { Gate } from './gate.ts'

export const { skip } = await serverFor(openbao)
export const context: WrapContext = wrapContext()
export const dataKey: Uint8Array = new Uint8Array(64).fill(7)

/** One OpenBao a test file; `undefined` where it cannot be had and its tests are skipped. */
export async function startServerOnce(): Promise<OpenBao | undefined> {
  return skip === undefined ? startOpenBao() : undefined
}

const opened: { close?(): Promise<void> }[] = []

/** Closed with the test. */
export function closeLater<T extends { close?(): Promise<void> }>(provider: T): T {
  opened.push(provider)
  return provider
}

afterEach(async () => {
  for (const provider of opened.splice(0)) await provider.close?.()
})

/** A provider on the server's first key with the application's token, unless the options say something else. */
export function openVault(server: OpenBao, options: Partial<VaultOptions> = {}): KeyProvider {
  const env = server.env
  const isLogin = ['auth', 'tokenFile', 'roleId', 'jwt', 'jwtFile'].some((option) => option in options)
  return closeLater(
    vaultProvider({
      url: server.endpoint,
      keyId: env['ENCRYPTION_KEY_ID'] ?? '',
      ...(isLogin ? {} : { token: env['ENCRYPTION_VAULT_TOKEN'] ?? '' }),
      ...options,
    }),
  )
}

/** No server knows it, and no error may show it. */
export const unknownToken = 's.thistokenmustnotbeshown'

/** On a server that answers only what it is told. */
export const openAt = (url: string, options: Partial<VaultOptions> = {}): KeyProvider =>
  closeLater(vaultProvider({ url, keyId: 'app', token: unknownToken, ...options }))

/** The same through a gate. */
export const openThrough = (gate: Gate, server: OpenBao, options: Partial<VaultOptions> = {}): KeyProvider =>
  openVault(server, { url: gate.endpoint, ...options })

/** Wraps, unwraps and compares. */
export async function expectServes(provider: KeyProvider): Promise<void> {
  const wrapped = await provider.wrapKey(dataKey, context)
  expect(Buffer.from(await provider.unwrapKey(wrapped, context)).equals(dataKey)).toBe(true)
}

/** What the call rejects with has this code, names the setting in its hint, and shows no secret. */
export async function expectRefused(
  provider: KeyProvider,
  call: () => Promise<unknown>,
  code: ErrorCode,
  hint = '',
  secrets: readonly string[] = [],
): Promise<void> {
  const error = await failureOf(call)
  expect(codeOf(provider, error)).toBe(code)
  expect((error as { hint?: string }).hint ?? '').toContain(hint)
  expectNoSecret(error, [dataKey, ...secrets])
}

/** A token with these policies only. */
export async function tokenWith(
  server: OpenBao,
  policies: readonly string[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { auth } = await server.call('POST', 'auth/token/create', { policies, ...more })
  return String(auth?.['client_token'])
}

/** Names of the keys in the engine. */
export async function keyNames(server: OpenBao, mount = 'transit'): Promise<unknown> {
  const none = { data: { keys: [] } }
  const { data } = await server.call('GET', `${mount}/keys?list=true`).catch(() => none)
  return data?.['keys']
}
