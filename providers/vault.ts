/** Master keys in HashiCorp Vault or OpenBao, Transit engine: the server wraps, the key never leaves it. */
import {
  type CallOptions,
  type KeyProvider,
  KeywrightError,
  type PrivilegePolicy,
  type ProviderOperation,
  type ProviderSettings,
} from '../src/provider.ts'
import { assertNotAborted, copyPayload } from './local/call.ts'
import { credentialsOf } from './vault/credentials.ts'
import { vaultErrorCode } from './vault/failures.ts'
import type { VaultOptions } from './vault/options.ts'
import { VaultServer } from './vault/server.ts'
import { VaultSession } from './vault/session.ts'
import { checkOptions, readSettings } from './vault/settings.ts'
import { TransitEngine } from './vault/transit.ts'

export type { AuthMethod, NodeVaultClient, NodeVaultLib, VaultOptions } from './vault/options.ts'

/** Vault takes bodies of up to 32 MiB; nobody wraps keys of this size. */
const MAX_PLAINTEXT_BYTES = 65_536

/**
 * The Vault provider. Nothing is contacted before the first call. Calls throw KeywrightError with the codes of
 * vault/failures.ts: ERR_PROVIDER_SEALED, _STANDBY, _DENIED, _UNAUTHENTICATED, _THROTTLED, _UNAVAILABLE, _TIMEOUT,
 * _CORRUPTED, _FAILED, ERR_MASTER_KEY_NOT_FOUND, _DELETED, _DISABLED, _UNSUITABLE, ERR_UNWRAP_FAILED,
 * ERR_CONFIG_INVALID (a mount that is not Transit, an untrusted certificate), ERR_DEPENDENCY_MISSING, ERR_ABORTED,
 * ERR_CLOSED.
 *
 * @throws KeywrightError ERR_CONFIG_INVALID at once.
 */
export default function vaultProvider(options: VaultOptions): KeyProvider {
  const settings = checkOptions(options)
  const server = new VaultServer(settings)
  const session = new VaultSession(server, credentialsOf(server, settings))
  const engine = new TransitEngine(session, settings)
  const isPinned = settings.keyVersion !== undefined
  let closed = false
  const attempt = async <T>(
    call: CallOptions | undefined,
    run: (signal?: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    if (closed) throw new KeywrightError('ERR_CLOSED', `the provider "${settings.name}" is closed`)
    assertNotAborted(call?.signal)
    try {
      return await run(call?.signal)
    } catch (error) {
      throw ofInstance(settings.name, error)
    }
  }
  return {
    name: settings.name,
    capabilities: {
      bindsContext: true,
      maxPlaintextBytes: MAX_PLAINTEXT_BYTES,
      // Transit's own rewrap refuses what was encrypted with associated data.
      rewraps: false,
      rotatesMasterKey: !isPinned,
      versionsMasterKey: true,
    },
    wrapKey: (key, context, call) =>
      attempt(call, async (signal) => {
        const plaintext = copyPayload(key, MAX_PLAINTEXT_BYTES)
        try {
          return await engine.wrap(plaintext, Uint8Array.from(context.bytes), signal)
        } finally {
          plaintext.fill(0)
        }
      }),
    unwrapKey: (wrapped, context, call) =>
      attempt(call, (signal) => engine.unwrap(wrapped, context.bytes, signal)),
    describeMasterKey: (call) => attempt(call, (signal) => engine.describe(signal)),
    errorCode: vaultErrorCode,
    ...(isPinned
      ? {}
      : { rotateMasterKey: (call?: CallOptions) => attempt(call, (signal) => engine.rotate(signal)) }),
    async close() {
      closed = true
      session.close()
      await server.close()
    },
  }
}

/** There may be several Vaults: which one it was belongs to the error. */
function ofInstance(name: string, error: unknown): unknown {
  if (!(error instanceof KeywrightError) || error.code === 'ERR_UNWRAP_FAILED') return error
  const { code, details, hint, message } = error
  return new KeywrightError(code, `${name}: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, provider: name },
  })
}

/** The provider by configuration: see VARIABLES in vault/settings.ts. Throws ERR_CONFIG_INVALID. */
export async function configure(settings: ProviderSettings): Promise<KeyProvider> {
  return vaultProvider(readSettings(settings))
}

/** Capabilities on paths, as a policy grants them. */
export const permissions: Readonly<Record<Exclude<ProviderOperation, 'rewrap'>, string>> = {
  wrap: 'update on <mount>/encrypt/<key>, and read on <mount>/keys/<key>',
  unwrap: 'update on <mount>/decrypt/<key>',
  describe: 'read on <mount>/keys/<key>',
  rotate: 'update on <mount>/keys/<key>/rotate, and read on <mount>/keys/<key>',
}

/** The policy of an application under this configuration. */
export function leastPrivilege({ options }: ProviderSettings): PrivilegePolicy {
  const named = (option: string, fallback: string): string => {
    const value = options[option]
    return typeof value === 'string' && /^[\w./-]+$/.test(value) ? value.replace(/^\/+|\/+$/g, '') : fallback
  }
  const mount = named('mount', 'transit')
  const key = named('keyId', '<key>')
  const namespace = named('namespace', '')
  return {
    title: `Vault policy for the application${namespace === '' ? '' : `, in the namespace ${namespace}`}`,
    format: 'hcl',
    text: `path "${mount}/keys/${key}" { capabilities = ["read"] }
# "update" without "create": encryption can never make a key.
path "${mount}/encrypt/${key}" { capabilities = ["update"] }
path "${mount}/decrypt/${key}" { capabilities = ["update"] }
# Only for who rotates the master key through Keywright:
path "${mount}/keys/${key}/rotate" { capabilities = ["update"] }
# How it tells a token that ended from a permission that lacks, and renews it (also in the policy "default"):
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
`,
  }
}
