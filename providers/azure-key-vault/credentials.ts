/** Where the provider's tokens come from. Credentials renew their tokens by themselves, before they end. */
import { importLib } from '../../src/provider.ts'
import type { AzureSettings } from './options.ts'
import type { AzureCredential, AzureIdentityLib } from './sdk.ts'

/** An emulator takes any token; a fixed one keeps real credentials away from it. */
const EMULATOR_TOKEN = 'keywright-emulator'
const EMULATOR_TOKEN_MS = 3_600_000

const emulatorCredential: AzureCredential = {
  getToken: async () => ({ token: EMULATOR_TOKEN, expiresOnTimestamp: Date.now() + EMULATOR_TOKEN_MS }),
}

/**
 * The credential that the options name. Throws ERR_DEPENDENCY_MISSING. A fresh options object for each, because
 * some credentials write into it.
 * https://learn.microsoft.com/javascript/api/overview/azure/identity-readme
 */
export async function openCredential(
  settings: AzureSettings,
  ca: string | undefined,
): Promise<AzureCredential> {
  const { clientId, clientSecret, credential, emulator, lib, tenantId } = settings
  if (typeof credential === 'object') return credential
  if (emulator === true && credential === undefined) return emulatorCredential
  const identity = await importLib<AzureIdentityLib>(
    '@azure/identity',
    lib?.identity,
    () => import('@azure/identity'),
  )
  const options = loginOptions(settings, ca)
  if (credential === 'managed-identity') {
    return new identity.ManagedIdentityCredential({
      ...options,
      ...(clientId === undefined ? {} : { clientId }),
    })
  }
  const hasSecret = tenantId !== undefined && clientId !== undefined && clientSecret !== undefined
  if (hasSecret && credential !== 'default') {
    return new identity.ClientSecretCredential(tenantId, clientId, clientSecret, {
      ...options,
      retryOptions: { maxRetries: 0 },
    })
  }
  return new identity.DefaultAzureCredential({
    ...options,
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(clientId === undefined
      ? {}
      : { managedIdentityClientId: clientId, workloadIdentityClientId: clientId }),
  })
}

/** A login host that is not one of Microsoft's is believed because the configuration names it. */
function loginOptions({ authorityHost }: AzureSettings, ca: string | undefined): object {
  return {
    ...(authorityHost === undefined
      ? {}
      : { authorityHost, disableInstanceDiscovery: !isMicrosoft(authorityHost) }),
    ...(ca === undefined ? {} : { tlsOptions: { ca } }),
  }
}

/** https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud#microsoft-entra-authentication-endpoints */
function isMicrosoft(authorityHost: string): boolean {
  const hosts = [
    'login.microsoftonline.com',
    'login.microsoftonline.us',
    'login.partner.microsoftonline.cn',
    'login.chinacloudapi.cn',
  ]
  return hosts.includes(new URL(authorityHost).hostname)
}
