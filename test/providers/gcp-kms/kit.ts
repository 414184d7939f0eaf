/** Cloud KMS fakes for tests, and providers on them. */
import gcpKmsProvider, { type GcpKmsProviderOptions } from '../../../providers/gcp-kms.ts'
import type { KeyProvider, ProviderSettings } from '../../../src/provider.ts'
import { type GcpKmsFake, gcpKmsFake, PLACE } from '../../../src/testing/fakes/gcp-kms.ts'
import { failureOf, wrapContext } from '../../conformance/provider.ts'
import { serverFor } from '../../kit/servers.ts'

export const context = wrapContext()

/** Why there is no fake; undefined when there is one. */
export const { skip } = await serverFor(gcpKmsFake)

/** What `configure` gets. */
export const settings = (
  options: Record<string, unknown>,
  more: Partial<ProviderSettings> = {},
): ProviderSettings => ({ create: false, name: 'gcp', options, production: false, ...more })

/** A provider on a key of the fake. */
export function openOn(
  fake: { readonly endpoint: string },
  options: Partial<GcpKmsProviderOptions> & { keyId: string },
): KeyProvider {
  return gcpKmsProvider({ ...PLACE, endpoint: fake.endpoint, ...options })
}

/** The version of a key that is primary, to take it out of use. */
export function primaryOf(fake: GcpKmsFake, keyId: string) {
  const { primary } = fake.service.keys.key(fake.resource(keyId))
  if (primary === undefined) throw new Error(`${keyId} has no primary version`)
  return primary
}

/** What a call is refused with. */
export async function refusal(
  call: () => Promise<unknown>,
): Promise<{ code: string; hint: string; text: string }> {
  const error = (await failureOf(call)) as { code: string; hint?: string; message: string }
  return { code: error.code, hint: error.hint ?? '', text: error.message }
}
