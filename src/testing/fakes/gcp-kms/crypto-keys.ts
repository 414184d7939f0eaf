/** Key rings, crypto keys and versions in memory, with real AES-256-GCM. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { StatusError } from './status.ts'

export type VersionState = 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED' | 'DESTROYED'

export interface Version {
  readonly name: string
  /** Stands in every ciphertext; the service finds the version by it. */
  readonly uid: Buffer
  readonly createdAt: number
  material: Buffer | undefined
  state: VersionState
  destroyAt: number | undefined
}

export interface Key {
  readonly name: string
  readonly purpose: string
  readonly algorithm: string
  readonly protectionLevel: string
  readonly createdAt: number
  readonly versions: Version[]
  primary: Version | undefined
  nextRotationAt: number | undefined
}

export interface NewKey {
  readonly purpose: string
  readonly algorithm: string
  readonly protectionLevel?: string
  readonly nextRotationAt?: number
  readonly withoutVersion?: boolean
}

const UID_BYTES = 8
const IV_BYTES = 12
const TAG_BYTES = 16
const MAGIC = 0x0a
const THIRTY_DAYS_MS = 30 * 86_400_000
const RING = /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[a-zA-Z0-9_-]{1,63}$/
const KEY =
  /^(projects\/[^/]+\/locations\/[^/]+\/keyRings\/[a-zA-Z0-9_-]{1,63})\/cryptoKeys\/[a-zA-Z0-9_-]{1,63}$/
const VERSION = /^(.+)\/cryptoKeyVersions\/[1-9]\d*$/

export class CryptoKeys {
  readonly #rings = new Set<string>()
  readonly #keys = new Map<string, Key>()

  /** Refuses what exists: https://cloud.google.com/kms/docs/create-key-ring */
  createRing(name: string): void {
    if (!RING.test(name)) throw malformed(name)
    if (this.#rings.has(name)) throw new StatusError('ALREADY_EXISTS', `KeyRing ${name} already exists.`)
    this.#rings.add(name)
  }

  /** https://cloud.google.com/kms/docs/create-key */
  createKey(name: string, wanted: NewKey): Key {
    const ring = KEY.exec(name)?.[1]
    if (ring === undefined) throw malformed(name)
    if (!this.#rings.has(ring)) throw new StatusError('NOT_FOUND', `KeyRing ${ring} not found.`)
    if (this.#keys.has(name)) throw new StatusError('ALREADY_EXISTS', `CryptoKey ${name} already exists.`)
    const { algorithm, nextRotationAt, protectionLevel = 'SOFTWARE', purpose } = wanted
    const empty = { createdAt: Date.now(), primary: undefined, versions: [] }
    const key: Key = { ...empty, algorithm, name, nextRotationAt, protectionLevel, purpose }
    this.#keys.set(name, key)
    if (wanted.withoutVersion !== true) {
      const first = this.addVersion(key)
      if (purpose === 'ENCRYPT_DECRYPT') key.primary = first
    }
    return key
  }

  addVersion(key: Key): Version {
    const version: Version = {
      name: `${key.name}/cryptoKeyVersions/${key.versions.length + 1}`,
      uid: randomBytes(UID_BYTES),
      createdAt: Date.now(),
      material: randomBytes(32),
      state: 'ENABLED',
      destroyAt: undefined,
    }
    key.versions.push(version)
    return version
  }

  /** https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1#getcryptokeyrequest */
  key(name: string): Key {
    if (!KEY.test(name)) throw malformed(name)
    const key = this.#keys.get(name)
    if (key === undefined) throw new StatusError('NOT_FOUND', `CryptoKey ${name} not found.`)
    return key
  }

  version(name: string): { key: Key; version: Version } {
    const keyName = VERSION.exec(name)?.[1]
    if (keyName === undefined) throw malformed(name)
    const key = this.key(keyName)
    const version = key.versions.find((one) => one.name === name)
    if (version === undefined) throw new StatusError('NOT_FOUND', `CryptoKeyVersion ${name} not found.`)
    return { key, version }
  }

  /** Into DESTROY_SCHEDULED. https://cloud.google.com/kms/docs/destroy-restore */
  scheduleDestruction(version: Version): void {
    if (version.state === 'DESTROY_SCHEDULED' || version.state === 'DESTROYED') throw notInState(version)
    version.state = 'DESTROY_SCHEDULED'
    version.destroyAt = Date.now() + THIRTY_DAYS_MS
  }

  /** What happens when the scheduled time has come. */
  destroy(version: Version): void {
    version.material?.fill(0)
    version.material = undefined
    version.state = 'DESTROYED'
  }
}

export function malformed(name: string): StatusError {
  return new StatusError('INVALID_ARGUMENT', `Resource name [${name}] is malformed.`)
}

/** The words of the service. https://cloud.google.com/kms/docs/key-states */
export function notInState({ name, state }: Version): StatusError {
  return new StatusError('FAILED_PRECONDITION', `${name} is not enabled, current state is: ${state}.`)
}

/** magic (1) || version uid (8) || IV (12) || ciphertext || tag (16) */
export function seal(version: Version, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', materialOf(version), iv).setAAD(aad)
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.of(MAGIC), version.uid, iv, body, cipher.getAuthTag()])
}

/** INVALID_ARGUMENT for whatever does not open. https://cloud.google.com/kms/docs/encrypt-decrypt */
export function unseal(
  key: Key,
  ciphertext: Uint8Array,
  aad: Uint8Array,
): { plaintext: Buffer; version: Version } {
  const bytes = Buffer.from(ciphertext)
  const uid = bytes.subarray(1, 1 + UID_BYTES)
  const version = key.versions.find((one) => one.uid.equals(uid))
  if (bytes[0] !== MAGIC || version === undefined) {
    const name = "Decryption failed: verify that 'name' refers to the correct CryptoKey."
    throw new StatusError('INVALID_ARGUMENT', name)
  }
  const ivAt = 1 + UID_BYTES
  const bodyAt = ivAt + IV_BYTES
  if (bytes.length < bodyAt + TAG_BYTES) throw invalidCiphertext()
  if (version.state !== 'ENABLED') throw notInState(version)
  const decipher = createDecipheriv('aes-256-gcm', materialOf(version), bytes.subarray(ivAt, bodyAt))
  decipher.setAAD(aad).setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    const body = bytes.subarray(bodyAt, -TAG_BYTES)
    return { plaintext: Buffer.concat([decipher.update(body), decipher.final()]), version }
  } catch {
    throw invalidCiphertext()
  }
}

function invalidCiphertext(): StatusError {
  return new StatusError('INVALID_ARGUMENT', 'Decryption failed: the ciphertext is invalid.')
}

function materialOf(version: Version): Buffer {
  if (version.state === 'ENABLED' && version.material !== undefined) return version.material
  throw notInState(version)
}
