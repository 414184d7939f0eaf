/** Which keys a job is about. */
import { createHash } from 'node:crypto'
import { KeywrightError } from '../errors.ts'
import { eachRecord } from '../keys/services.ts'
import { keyringName, parseKeyring, readKeyring } from '../policy/keyring-name.ts'
import type { KeyTypePolicy, Policy } from '../policy/policy.ts'
import type { KeyRecord, KeyStore } from '../store.ts'

/** Every condition must hold; none at all: every key. */
export interface KeySelection {
  readonly keyType?: string
  /** Of every key type, or of the one named. */
  readonly tenant?: string
  /** Exactly this one: 'pii', 'pii/acme'. Not together with the others. */
  readonly keyring?: string
}

export class Selection {
  /** Only what was given. */
  readonly filter: KeySelection
  readonly #keyring: string | undefined

  /** Throws ERR_ARGUMENT_INVALID and ERR_TENANT_INVALID for names that are none. */
  constructor({ keyType, tenant, keyring }: KeySelection) {
    if (keyring !== undefined && (keyType !== undefined || tenant !== undefined)) {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a keyring is named beside a key type or tenant', {
        hint: 'name the keyring alone, or key type and tenant',
      })
    }
    if (keyring !== undefined) parseKeyring(keyring)
    if (keyType !== undefined || tenant !== undefined) keyringName(keyType ?? 'any', tenant)
    this.filter = {
      ...(keyType === undefined ? {} : { keyType }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(keyring === undefined ? {} : { keyring }),
    }
    const both = keyType !== undefined && tenant !== undefined
    this.#keyring = keyring ?? (both ? keyringName(keyType, tenant) : undefined)
  }

  /** The same selection has the same one, in any process. */
  get id(): string {
    const { keyType = '', tenant = '', keyring = '' } = this.filter
    const text = JSON.stringify([keyType, tenant, keyring])
    return createHash('sha256').update(text).digest('hex').slice(0, 16)
  }

  /** The records, destroyed ones included, page by page. */
  async *records(store: KeyStore): AsyncGenerator<KeyRecord> {
    for await (const record of eachRecord(store, this.#keyring)) if (this.#has(record.keyring)) yield record
  }

  /** The key types of `policy` whose new keys would be among the selected ones. */
  keyTypes({ keyTypes }: Policy): (readonly [name: string, policy: KeyTypePolicy])[] {
    const { keyType, keyring } = this.filter
    const only = keyring === undefined ? keyType : parseKeyring(keyring).keyType
    return Object.entries(keyTypes).filter(([name]) => only === undefined || name === only)
  }

  #has(keyring: string): boolean {
    const { keyType, tenant } = this.filter
    if (keyType === undefined && tenant === undefined) return true
    const parts = readKeyring(keyring)
    return (
      (keyType === undefined || parts?.keyType === keyType) &&
      (tenant === undefined || parts?.tenant === tenant)
    )
  }
}
