/** The master key as a whole: what it is, rotating it, making it. */
import { setTimeout as delay } from 'node:timers/promises'
import { type CallOptions, KeywrightError, type MasterKeyDescription } from '../../src/provider.ts'
import { errorCode } from './errors.ts'
import { type DescribedKey, describeKey, UNVERSIONED } from './key-state.ts'
import type { AwsKmsSettings } from './options.ts'
import type { Place, Regions } from './regions.ts'
import { ALGORITHM } from './sdk.ts'

/** KMS rotates, and spreads new aliases, in the background; usually within a second. */
const PATIENCE_MS = 5_000
const POLL_MS = 100
/** The shortest that KMS knows. */
const DELETION_DAYS = 7

export async function describeMasterKey(
  { key }: AwsKmsSettings,
  regions: Regions,
  { signal }: CallOptions = {},
): Promise<MasterKeyDescription> {
  return regions.call({ operation: 'describe', key, signal }, async (place) => {
    const described = await describeKey(place)
    const { arn, metadata, state, version } = described
    const at = { ...place, keyId: arn } // rotations are not told for an alias
    const [rotatesAt, createdAt] =
      state === 'enabled' ? await Promise.all([nextRotation(at), materialDate(at, described)]) : []
    return {
      id: arn,
      version,
      state,
      algorithm: ALGORITHM,
      server: place.facts(),
      warnings: warningsOf(metadata),
      ...(createdAt === undefined ? {} : { createdAt }),
      ...(rotatesAt === undefined ? {} : { rotatesAt }),
    }
  })
}

function warningsOf({ DeletionDate, ValidTo }: DescribedKey['metadata']): string[] {
  return [
    ...(DeletionDate === undefined ? [] : [`KMS deletes the master key on ${DeletionDate.toISOString()}`]),
    ...(ValidTo === undefined ? [] : [`the imported key material ends on ${ValidTo.toISOString()}`]),
  ]
}

/** Undefined where it does not rotate by itself, or the identity may not know. */
async function nextRotation({ client, keyId, options }: Place): Promise<number | undefined> {
  const status = await client.getKeyRotationStatus({ KeyId: keyId }, options).catch(() => undefined)
  return status?.NextRotationDate?.getTime()
}

/** When the current key material was made. Undefined where the identity may not know, or the list is too long. */
async function materialDate(place: Place, { metadata }: DescribedKey): Promise<number | undefined> {
  const { client, keyId, options } = place
  const list = await client
    .listKeyRotations({ KeyId: keyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }, options)
    .catch(() => undefined)
  if (list === undefined || list.Truncated === true) return undefined
  const dates = (list.Rotations ?? []).flatMap(({ KeyMaterialState = 'CURRENT', RotationDate }) =>
    KeyMaterialState === 'CURRENT' && RotationDate !== undefined ? [RotationDate.getTime()] : [],
  )
  return dates.length > 0 ? Math.max(...dates) : metadata.CreationDate?.getTime()
}

/**
 * RotateKeyOnDemand, in the primary region of a multi-Region key.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/rotating-keys-on-demand.html
 */
export async function rotateMasterKey(
  settings: AwsKmsSettings,
  regions: Regions,
  { signal }: CallOptions = {},
): Promise<MasterKeyDescription> {
  const { key } = settings
  const before = await regions.call({ operation: 'describe', key, signal }, describeKey)
  const primary = before.metadata.MultiRegionConfiguration?.PrimaryKey?.Region
  if (primary !== undefined && !regions.names.includes(primary)) throw elsewhere(primary)
  const only = primary === undefined ? {} : { only: primary }
  await regions.call({ operation: 'rotate', key, signal, ...only }, async (place) => {
    const { arn } = await describeKey(place)
    await place.client.rotateKeyOnDemand({ KeyId: arn }, place.options)
  })
  return rotated(settings, regions, before)
}

/** It has begun: an abort that comes now must not hide that, so the wait has an end of its own. */
async function rotated(
  settings: AwsKmsSettings,
  regions: Regions,
  before: DescribedKey,
): Promise<MasterKeyDescription> {
  const end = performance.now() + PATIENCE_MS
  const signal = AbortSignal.timeout(2 * PATIENCE_MS)
  for (;;) {
    const after = await describeMasterKey(settings, regions, { signal })
    if (before.version === UNVERSIONED || after.version !== before.version) return after
    if (performance.now() > end) {
      const warning = 'KMS has begun to rotate the master key and has not finished: run rewrap later'
      return { ...after, warnings: [...(after.warnings ?? []), warning] }
    }
    await delay(POLL_MS)
  }
}

function elsewhere(primary: string): KeywrightError {
  return new KeywrightError(
    'ERR_PROVIDER_FAILED',
    `the master key rotates in ${primary} only, its primary region`,
    {
      hint: `add ${primary} to ENCRYPTION_AWS_REGIONS, or rotate there: aws kms rotate-key-on-demand`,
      details: { region: primary },
    },
  )
}

/** Makes the key when the alias that is configured does not exist. Any other name of a key is given by KMS alone. */
export async function createMasterKey(
  { key }: AwsKmsSettings,
  regions: Regions,
  signal: AbortSignal,
): Promise<void> {
  if (key.kind !== 'alias') return
  const missing = await regions.call({ operation: 'describe', key, signal }, describeKey).then(
    () => false,
    (error: unknown) => {
      if (error instanceof KeywrightError && error.code === 'ERR_MASTER_KEY_NOT_FOUND') return true
      throw error
    },
  )
  if (missing) await regions.call({ operation: 'create', key, signal }, makeKey)
}

async function makeKey(place: Place): Promise<void> {
  const { client, key, options } = place
  const { KeyMetadata } = await client.createKey({ Description: 'Keywright master key' }, options)
  const made = KeyMetadata?.Arn ?? ''
  try {
    await client.createAlias({ AliasName: key.resource, TargetKeyId: made }, options)
  } catch (error) {
    // Another process was faster, or the alias is not allowed: nothing was wrapped under this key.
    await client
      .scheduleKeyDeletion({ KeyId: made, PendingWindowInDays: DELETION_DAYS }, options)
      .catch(() => {})
    if (Object(error).name !== 'AlreadyExistsException') throw error
  }
  await untilKnown(place)
}

/** An alias may take some seconds to be known to all of KMS. */
async function untilKnown(place: Place): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      await describeKey(place)
      return
    } catch (error) {
      if (errorCode(error) !== 'ERR_MASTER_KEY_NOT_FOUND' || performance.now() > end) throw error
      await delay(POLL_MS)
    }
  }
}
