/**
 * What DescribeKey says of a key.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
 */
import type { MasterKeyDescription } from '../../src/provider.ts'
import { corrupted, unusableKey } from './errors.ts'
import { isArnOf, type KeyArn, type KeyName, parseKeyArn } from './key-name.ts'
import { ALGORITHM, type AwsKeyMetadata, type AwsKmsClient } from './sdk.ts'

/**
 * The version of a key whose material has no name: keys of custom key stores, which do not rotate, and emulators that
 * name none. It says that nothing is known, so it fits whatever a later answer says.
 */
export const UNVERSIONED = 'unversioned'
/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyRotations.html */
const MATERIAL_ID = /^[a-f0-9]{64}$/

/** Whether a stored version is one that this provider may have written. */
export const isVersion = (text: string): boolean => text === UNVERSIONED || MATERIAL_ID.test(text)

/** A key material id out of a reply. Throws ERR_PROVIDER_CORRUPTED for what is none. */
export function materialId(text: string | undefined, region: string): string | undefined {
  if (text === undefined || MATERIAL_ID.test(text)) return text
  throw corrupted('names no key material', region)
}

type State = MasterKeyDescription['state']

const STATES: Readonly<Record<string, State>> = {
  Enabled: 'enabled',
  Updating: 'enabled', // the primary region is being changed; the key serves
  Disabled: 'disabled',
  PendingDeletion: 'pending-deletion',
  PendingReplicaDeletion: 'pending-deletion',
}

/** A symmetric encryption key as the service describes it. */
export interface DescribedKey {
  readonly arn: string
  readonly version: string
  readonly state: State
  readonly metadata: AwsKeyMetadata
}

/** Where a key is looked at. */
export interface KeyPlace {
  readonly client: AwsKmsClient
  readonly region: string
  readonly key: KeyName
  readonly keyId: string
  readonly grants: { GrantTokens?: string[] }
  readonly options: { abortSignal?: AbortSignal }
}

/** Throws ERR_MASTER_KEY_UNSUITABLE for another kind of key, ERR_PROVIDER_CORRUPTED for the answer of another key. */
export async function describeKey(place: KeyPlace): Promise<DescribedKey> {
  const { client, grants, keyId, options, region } = place
  const { KeyMetadata: metadata } = await client.describeKey({ KeyId: keyId, ...grants }, options)
  const arn = ownArn(place, metadata?.Arn)
  const { KeySpec = ALGORITHM, KeyState = '', KeyUsage = 'ENCRYPT_DECRYPT' } = metadata ?? {}
  if (KeySpec !== ALGORITHM || KeyUsage !== 'ENCRYPT_DECRYPT') {
    throw unusableKey('ERR_MASTER_KEY_UNSUITABLE', 'is no symmetric encryption key', region)
  }
  const version = materialId(metadata?.CurrentKeyMaterialId, region) ?? UNVERSIONED
  return { arn: arn.text, version, state: STATES[KeyState] ?? 'unavailable', metadata: metadata ?? {} }
}

/** The ARN of a reply. Throws ERR_PROVIDER_CORRUPTED when it is not of the key that was asked for. */
export function ownArn(
  { key, region }: Pick<KeyPlace, 'key' | 'region'>,
  text: string | undefined,
): KeyArn & { readonly text: string } {
  const arn = parseKeyArn(text)
  if (text === undefined || arn === undefined) throw corrupted('names no key', region)
  if (arn.region !== region || !isArnOf(key, arn, region)) throw corrupted('is about another key', region)
  return { ...arn, text }
}

/** Throws what is wrong with the key when its state or kind is why a call failed; else returns. */
export async function assertUsable(place: KeyPlace): Promise<void> {
  const { metadata, state } = await describeKey(place)
  const { region } = place
  if (state === 'disabled') throw unusableKey('ERR_MASTER_KEY_DISABLED', 'is disabled', region)
  if (state === 'pending-deletion')
    throw unusableKey('ERR_MASTER_KEY_DELETED', 'is about to be deleted', region)
  if (metadata.KeyState === 'PendingImport') {
    throw unusableKey('ERR_MASTER_KEY_UNSUITABLE', 'has no key material: import it (again)', region)
  }
  if (state === 'unavailable') throw unusableKey('ERR_PROVIDER_UNAVAILABLE', 'is not available now', region)
}
