/** What an identity needs in Azure to do its work, and no more. */
import type { PrivilegePolicy, ProviderSettings } from '../../src/provider.ts'

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-crypto-service-encryption-user */
const VAULT_ROLE = 'Key Vault Crypto Service Encryption User'
/** https://learn.microsoft.com/azure/key-vault/managed-hsm/built-in-roles */
const HSM_ROLE = 'Managed HSM Crypto Service Encryption User'

/**
 * The role assignment for this configuration, on the one key: it permits reading the key's public part, wrapping and
 * unwrapping. Rotating is the work of an operator, or of the key's rotation policy.
 */
export function leastPrivilege({ options }: ProviderSettings): PrivilegePolicy {
  const url = typeof options['vaultUrl'] === 'string' ? options['vaultUrl'] : ''
  const key = nameOr(options['keyId'], '<key name>')
  const host = URL.canParse(url) ? new URL(url).hostname : ''
  const [label] = host.split('.')
  const vault = nameOr(label, '<vault name>')
  if (/\.managedhsm\./.test(host)) {
    return {
      title: `role assignment on the key of the Managed HSM, for the identity of the application`,
      format: 'shell',
      text: [
        'az keyvault role assignment create \\',
        `  --hsm-name ${vault} \\`,
        `  --role "${HSM_ROLE}" \\`,
        '  --assignee <object id of the application> \\',
        `  --scope /keys/${key}`,
      ].join('\n'),
    }
  }
  const resource = `providers/Microsoft.KeyVault/vaults/${vault}/keys/${key}`
  return {
    title: 'role assignment on the key, for the identity of the application (vault with Azure RBAC)',
    format: 'shell',
    text: [
      'az role assignment create \\',
      `  --role "${VAULT_ROLE}" \\`,
      '  --assignee <object id of the application> \\',
      `  --scope "/subscriptions/<subscription id>/resourceGroups/<resource group>/${resource}"`,
    ].join('\n'),
  }
}

/** What is configured goes into a command line, so only a name does. */
function nameOr(value: unknown, placeholder: string): string {
  return typeof value === 'string' && /^[0-9a-zA-Z-]{1,127}$/.test(value) ? value : placeholder
}
