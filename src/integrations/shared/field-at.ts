/** Which keys an integration encrypts under, and what all its values are bound to. */
import type { Context } from '../../crypto/canonical.ts'
import type { FieldType, FieldTypes } from '../../data/codecs.ts'
import type { Field } from '../../data/field.ts'
import type { Keywright } from '../../keywright.ts'

export interface KeyOptions {
  /** @default 'session', for logs 'audit_logs' */
  readonly keyType?: string
  /** @default none */
  readonly tenant?: string
  /** What every value is bound to besides: `{ app: 'shop' }` keeps two applications on one Redis apart. @default none */
  readonly context?: Context
}

/** The field of one place. Throws ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID, ERR_CONTEXT_INVALID. */
export function fieldAt<K extends FieldType = 'string'>(
  kw: Keywright,
  place: { readonly table: string; readonly column: string; readonly as?: K },
  options: KeyOptions,
  keyType = 'session',
): Field<FieldTypes[K]> {
  const { tenant, context } = options
  return kw.field(options.keyType ?? keyType, {
    ...place,
    context,
    ...(tenant === undefined ? {} : { tenant }),
  })
}
