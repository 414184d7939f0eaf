/** Whether a column can hold ciphertexts: asked before the first write, so that no value is ever cut. */
import { KeywrightError } from '../../errors.ts'
import type { SourceColumn, SourceDescription } from '../../source.ts'
import type { RowsPlace } from '../places.ts'
import type { MigratedColumn } from './columns.ts'

/** 'kwi1.' and base64url of 36 bytes. */
const TOKEN_CHARACTERS = 53

/** What is wrong with a column: ERR_COLUMN_UNSUITABLE or ERR_CONFIG_INVALID. `needs`: the longest ciphertext. */
export function columnProblem(
  place: RowsPlace,
  description: SourceDescription,
  column: MigratedColumn,
  needs: number,
): KeywrightError | undefined {
  const { name, keyType, policy } = column.bound
  if (policy.algorithm === 'HMAC-SHA-256') return searchOnly(place, name, keyType)
  const columns = new Map(description.columns?.map((one) => [one.name, one]))
  const table = tableOf(place, description)
  const found = columns.get(name)
  const own = found === undefined ? undefined : unsuitable(place, table, found, needs, ['text', 'bytes'])
  if (own !== undefined) return own
  for (const token of column.tokens) {
    const beside = columns.get(token.name)
    const problem =
      beside === undefined ? undefined : unsuitable(place, table, beside, TOKEN_CHARACTERS, ['text'])
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Whether its width is limited, so that the longest value has to be known before the first write. */
export function isLimited(column: MigratedColumn): boolean {
  return Number.isFinite(column.maxLength)
}

function unsuitable(
  place: RowsPlace,
  table: string,
  column: SourceColumn,
  needs: number,
  kinds: readonly SourceColumn['kind'][],
): KeywrightError | undefined {
  const { kind, maxLength = Number.POSITIVE_INFINITY, name, type } = column
  const about = `column "${name}" of "${place.name}" (${type})`
  if (!kinds.includes(kind)) {
    const beside = `${quoted(`${name}_encrypted`)} text`
    return refuse(place, name, `${about} cannot hold text such as a ciphertext`, {
      hint: `add a column of text beside it, copy the values, declare that one with the "as" of its values, and migrate it: ALTER TABLE ${table} ADD COLUMN ${beside}; UPDATE ${table} SET ${quoted(`${name}_encrypted`)} = CAST(${quoted(name)} AS text)`,
    })
  }
  if (needs <= maxLength) return undefined
  const statement = `ALTER TABLE ${table} ALTER COLUMN ${quoted(name)} TYPE ${kind === 'text' ? 'text' : 'bytea'}`
  const what = `${about} holds ${maxLength} ${kind === 'text' ? 'characters' : 'bytes'}, and the longest value needs ${needs}`
  return refuse(place, name, what, {
    hint: `make it wider first: ${statement}`,
    details: { needs, maxLength, statement },
  })
}

function refuse(
  place: RowsPlace,
  column: string,
  message: string,
  { details, hint }: { readonly hint: string; readonly details?: Record<string, string | number> },
): KeywrightError {
  const about = { place: place.name, column, ...details }
  return new KeywrightError('ERR_COLUMN_UNSUITABLE', message, { hint, details: about })
}

function searchOnly(place: RowsPlace, column: string, keyType: string): KeywrightError {
  return new KeywrightError(
    'ERR_CONFIG_INVALID',
    `column "${column}" of "${place.name}" has the key type "${keyType}", which only makes search tokens`,
    {
      hint: 'declare it under "indexes" of the encrypted column, or give it the key type that encrypts it',
      details: { place: place.name, column },
    },
  )
}

/** The table in SQL: as the source says where it is, else as the place is called. */
function tableOf(place: RowsPlace, { location }: SourceDescription): string {
  const named = / table (.+)$/.exec(location)?.[1] ?? place.table ?? place.name
  return named.split('.').map(quoted).join('.')
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
