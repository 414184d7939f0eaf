/** What a migration is asked to do: which columns of which places, and from which formats. */
import type { ForeignOptions } from '../../data/foreign/readers.ts'
import { KeywrightError } from '../../errors.ts'
import { didYouMean } from '../../nearest.ts'
import type { JobOptions } from '../job.ts'
import { type DataPlace, placesNamed, type RowsPlace } from '../places.ts'
import type { ValueOptions } from '../values/engine.ts'

/** Which columns. */
export interface MigrationSelection {
  /** Only these places. @default all places with rows */
  readonly places?: readonly string[]
  /** Only these columns, in whichever of the places they are. @default all that are declared */
  readonly columns?: readonly string[]
}

/** How a migration is run. */
export interface MigrationRunOptions extends ValueOptions {
  /** Stops between two pages, with ERR_ABORTED. It goes on where it was when it is run again. */
  readonly signal?: AbortSignal
  /** For the audit log. */
  readonly reason?: string
}

/** The format to migrate: one that the policy's window lists, or 'auto' for all of them. */
export interface FormatOption {
  /** 'auto', 'plain', 'fernet', or the name of a reader. @default 'auto' */
  readonly from?: string
}

export interface PlanMigrationOptions
  extends MigrationSelection,
    FormatOption,
    ForeignOptions,
    Pick<MigrationRunOptions, 'batch' | 'onProgress' | 'rate' | 'maxLatencyMs' | 'signal'> {}

export interface MigrateOptions
  extends MigrationSelection,
    FormatOption,
    ForeignOptions,
    MigrationRunOptions {}

export interface VerifyMigrationOptions
  extends MigrationSelection,
    Pick<MigrationRunOptions, 'batch' | 'onProgress' | 'rate' | 'maxLatencyMs' | 'signal' | 'reason'> {
  /** The share of values to open, above 0 up to 1; the others are only looked at from the outside. @default 1 */
  readonly sample?: number
}

export interface ReverseMigrationOptions extends MigrationSelection, ForeignOptions, MigrationRunOptions {
  /** What the values become again. */
  readonly to: 'plain' | 'fernet'
  /** Says that Keywright's protection is really to be taken off. */
  readonly undoEncryption: true
}

/** What a job takes of it. */
export function jobOptionsOf({ reason, signal }: Pick<MigrationRunOptions, 'reason' | 'signal'>): JobOptions {
  return { ...(reason === undefined ? {} : { reason }), ...(signal === undefined ? {} : { signal }) }
}

/** A place and the columns of it that were chosen. */
export interface ChosenPlace {
  readonly place: RowsPlace
  readonly columns: readonly string[]
}

/**
 * The chosen columns. Throws ERR_SOURCE_UNKNOWN for a place that is not declared, ERR_ARGUMENT_INVALID for a folder
 * that is named, and for a column that no chosen place has.
 */
export function chosenPlaces(places: readonly DataPlace[], selection: MigrationSelection): ChosenPlace[] {
  const named = placesNamed(places, selection.places)
  const rows = named.filter((place) => place.kind === 'rows')
  if (rows.length === 0 || (selection.places !== undefined && rows.length < named.length)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a folder of files has no columns to migrate', {
      hint: 'name a source with rows; files are encrypted with `keywright encrypt-dir`',
    })
  }
  const wanted = selection.columns
  const declared = new Set(rows.flatMap(({ columns }) => Object.keys(columns)))
  for (const column of wanted ?? []) if (!declared.has(column)) throw unknownColumn(column, declared)
  return rows
    .map((place) => {
      const columns = Object.keys(place.columns).filter((name) => wanted?.includes(name) ?? true)
      return { place, columns }
    })
    .filter(({ columns }) => columns.length > 0)
}

function unknownColumn(name: string, declared: ReadonlySet<string>): KeywrightError {
  return new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'a column that is named is not declared in these places',
    {
      hint: `${didYouMean(name, declared) || `declared: ${[...declared].join(', ') || 'none'}`}; columns are declared under "sources" in the policy document, or as "places" in code`,
    },
  )
}
