/**
 * A field of which some values are not Keywright's yet. It encrypts like any field; it decrypts like any field too, and
 * reads, while the policy's migration window is open, the formats that the policy lists. `field()` never does.
 */
import { decryptionFailed, KeywrightError } from '../../errors.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { TenantOption } from '../../keys/manager.ts'
import type { KeyServices } from '../../keys/services.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { formatsReadable, migrationClosed } from '../../policy/migration.ts'
import type { KeyTypePolicy } from '../../policy/policy.ts'
import { type Codec, codecFor, type FieldType, type FieldTypes } from '../codecs.ts'
import { createField, type Field, type FieldOptions, type RowOption } from '../field.ts'
import { looksCurrent } from './forms.ts'
import { type ForeignOptions, ForeignReaders, recognise } from './readers.ts'
import { typedPlaintext } from './typed.ts'

export interface MigratingFieldOptions<K extends FieldType = 'string'>
  extends FieldOptions<K>,
    TenantOption,
    ForeignOptions {}

/** A value, and what it was stored as: write it back encrypted unless that is 'current'. */
export interface MigratingValue<T> {
  readonly value: T
  /** 'current' (a Keywright ciphertext), 'plain', 'fernet', or the name of the reader that opened it. */
  readonly format: string
}

/** What a migrating field works with beside its field. */
interface MigratingParts<T> {
  readonly services: KeyServices
  readonly field: Field<T>
  readonly keyType: string
  readonly policy: KeyTypePolicy
  readonly readers: ForeignReaders
  readonly type: FieldType
  readonly codec: Codec<T>
}

export class MigratingField<T> {
  readonly #parts: MigratingParts<T>

  constructor(parts: MigratingParts<T>) {
    this.#parts = parts
  }

  /** The keyring whose active key encrypts this field. */
  get keyring(): string {
    return this.#parts.field.keyring
  }

  /** Encrypts, always in Keywright's format. Resolves to `kw1.…`. */
  encrypt(value: T, options?: RowOption): Promise<string> {
    return this.#parts.field.encrypt(value, options)
  }

  /** The same without waiting. Throws ERR_KEY_NOT_LOADED before `ready()` or a first `encrypt`. */
  encryptSync(value: T, options?: RowOption): string {
    return this.#parts.field.encryptSync(value, options)
  }

  /** Encrypts to wire bytes, for binary columns. */
  encryptToBytes(value: T, options?: RowOption): Promise<Buffer> {
    return this.#parts.field.encryptToBytes(value, options)
  }

  /** Loads the keyring: the active key, with `all` every key that may decrypt. */
  async ready(options: { readonly all?: boolean } = {}): Promise<this> {
    await this.#parts.field.ready(options)
    return this
  }

  /**
   * Opens a value in Keywright's format, or inside the window in one that the policy lists. What looks like a
   * ciphertext and does not open is a failed decryption, never plain text.
   *
   * Throws what a field throws, ERR_MIGRATION_CLOSED for a value in another format when the window is closed or does
   * not list it, ERR_FOREIGN_KEY_MISSING, ERR_CONFIG_INVALID for a format without a reader, and ERR_VALUE_TYPE for an
   * old value that is not of the field's type.
   */
  async decrypt(value: string | Uint8Array, options?: RowOption): Promise<MigratingValue<T>> {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw notReadable(value)
    const { field } = this.#parts
    if (looksCurrent(value)) return { value: await field.decrypt(value, options), format: 'current' }
    return this.#openForeign(value)
  }

  async #openForeign(value: string | Uint8Array): Promise<MigratingValue<T>> {
    const { codec, field, keyType, policy, readers, services, type } = this.#parts
    const now = services.clock.now()
    const formats = formatsReadable(policy, now)
    const found = formats.length === 0 ? undefined : recognise(value, readers.named(formats))
    if (found?.kind !== 'readable') throw migrationClosed(keyType, policy, now)
    const { name } = found.reader
    if (policy.auditAccess) {
      const details = { format: name }
      await services.audit.append({ event: 'data.decrypt', keyring: field.keyring, details })
    }
    const opened = await found.reader.open(value)
    if (opened === undefined) throw decryptionFailed()
    return { value: codec.decode(Buffer.from(typedPlaintext(type, opened))), format: name }
  }
}

function notReadable(value: unknown): KeywrightError {
  const got = value === null ? 'null' : typeof value
  return new KeywrightError('ERR_VALUE_TYPE', `a stored value is a string or a Uint8Array, got ${got}`, {
    hint: 'pass null and undefined on as they are; nothing was encrypted there',
  })
}

/**
 * A migrating field; `of` is a key type, or 'table.column', whose key type the policy's selectors tell. `foreign` is
 * what the program was configured with; options of the call win over it.
 *
 * Throws ERR_FIELD_UNMATCHED, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID, ERR_ARGUMENT_INVALID.
 */
export function createMigratingField<K extends FieldType = 'string'>(
  services: KeyServices,
  rings: Keyrings,
  foreign: ForeignOptions | undefined,
  of: string,
  options: MigratingFieldOptions<K> = {},
): MigratingField<FieldTypes[K]> {
  const { tenant, readers, fernetKeys, ...place } = options
  const dot = of.indexOf('.')
  const asked = dot < 0 ? { keyType: of } : { field: of }
  const named = dot < 0 ? {} : { table: of.slice(0, dot), column: of.slice(dot + 1) }
  const found = keyringFor(services.policy, { ...asked, ...(tenant === undefined ? {} : { tenant }) })
  const type = place.as ?? 'string'
  return new MigratingField({
    services,
    field: createField<K>(rings, found.keyring, { ...named, ...place }),
    keyType: found.keyType,
    policy: found.policy,
    readers: new ForeignReaders({
      ...foreign,
      ...(readers === undefined ? {} : { readers }),
      ...(fernetKeys === undefined ? {} : { fernetKeys }),
    }),
    type,
    codec: codecFor(type as K),
  })
}
