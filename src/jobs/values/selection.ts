/** Which columns of the declared places a job is to go through. */
import { KeywrightError } from '../../errors.ts'
import { keyTypePolicy, parseKeyring } from '../../policy/keyring-name.ts'
import type { Policy } from '../../policy/policy.ts'
import { type DataPlace, type FolderPlace, placesNamed, type RowsPlace } from '../places.ts'
import { keyTypeOf } from './binding.ts'

/** Which values. What is not given means all. */
export interface ValueSelection {
  /** Names of places. */
  readonly places?: readonly string[]
  readonly keyTypes?: readonly string[]
  /** 'pii', 'pii/acme' */
  readonly keyrings?: readonly string[]
}

/** A place with its columns that were selected. */
export interface SelectedRows {
  readonly place: RowsPlace
  readonly columns: readonly string[]
}

export interface Selected {
  readonly rows: readonly SelectedRows[]
  readonly folders: readonly FolderPlace[]
}

/**
 * Throws ERR_SOURCE_UNKNOWN (no such place, or none with such columns), ERR_KEY_TYPE_UNKNOWN, ERR_FIELD_UNMATCHED and
 * ERR_ARGUMENT_INVALID for what is no keyring's name.
 */
export function selectColumns(
  policy: Policy,
  all: readonly DataPlace[],
  { places, keyTypes, keyrings }: ValueSelection,
): Selected {
  const ofRings = keyrings?.map((name) => parseKeyring(name).keyType)
  for (const keyType of [...(keyTypes ?? []), ...(ofRings ?? [])]) keyTypePolicy(policy, keyType)
  const isWanted = (keyType: string): boolean =>
    (keyTypes?.includes(keyType) ?? true) && (ofRings?.includes(keyType) ?? true)
  const chosen = placesNamed(all, places)
  const rows = chosen.flatMap((place) => {
    if (place.kind !== 'rows') return []
    const columns = Object.keys(place.columns).filter((name) => isWanted(keyTypeOf(policy, place, name)))
    return columns.length === 0 ? [] : [{ place, columns }]
  })
  const folders = chosen.filter((place) => place.kind === 'folder')
  if (rows.length + folders.length > 0) return { rows, folders }
  throw new KeywrightError('ERR_SOURCE_UNKNOWN', 'no declared place has values of these key types', {
    hint: 'the columns of each place and their key types stand under "sources" in the policy document',
  })
}
