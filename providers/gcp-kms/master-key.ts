/**
 * A crypto key and its versions as the service describes them.
 * https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1#cryptokey
 */
import { KeywrightError, type MasterKeyDescription } from '../../src/provider.ts'
import { corrupted } from './errors.ts'
import { versionOf } from './names.ts'

interface Timestamp {
  readonly seconds?: string | number | { toString(): string } | null
  readonly nanos?: number | null
}

/** google.cloud.kms.v1.CryptoKeyVersion, as it may come. */
export interface VersionReply {
  readonly name?: string | null
  readonly state?: string | null
  readonly algorithm?: string | null
  readonly createTime?: Timestamp | null
}

/** google.cloud.kms.v1.CryptoKey, as it may come. */
export interface KeyReply {
  readonly name?: string | null
  readonly purpose?: string | null
  readonly primary?: VersionReply | null
  readonly nextRotationTime?: Timestamp | null
}

const SYMMETRIC = 'GOOGLE_SYMMETRIC_ENCRYPTION'
const UNSPECIFIED = 'CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED'
const EXTERNAL = 'EXTERNAL_SYMMETRIC_ENCRYPTION'
/** The algorithms of keys of the purpose ENCRYPT_DECRYPT. https://cloud.google.com/kms/docs/algorithms */
export const ALGORITHMS: readonly string[] = [SYMMETRIC, EXTERNAL]

/** An encryption's reply names no algorithm; each protection level has one. */
export function algorithmOf(protectionLevel: string): string {
  return protectionLevel.startsWith('EXTERNAL') ? EXTERNAL : SYMMETRIC
}

const STATES: Readonly<Record<string, MasterKeyDescription['state']>> = {
  ENABLED: 'enabled',
  DISABLED: 'disabled',
  DESTROY_SCHEDULED: 'pending-deletion',
}

/** Throws ERR_PROVIDER_CORRUPTED for the reply of another key, ERR_MASTER_KEY_UNSUITABLE for one of another kind. */
export function assertSuitable(key: string, reply: KeyReply): void {
  if (reply.name !== key) throw corrupted('the description is of another key')
  if (reply.purpose === 'ENCRYPT_DECRYPT') return
  throw new KeywrightError('ERR_MASTER_KEY_UNSUITABLE', 'gcp-kms: the key does not encrypt symmetrically', {
    details: { masterKeyId: key },
    hint: 'name a key of the purpose ENCRYPT_DECRYPT in ENCRYPTION_KEY_ID',
  })
}

/** The primary version. Throws ERR_MASTER_KEY_DISABLED when there is none: nothing can be encrypted. */
export function primaryOf(key: string, { primary }: KeyReply): VersionReply {
  if (primary !== undefined && primary !== null) return primary
  throw new KeywrightError('ERR_MASTER_KEY_DISABLED', 'gcp-kms: the key has no primary version', {
    details: { masterKeyId: key },
    hint: 'make a version primary: gcloud kms keys set-primary-version, or pin one by ENCRYPTION_KEY_VERSION',
  })
}

/** What core is told of the key, with `version` as the one that new wraps use. */
export function describe(key: string, reply: KeyReply, version: VersionReply): MasterKeyDescription {
  const number = versionOf(key, version.name)
  if (number === undefined) throw corrupted('the description is of a version of another key')
  // "GOOGLE_SYMMETRIC_ENCRYPTION is implied" where the field is left out.
  const stated = version.algorithm ?? UNSPECIFIED
  const algorithm = stated === UNSPECIFIED ? SYMMETRIC : stated
  if (!ALGORITHMS.includes(algorithm)) {
    throw new KeywrightError('ERR_MASTER_KEY_UNSUITABLE', `gcp-kms: the key's algorithm is not symmetric`, {
      details: { algorithm, masterKeyId: key },
      hint: `name a key with the algorithm ${SYMMETRIC} in ENCRYPTION_KEY_ID`,
    })
  }
  const createdAt = milliseconds(version.createTime)
  const rotatesAt = milliseconds(reply.nextRotationTime)
  return {
    algorithm,
    id: key,
    state: STATES[version.state ?? ''] ?? 'unavailable',
    version: number,
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(rotatesAt === undefined ? {} : { rotatesAt }),
  }
}

function milliseconds(time: Timestamp | null | undefined): number | undefined {
  if (time?.seconds === undefined || time.seconds === null) return undefined
  return Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1e6)
}
