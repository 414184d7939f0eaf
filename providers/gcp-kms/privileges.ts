/** What an identity must be allowed to. https://cloud.google.com/kms/docs/reference/permissions-and-roles */
import type { PrivilegePolicy, ProviderOperation } from '../../src/provider.ts'

/** The permissions of each operation. `create` is for making the key, which an application should not do. */
export const PERMISSIONS = {
  wrap: 'cloudkms.cryptoKeyVersions.useToEncrypt',
  unwrap: 'cloudkms.cryptoKeyVersions.useToDecrypt',
  describe: 'cloudkms.cryptoKeys.get, cloudkms.cryptoKeyVersions.get',
  rotate: 'cloudkms.cryptoKeyVersions.create, cloudkms.cryptoKeys.update',
} as const satisfies Partial<Record<ProviderOperation, string>>

export const CREATE_PERMISSION =
  'cloudkms.keyRings.create, cloudkms.cryptoKeys.create, cloudkms.cryptoKeys.get'

interface Places {
  readonly projectId: string
  readonly location: string
  readonly keyRing: string
  readonly key: string
}

/** gcloud commands that let an identity use this one key, and nothing else. */
export function leastPrivilegeFor({ key, keyRing, location, projectId }: Places): PrivilegePolicy {
  const member = 'serviceAccount:<service account of the application>'
  const bind = (role: string, who: string): string =>
    [
      `gcloud kms keys add-iam-policy-binding ${key}`,
      `--project=${projectId} --location=${location} --keyring=${keyRing}`,
      `--member='${who}'`,
      `--role=${role}`,
    ].join(' \\\n  ')
  const role = (id: string, title: string, permissions: string): string =>
    [
      `gcloud iam roles create ${id} --project=${projectId}`,
      `--title='${title}'`,
      `--permissions=${permissions.replaceAll(', ', ',')}`,
    ].join(' \\\n  ')
  const custom = (id: string): string => `projects/${projectId}/roles/${id}`
  const text = [
    '# Wrap and unwrap:',
    bind('roles/cloudkms.cryptoKeyEncrypterDecrypter', member),
    '# Status and doctor, the state of the key:',
    role('keywrightDescribe', 'Keywright: describe', PERMISSIONS.describe),
    bind(custom('keywrightDescribe'), member),
    '# Only for who rotates the master key through Keywright:',
    role('keywrightRotate', 'Keywright: rotate', PERMISSIONS.rotate),
    bind(custom('keywrightRotate'), 'user:<who rotates>'),
  ]
  return {
    title: 'gcloud commands for the identity of the application',
    format: 'shell',
    text: `${text.join('\n')}\n`,
  }
}
