/** Where a value belongs, from the options that `encrypt` and `decrypt` share. */
import type { Context } from '../crypto/canonical.ts'
import type { FieldType } from '../data/codecs.ts'
import { type Call, wrongUse } from './call.ts'
import { parseContext } from './values.ts'

export interface Place {
  readonly keyType: string | undefined
  /** As given: 'users.email'. */
  readonly field: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
  readonly row: string | undefined
  readonly tenant: string | undefined
  readonly context: Context
  readonly as: FieldType | undefined
}

/** Throws ERR_ARGUMENT_INVALID and ERR_CONTEXT_INVALID. */
export function parsePlace({ options }: Call): Place {
  const field = options.text('field')
  const row = options.text('row')
  if (field === undefined && row !== undefined) {
    throw wrongUse('--row needs --field', 'a row is part of a place: --field users.email --row 42')
  }
  if (field?.split('.').includes('') === true) {
    throw wrongUse('--field is not the name of a field', 'write --field users.email')
  }
  const dot = field?.indexOf('.') ?? -1
  return {
    keyType: options.text('keyType'),
    field,
    table: dot < 0 ? undefined : field?.slice(0, dot),
    column: field?.slice(dot + 1),
    row,
    tenant: options.text('tenant'),
    context: parseContext(options.list('context')),
    as: options.text('as') as FieldType | undefined,
  }
}
