/** The keys of the fake: their materials, states, copies in other regions, and aliases. Cryptography is real. */
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from 'node:crypto'
import { canonicalBytes } from '../../../crypto/canonical.ts'
import { Refusal } from './refusal.ts'

export const ACCOUNT = '111122223333'
export const SYMMETRIC = 'SYMMETRIC_DEFAULT'

const DAY_MS = 86_400_000
const IV_BYTES = 12
const TAG_BYTES = 16
const MATERIAL_BYTES = 32
const OVERHEAD = MATERIAL_BYTES + IV_BYTES + TAG_BYTES

interface Material {
  /** 64 hex digits. */
  readonly id: string
  readonly key: Buffer
  /** Undefined for the first one. */
  readonly rotatedAt: Date | undefined
}

/** What all copies of a multi-Region key share. */
interface Shared {
  readonly id: string
  readonly spec: string
  readonly usage: string
  readonly materials: Material[]
  readonly regions: string[]
  rotationDays: number | undefined
  /** A rotation that was asked for and has yet to be done. */
  slowRotation: boolean
}

type State = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport' | 'Unavailable' | 'Updating'

/** A key in one region. */
export interface FakeKey {
  readonly arn: string
  readonly region: string
  readonly created: Date
  readonly shared: Shared
  state: State
  deletionDate: Date | undefined
}

export interface NewKey {
  readonly spec?: string
  readonly usage?: string
  readonly multiRegion?: boolean
}

/** All regions at once: two servers over one of these are two endpoints of one KMS. */
export class FakeKeys {
  readonly #keys = new Map<string, FakeKey>()
  /** 'region alias' → ARN of the key. */
  readonly #aliases = new Map<string, string>()

