/**
 * The methods of KeyManagementService that the fake has: requests checked as the service documents them, then done.
 * https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1
 */
import { type Checksum, checksumOf, verifyChecksum } from './checksums.ts'
import {
  type CryptoKeys,
  type Key,
  malformed,
  notInState,
  seal,
  unseal,
  type Version,
  type VersionState,
} from './crypto-keys.ts'
import { StatusError } from './status.ts'

/** A request as it was on the wire: what was not sent is absent. */
export type Request = Readonly<Record<string, unknown>>
export type Reply = Record<string, unknown>

export interface Operation {
  /** https://cloud.google.com/kms/docs/reference/permissions-and-roles */
  readonly permission: string
  readonly run: (keys: CryptoKeys, request: Request) => Reply
}

/** https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1#encryptrequest */
const MAX_BYTES = 65_536
const HSM_MAX_BYTES = 8_192
const NONE = Buffer.alloc(0)

const text = (request: Request, field: string): string => {
  const value = request[field]
  if (typeof value === 'string' && value !== '') return value
  throw new StatusError('INVALID_ARGUMENT', `The field ${field} is required.`)
}

const bytes = (request: Request, field: string): Buffer => {
  const value = request[field]
  return value instanceof Uint8Array ? Buffer.from(value) : NONE
}

const message = (request: Request, field: string): Request => (request[field] ?? {}) as Request

function assertSizes(key: Key, field: string, data: Buffer, aad: Buffer): void {
  const hsm = key.protectionLevel === 'HSM'
  if (hsm && data.length + aad.length > HSM_MAX_BYTES) {
    const what = `The combined length of ${field} and additional_authenticated_data exceeds 8 KiB.`
    throw new StatusError('INVALID_ARGUMENT', what)
  }
  if (data.length > MAX_BYTES || aad.length > MAX_BYTES) {
    throw new StatusError('INVALID_ARGUMENT', `${field} or additional_authenticated_data exceeds 64 KiB.`)
  }
}

/** https://cloud.google.com/kms/docs/algorithms#key_purposes */
function assertPurpose(key: Key): void {
  if (key.purpose === 'ENCRYPT_DECRYPT') return
  const what = `CryptoKey ${key.name} has the purpose ${key.purpose}, this operation needs ENCRYPT_DECRYPT.`
  throw new StatusError('INVALID_ARGUMENT', what)
}

function encrypt(keys: CryptoKeys, request: Request): Reply {
  const name = text(request, 'name')
  const ofVersion = name.includes('/cryptoKeyVersions/')
  const key = ofVersion ? keys.version(name).key : keys.key(name)
  assertPurpose(key)
  const version = ofVersion ? keys.version(name).version : key.primary
  if (version === undefined) {
    throw new StatusError('FAILED_PRECONDITION', `CryptoKey ${name} has no primary version.`)
  }
  const [plaintext, aad] = [bytes(request, 'plaintext'), bytes(request, 'additionalAuthenticatedData')]
  assertSizes(key, 'plaintext', plaintext, aad)
  const sums = checksums(request, 'plaintext', plaintext, aad)
  const ciphertext = seal(version, plaintext, aad)
  return {
    name: version.name,
    ciphertext,
    ciphertextCrc32c: checksumOf(ciphertext),
    protectionLevel: key.protectionLevel,
    verifiedAdditionalAuthenticatedDataCrc32c: sums.aad,
    verifiedPlaintextCrc32c: sums.data,
  }
}

function decrypt(keys: CryptoKeys, request: Request): Reply {
  const key = keys.key(text(request, 'name'))
  assertPurpose(key)
  const [ciphertext, aad] = [bytes(request, 'ciphertext'), bytes(request, 'additionalAuthenticatedData')]
  checksums(request, 'ciphertext', ciphertext, aad)
  const { plaintext, version } = unseal(key, ciphertext, aad)
  return {
    plaintext,
    plaintextCrc32c: checksumOf(plaintext),
    protectionLevel: key.protectionLevel,
    usedPrimary: version === key.primary,
  }
}

function checksums(
  request: Request,
  field: 'plaintext' | 'ciphertext',
  data: Buffer,
  aad: Buffer,
): { data: boolean; aad: boolean } {
  const sent = (name: string): Checksum | undefined => request[name] as Checksum | undefined
  return {
    data: verifyChecksum(field, data, sent(`${field}Crc32c`)),
    aad: verifyChecksum('additional_authenticated_data', aad, sent('additionalAuthenticatedDataCrc32c')),
  }
}

function createCryptoKey(keys: CryptoKeys, request: Request): Reply {
  const wanted = message(request, 'cryptoKey')
  const template = message(wanted, 'versionTemplate')
  const purpose = text(wanted, 'purpose')
  const algorithm =
    template['algorithm'] ?? (purpose === 'ENCRYPT_DECRYPT' ? 'GOOGLE_SYMMETRIC_ENCRYPTION' : '')
  const protectionLevel = template['protectionLevel'] ?? 'SOFTWARE'
  if (typeof algorithm !== 'string' || algorithm === '' || typeof protectionLevel !== 'string') {
    throw new StatusError('INVALID_ARGUMENT', 'The field version_template.algorithm is required.')
  }
  const name = `${text(request, 'parent')}/cryptoKeys/${text(request, 'cryptoKeyId')}`
  const withoutVersion = request['skipInitialVersionCreation'] === true
  return keyMessage(keys.createKey(name, { algorithm, protectionLevel, purpose, withoutVersion }))
}

