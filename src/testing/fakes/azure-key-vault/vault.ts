/** The keys of the fake: versions, attributes, soft deletion. https://learn.microsoft.com/azure/key-vault/keys/about-keys */
import { randomBytes } from 'node:crypto'
import { badParameter, keyNotFound, nameOfDeleted } from './answers.ts'
import { type KeyType, type Material, materialPool } from './material.ts'

const RECOVERABLE_DAYS = 90
const DAY_S = 86_400

/** Attributes that a client may set; dates in seconds since the epoch. */
export interface Attributes {
  readonly enabled?: boolean
  readonly nbf?: number
  readonly exp?: number
}

export interface KeySpec {
  readonly type?: KeyType
  readonly bits?: number
  readonly operations?: readonly string[]
  readonly attributes?: Attributes
}

/** One version of a key. */
export interface Version {
  readonly id: string
  readonly type: KeyType
  readonly bits: number
  readonly material: Material
  readonly created: number
  operations: readonly string[]
  attributes: Attributes & { readonly enabled: boolean }
}

interface Key {
  readonly name: string
  readonly versions: Version[]
  deletedAt?: number
  policy: readonly Readonly<Record<string, unknown>>[]
}

const OPERATIONS = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey']
const VAULT_TYPES: readonly KeyType[] = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM']
const HSM_TYPES: readonly KeyType[] = ['RSA-HSM', 'EC-HSM', 'oct-HSM']

export class FakeVault {
  readonly isManagedHsm: boolean
  readonly #url: () => string
  readonly #keys = new Map<string, Key>()
  readonly #pool = materialPool()

  constructor(isManagedHsm: boolean, url: () => string) {
    this.isManagedHsm = isManagedHsm
    this.#url = url
  }

  /** Makes a key, or a new version of it. Also kinds that Azure itself no longer makes, such as RSA of 1024 bits. */
  async add(name: string, spec: KeySpec = {}): Promise<Version> {
    const type = spec.type ?? (this.isManagedHsm ? 'oct-HSM' : 'RSA')
    const key = this.#keys.get(name.toLowerCase())
    if (key?.deletedAt !== undefined) throw nameOfDeleted(name)
    const bits = spec.bits ?? (type === 'oct-HSM' ? 256 : 2048)
    const version: Version = {
      id: randomBytes(16).toString('hex'),
      type,
      bits,
      material: await this.#pool.take(type, bits),
      created: Math.floor(Date.now() / 1000),
      operations: spec.operations ?? (type === 'oct-HSM' ? ['wrapKey', 'unwrapKey'] : OPERATIONS),
      attributes: { enabled: true, ...spec.attributes },
    }
    if (key === undefined) this.#keys.set(name.toLowerCase(), { name, versions: [version], policy: [] })
    else key.versions.push(version)
    return version
  }

  /** As `add`, for a request: only what Azure makes. */
  async create(name: string, spec: KeySpec & { readonly type: KeyType }): Promise<Version> {
    const types = this.isManagedHsm ? HSM_TYPES : VAULT_TYPES
    if (!types.includes(spec.type)) throw badParameter('The key type (kty) is not supported here.')
    const sizes = spec.type === 'oct-HSM' ? [128, 192, 256] : [2048, 3072, 4096]
    if (spec.bits !== undefined && !sizes.includes(spec.bits))
      throw badParameter('The key size is not supported.')
    return this.add(name, spec)
  }

  /** A new version of the same kind, without the dates of the old one. */
  async rotate(name: string): Promise<Version> {
    const { bits, operations, type } = this.find(name)
    return this.add(name, { bits, operations, type })
  }

  /** The latest version, or exactly this one. Throws a 404. */
  find(name: string, version?: string): Version {
    const { versions } = this.#live(name)
    const found = version === undefined ? versions.at(-1) : versions.find(({ id }) => id === version)
    if (found === undefined) throw keyNotFound(version === undefined ? name : `${name}/${version}`)
    return found
  }

  versions(name: string): readonly Version[] {
    return this.#live(name).versions
  }

  /** Changes attributes of a version, the latest by default. */
  set(name: string, attributes: Attributes, version?: string): Version {
    const found = this.find(name, version)
    found.attributes = { ...found.attributes, ...attributes }
    return found
  }

  /** Deletes softly: the key can be recovered, and its name is taken. */
  delete(name: string): void {
    this.#live(name).deletedAt = Math.floor(Date.now() / 1000)
  }

  recover(name: string): void {
    delete this.#deleted(name).deletedAt
  }

  /** Ends a deleted key for good. */
  purge(name: string): void {
    this.#keys.delete(this.#deleted(name).name.toLowerCase())
  }

  policy(name: string): Readonly<Record<string, unknown>> {
    const { policy } = this.#live(name)
    return { id: `${this.#url()}/keys/${name}/rotationpolicy`, lifetimeActions: policy, attributes: {} }
  }

  setPolicy(name: string, lifetimeActions: readonly Readonly<Record<string, unknown>>[]): void {
    this.#live(name).policy = lifetimeActions
  }

  kid(name: string, { id }: Version): string {
    return `${this.#url()}/keys/${this.#live(name).name}/${id}`
  }

  /** A key version as Azure answers with it. */
  bundle(name: string, version: Version): Record<string, unknown> {
    return this.#bundle(this.#live(name), version)
  }

  deletedBundle(name: string): Record<string, unknown> {
    const key = this.#deleted(name)
    const { deletedAt = 0, versions } = key
    return {
      ...this.#bundle(key, versions.at(-1) as Version),
      recoveryId: `${this.#url()}/deletedkeys/${key.name}`,
      deletedDate: deletedAt,
      scheduledPurgeDate: deletedAt + RECOVERABLE_DAYS * DAY_S,
    }
  }

  #bundle(
    { name }: Key,
    { attributes, created, id, material, operations, type }: Version,
  ): Record<string, unknown> {
    const kid = `${this.#url()}/keys/${name}/${id}`
    return {
      key: { kid, kty: type, key_ops: operations, ...material.jwk },
      attributes: {
        ...attributes,
        created,
        updated: created,
        recoveryLevel: 'Recoverable+Purgeable',
        recoverableDays: RECOVERABLE_DAYS,
      },
      tags: {},
    }
  }

  #live(name: string): Key {
    const key = this.#keys.get(name.toLowerCase())
    if (key === undefined || key.deletedAt !== undefined) throw keyNotFound(name)
    return key
  }

  #deleted(name: string): Key {
    const key = this.#keys.get(name.toLowerCase())
    if (key?.deletedAt === undefined) throw keyNotFound(name)
    return key
  }
}