  create(
    region: string,
    { multiRegion = false, spec = SYMMETRIC, usage = 'ENCRYPT_DECRYPT' }: NewKey,
  ): FakeKey {
    const id = multiRegion ? `mrk-${randomBytes(16).toString('hex')}` : randomUUID()
    const materials = [newMaterial(id, undefined)]
    return this.#add(region, {
      id,
      spec,
      usage,
      materials,
      regions: [],
      rotationDays: undefined,
      slowRotation: false,
    })
  }

  replicate(key: FakeKey, region: string): FakeKey {
    if (!isMultiRegion(key)) throw new Refusal('UnsupportedOperationException', 'not a multi-Region key')
    if (primaryOf(key) !== key.region)
      throw new Refusal('UnsupportedOperationException', 'not the primary key')
    return this.#add(region, key.shared)
  }

  #add(region: string, shared: Shared): FakeKey {
    const arn = arnOf(region, shared.id)
    if (this.#keys.has(arn)) throw new Refusal('AlreadyExistsException', `${arn} exists`)
    shared.regions.push(region)
    const created = new Date()
    const key: FakeKey = { arn, region, created, shared, state: 'Enabled', deletionDate: undefined }
    this.#keys.set(arn, key)
    return key
  }

  /** By id, ARN, alias or alias ARN, from a region. */
  find(name: string, region: string): FakeKey {
    const ending = name.replace(new RegExp(`^arn:aws:kms:${region}:${ACCOUNT}:`), '')
    if (ending.startsWith('arn:')) throw new Refusal('NotFoundException', `Invalid arn ${name}`)
    const isAlias = ending.startsWith('alias/')
    const arn = isAlias
      ? this.#aliases.get(`${region} ${ending}`)
      : arnOf(region, ending.replace(/^key\//, ''))
    const key = arn === undefined ? undefined : this.#keys.get(arn)
    if (key !== undefined) return key
    const what = isAlias ? `Alias arn:aws:kms:${region}:${ACCOUNT}:${ending}` : `Key '${ending}'`
    throw new Refusal('NotFoundException', `${what} is not found.`)
  }

  /** Every key in every region. */
  all(): FakeKey[] {
    return [...this.#keys.values()]
  }

  setAlias(alias: string, key: FakeKey, isNew: boolean): void {
    const name = `${key.region} ${alias}`
    if (isNew && this.#aliases.has(name)) throw new Refusal('AlreadyExistsException', `${alias} exists`)
    this.#aliases.set(name, key.arn)
  }
}

const arnOf = (region: string, id: string): string => `arn:aws:kms:${region}:${ACCOUNT}:key/${id}`

export const isMultiRegion = ({ shared }: FakeKey): boolean => shared.id.startsWith('mrk-')
export const primaryOf = ({ shared }: FakeKey): string => shared.regions[0] ?? ''

function newMaterial(keyId: string, rotatedAt: Date | undefined): Material {
  const key = randomBytes(32)
  // KMS makes the name of a material from the key id and the material.
  return { id: createHash('sha256').update(keyId).update(key).digest('hex'), key, rotatedAt }
}

/** The material that encrypts. */
export function currentMaterial({ shared }: FakeKey): Material {
  return shared.materials.at(-1) as Material
}

export function rotate(key: FakeKey): void {
  key.shared.materials.push(newMaterial(key.shared.id, new Date()))
}

export function nextRotation({ created, shared }: FakeKey): Date | undefined {
  const { materials, rotationDays } = shared
  if (rotationDays === undefined) return undefined
  return new Date((materials.at(-1)?.rotatedAt ?? created).getTime() + rotationDays * DAY_MS)
}

export function scheduleDeletion(key: FakeKey, days: number): void {
  key.state = 'PendingDeletion'
  key.deletionDate = new Date(Date.now() + days * DAY_MS)
}

/**
 * Throws what a key says that cannot serve now.
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
 */
export function assertServes(key: FakeKey): void {
  if (key.state === 'Disabled') throw new Refusal('DisabledException', `${key.arn} is disabled.`)
  if (key.state === 'Enabled' || key.state === 'Updating') return
  const why = key.state === 'PendingDeletion' ? 'pending deletion' : key.state
  throw new Refusal('KMSInvalidStateException', `${key.arn} is ${why}.`)
}

type Context = Readonly<Record<string, string>>

export interface Sealed {
  readonly blob: Buffer
  readonly materialId: string
}

/** `material id (32) || IV (12) || tag (16) || ciphertext`, AES-256-GCM with the context as associated data. */
export function seal(key: FakeKey, plaintext: Uint8Array, context: Context): Sealed {
  const { id, key: material } = currentMaterial(key)
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', material, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(canonicalBytes({ ...context }))
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return {
    blob: Buffer.concat([Buffer.from(id, 'hex'), iv, cipher.getAuthTag(), ciphertext]),
    materialId: id,
  }
}

/** Throws InvalidCiphertextException for everything that does not open, IncorrectKeyException for another key's. */
export function unseal(
  keys: readonly FakeKey[],
  key: FakeKey,
  blob: Uint8Array,
  context: Context,
): { plaintext: Buffer; materialId: string } {
  const bytes = Buffer.from(blob)
  const materialId = bytes.subarray(0, MATERIAL_BYTES).toString('hex')
  const material = key.shared.materials.find(({ id }) => id === materialId)
  if (
    material === undefined &&
    keys.some(({ shared }) => shared.materials.some(({ id }) => id === materialId))
  ) {
    throw new Refusal('IncorrectKeyException', 'The key ID in the request does not identify the right key.')
  }
  if (material === undefined || bytes.length <= OVERHEAD) throw new Refusal('InvalidCiphertextException', '')
  const iv = bytes.subarray(MATERIAL_BYTES, MATERIAL_BYTES + IV_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', material.key, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(canonicalBytes({ ...context }))
  decipher.setAuthTag(bytes.subarray(MATERIAL_BYTES + IV_BYTES, OVERHEAD))
  try {
    return {
      materialId,
      plaintext: Buffer.concat([decipher.update(bytes.subarray(OVERHEAD)), decipher.final()]),
    }
  } catch {
    throw new Refusal('InvalidCiphertextException', '')
  }
}