function updatePrimary(keys: CryptoKeys, request: Request): Reply {
  const key = keys.key(text(request, 'name'))
  assertPurpose(key)
  const id = text(request, 'cryptoKeyVersionId')
  key.primary = keys.version(`${key.name}/cryptoKeyVersions/${id}`).version
  return keyMessage(key)
}

/** Between ENABLED and DISABLED only. https://cloud.google.com/kms/docs/enable-disable */
function updateVersion(keys: CryptoKeys, request: Request): Reply {
  const wanted = message(request, 'cryptoKeyVersion')
  const { key, version } = keys.version(text(wanted, 'name'))
  const { paths } = message(request, 'updateMask') as { paths?: string[] }
  const state = wanted['state']
  if (paths?.join() !== 'state' || (state !== 'ENABLED' && state !== 'DISABLED')) {
    throw new StatusError('INVALID_ARGUMENT', 'update_mask expects state, and state ENABLED or DISABLED.')
  }
  if (version.state !== 'ENABLED' && version.state !== 'DISABLED') throw notInState(version)
  version.state = state satisfies VersionState
  return versionMessage(key, version)
}

const timestamp = (ms: number): Reply => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 })

function versionMessage(key: Key, { createdAt, destroyAt, name, state }: Version): Reply {
  const { algorithm, protectionLevel } = key
  const destroyTime = destroyAt === undefined ? {} : { destroyTime: timestamp(destroyAt) }
  return { algorithm, createTime: timestamp(createdAt), name, protectionLevel, state, ...destroyTime }
}

function keyMessage(key: Key): Reply {
  const { algorithm, createdAt, name, nextRotationAt, primary, protectionLevel, purpose } = key
  return {
    createTime: timestamp(createdAt),
    name,
    purpose,
    versionTemplate: { algorithm, protectionLevel },
    ...(primary === undefined ? {} : { primary: versionMessage(key, primary) }),
    ...(nextRotationAt === undefined ? {} : { nextRotationTime: timestamp(nextRotationAt) }),
  }
}

const onVersion =
  (change: (keys: CryptoKeys, version: Version) => void) =>
  (keys: CryptoKeys, request: Request): Reply => {
    const { key, version } = keys.version(text(request, 'name'))
    change(keys, version)
    return versionMessage(key, version)
  }

/** By the method's name on the wire. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  Encrypt: { permission: 'cloudkms.cryptoKeyVersions.useToEncrypt', run: encrypt },
  Decrypt: { permission: 'cloudkms.cryptoKeyVersions.useToDecrypt', run: decrypt },
  GetCryptoKey: {
    permission: 'cloudkms.cryptoKeys.get',
    run: (keys, request) => keyMessage(keys.key(text(request, 'name'))),
  },
  GetCryptoKeyVersion: { permission: 'cloudkms.cryptoKeyVersions.get', run: onVersion(() => undefined) },
  CreateKeyRing: {
    permission: 'cloudkms.keyRings.create',
    run: (keys, request) => {
      const name = `${text(request, 'parent')}/keyRings/${text(request, 'keyRingId')}`
      keys.createRing(name)
      return { name, createTime: timestamp(Date.now()) }
    },
  },
  CreateCryptoKey: { permission: 'cloudkms.cryptoKeys.create', run: createCryptoKey },
  CreateCryptoKeyVersion: {
    permission: 'cloudkms.cryptoKeyVersions.create',
    run: (keys, request) => {
      const key = keys.key(text(request, 'parent'))
      return versionMessage(key, keys.addVersion(key))
    },
  },
  UpdateCryptoKeyPrimaryVersion: { permission: 'cloudkms.cryptoKeys.update', run: updatePrimary },
  UpdateCryptoKeyVersion: { permission: 'cloudkms.cryptoKeyVersions.update', run: updateVersion },
  DestroyCryptoKeyVersion: {
    permission: 'cloudkms.cryptoKeyVersions.destroy',
    run: onVersion((keys, version) => keys.scheduleDestruction(version)),
  },
  RestoreCryptoKeyVersion: {
    permission: 'cloudkms.cryptoKeyVersions.restore',
    run: onVersion((_, version) => {
      if (version.state !== 'DESTROY_SCHEDULED') throw notInState(version)
      version.state = 'DISABLED'
      version.destroyAt = undefined
    }),
  },
}

/** The resource that a request names, for messages. */
export function resourceOf(request: Request): string {
  const { cryptoKeyVersion, name, parent } = request
  const nested = (cryptoKeyVersion as Request | undefined)?.['name']
  const found = name ?? parent ?? nested
  if (typeof found === 'string') return found
  throw malformed('')
}
