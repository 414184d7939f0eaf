/** What the service tells of a key version, judged: fit for wrapping, in which state, when it is rotated. */
import { KeywrightError, type MasterKeyDescription, type ServerFacts } from '../../src/provider.ts'
import type { AzureAlgorithm } from './options.ts'
import type { AzureKey, AzureRotationPolicy } from './sdk.ts'

const DAY_MS = 86_400_000
const WARN_DAYS = 30
const MIN_RSA_BYTES = 256

/** One version of the master key. */
export interface KeyVersion {
  readonly id: string
  readonly version: string
  readonly key: AzureKey
  readonly server: ServerFacts
}

/** Key types with which an algorithm works, and what to say of others. */
const KINDS: Readonly<Record<AzureAlgorithm, { readonly types: readonly string[]; readonly needs: string }>> =
  {
    'RSA-OAEP-256': { types: ['RSA', 'RSA-HSM'], needs: 'an RSA or RSA-HSM key of at least 2048 bits' },
    A256KW: { types: ['oct-HSM', 'oct'], needs: 'an oct-HSM key of 256 bits' },
  }

/** Throws ERR_MASTER_KEY_UNSUITABLE unless the key is of a kind, size and usage for `algorithm`. */
export function assertSuitable({ key }: KeyVersion, algorithm: AzureAlgorithm): void {
  const { needs, types } = KINDS[algorithm]
  const type = key.keyType ?? 'unknown'
  if (!types.includes(type))
    throw unsuitable(`is of type ${/^[\w-]{1,20}$/.test(type) ? type : 'unknown'}`, needs)
  const modulus = modulusBytes(key)
  if (algorithm === 'RSA-OAEP-256' && modulus < MIN_RSA_BYTES)
    throw unsuitable(`has ${modulus * 8} bits`, needs)
  const missing = ['wrapKey', 'unwrapKey'].filter(
    (operation) => key.keyOperations?.includes(operation) === false,
  )
  if (missing.length > 0) {
    throw unsuitable(`does not permit ${missing.join(' and ')}`, 'the key operations wrapKey and unwrapKey')
  }
}

/** Length of an RSA modulus, and so of its ciphertexts; 0 for other keys. */
export function modulusBytes({ key }: AzureKey): number {
  const n = key?.n
  if (n === undefined) return 0
  return n[0] === 0 ? n.length - 1 : n.length
}

function unsuitable(found: string, needs: string): KeywrightError {
  return new KeywrightError('ERR_MASTER_KEY_UNSUITABLE', `the Azure key ${found}`, {
    hint: `ENCRYPTION_AZURE_ALGORITHM needs ${needs}: name another key in ENCRYPTION_KEY_ID, or correct the algorithm`,
  })
}

/** The description of a key version; `rotatesAt` where the rotation policy is known. */
export function describeKey(
  found: KeyVersion,
  algorithm: AzureAlgorithm,
  policy: AzureRotationPolicy | undefined,
  now: number,
): MasterKeyDescription {
  const { id, key, server, version } = found
  const { createdOn } = key.properties
  const rotatesAt = policy === undefined ? undefined : nextRotation(key, policy)
  return {
    id,
    version,
    algorithm,
    state: stateOf(key, now),
    server,
    ...(createdOn === undefined ? {} : { createdAt: createdOn.getTime() }),
    ...(rotatesAt === undefined ? {} : { rotatesAt }),
    warnings: warningsOf(key, now),
  }
}

function stateOf({ properties }: AzureKey, now: number): MasterKeyDescription['state'] {
  const { enabled, expiresOn, notBefore } = properties
  if (enabled === false) return 'disabled'
  const isOutside =
    (notBefore?.getTime() ?? now) > now || (expiresOn?.getTime() ?? Number.POSITIVE_INFINITY) <= now
  return isOutside ? 'unavailable' : 'enabled'
}

/**
 * Outside its dates a key version unwraps but does not wrap.
 * https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#date-time-controlled-operations
 */
function warningsOf({ properties }: AzureKey, now: number): string[] {
  const { expiresOn, notBefore } = properties
  const day = (date: Date): string => date.toISOString().slice(0, 10)
  const warnings: string[] = []
  if (notBefore !== undefined && notBefore.getTime() > now) {
    warnings.push(`the key version is not valid before ${day(notBefore)}: until then it wraps no new keys`)
  }
  if (expiresOn !== undefined && expiresOn.getTime() <= now) {
    warnings.push(
      `the key version expired on ${day(expiresOn)}: it wraps no new keys, what it wrapped still opens; rotate it`,
    )
  } else if (expiresOn !== undefined && expiresOn.getTime() - now <= WARN_DAYS * DAY_MS) {
    warnings.push(
      `the key version expires on ${day(expiresOn)}: rotate it before, or new keys cannot be wrapped`,
    )
  }
  return warnings
}

/** The description of a key that was deleted and can still be recovered. */
export function describeDeleted(found: KeyVersion, algorithm: AzureAlgorithm): MasterKeyDescription {
  const { createdOn, scheduledPurgeDate } = found.key.properties
  const until =
    scheduledPurgeDate === undefined ? '' : ` until ${scheduledPurgeDate.toISOString().slice(0, 10)}`
  return {
    id: found.id,
    version: found.version,
    algorithm,
    state: 'pending-deletion',
    server: found.server,
    ...(createdOn === undefined ? {} : { createdAt: createdOn.getTime() }),
    warnings: [`the key is deleted and can be recovered${until}: az keyvault key recover`],
  }
}

/** When the policy rotates this version: so long after it was made, or before it expires. */
function nextRotation({ properties }: AzureKey, policy: AzureRotationPolicy): number | undefined {
  const rotate = policy.lifetimeActions?.find(({ action }) => action.toLowerCase() === 'rotate')
  const { createdOn, expiresOn } = properties
  if (rotate?.timeAfterCreate !== undefined && createdOn !== undefined) {
    return addDuration(createdOn, rotate.timeAfterCreate, 1)
  }
  if (rotate?.timeBeforeExpiry !== undefined && expiresOn !== undefined) {
    return addDuration(expiresOn, rotate.timeBeforeExpiry, -1)
  }
  return undefined
}

/**
 * `date` and an ISO 8601 duration of years, months and days, which are what rotation policies have; undefined for
 * anything else. https://learn.microsoft.com/azure/key-vault/keys/how-to-configure-key-rotation
 */
function addDuration(date: Date, duration: string, sign: 1 | -1): number | undefined {
  const parts = /^P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?$/.exec(duration)
  if (parts === null) return undefined
  const [years, months, days] = parts.slice(1).map((part) => sign * Number(part ?? 0)) as [
    number,
    number,
    number,
  ]
  const moved = new Date(date)
  moved.setUTCFullYear(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days)
  return moved.getTime()
}
