/** Each declared place of ciphertexts: reachable, its columns there, and wide enough. Nothing is written. */
import { stat } from 'node:fs/promises'
import { type Configuration, placesOf } from '../../compose.ts'
import type { DataPlace, FolderPlace, RowsPlace } from '../../jobs/places.ts'
import type { Source, SourceColumn, SourceDescription } from '../../source.ts'
import { count } from '../text.ts'
import { type Finding, failed, findingOf, ok, warning } from './finding.ts'

/** `kw1.` and the base64url of an empty value: nothing fits into less. */
const SMALLEST_CIPHERTEXT = 48
/** Below it values of a few dozen bytes do not fit. */
const NARROW = 128
/** Version, key id, IV and tag. */
const OVERHEAD_BYTES = 33
const PREFIX = 'kw1.'.length

/** All places; one that fails does not keep the others from being looked at. */
export async function checkSources(decided: Configuration): Promise<Finding[]> {
  const findings = await Promise.all(placesOf(decided).map(checkPlace))
  return findings.flat()
}

const titleOf = ({ name }: DataPlace): string => `source ${name}`

async function checkPlace(place: DataPlace): Promise<Finding[]> {
  if (place.kind === 'folder') return [await checkFolder(place)]
  let source: Source | undefined
  try {
    source = await place.open()
    const about = await source.describe()
    // What may not be read is only told by reading.
    await source.read({ columns: namesIn(place), limit: 1 })
    return [...foundOf(place, about), ...about.warnings.map((text) => warning(titleOf(place), text))]
  } catch (error) {
    return [findingOf(titleOf(place), error)]
  } finally {
    await source?.close?.().catch(() => undefined)
  }
}

async function checkFolder(place: FolderPlace): Promise<Finding> {
  const title = titleOf(place)
  try {
    const { path } = place
    if ((await stat(path)).isDirectory()) return ok(title, path)
    return failed(
      title,
      `${path} is no folder`,
      `correct "path" of sources.${place.name} in the policy document`,
    )
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return failed(
      title,
      `cannot look at ${place.path} (${code})`,
      'check the path, and that this user may read it',
    )
  }
}

/** Every column that the place names, once. */
function namesIn({ columns }: RowsPlace): string[] {
  const named = Object.entries(columns).flatMap(([name, { indexes = [], row, tenant }]) => [
    name,
    ...indexes.map(({ column }) => column),
    ...[row, tenant].filter((column) => column !== undefined),
  ])
  return [...new Set(named)]
}

function foundOf(place: RowsPlace, about: SourceDescription): Finding[] {
  const title = titleOf(place)
  const known = new Map(about.columns?.map((column) => [column.name, column]))
  const problems = Object.entries(place.columns).flatMap(([name, { indexes = [] }]) => [
    ...columnFindings(title, known.get(name), true),
    ...indexes.flatMap(({ column }) => columnFindings(title, known.get(column), false)),
  ])
  if (problems.some(({ state }) => state === 'failed')) return problems
  const rows = about.rows === undefined ? '' : `, about ${count(about.rows, 'row')}`
  const columns = count(Object.keys(place.columns).length, 'encrypted column')
  return [ok(title, `${about.location}: ${columns}${rows}`), ...problems]
}

/** Undefined: the source has no fixed columns. */
function columnFindings(title: string, column: SourceColumn | undefined, encrypted: boolean): Finding[] {
  if (column === undefined) return []
  const { kind, maxLength, name, type } = column
  const shown = `column ${JSON.stringify(name)} (${type})`
  if (kind === 'other' || (kind === 'bytes' && !encrypted)) {
    const what = encrypted ? 'ciphertext' : 'search token'
    const hint = encrypted ? 'make it text or bytea' : 'make it text'
    return [failed(title, `${shown} cannot hold a ${what}`, hint, 'ERR_COLUMN_UNSUITABLE')]
  }
  if (kind !== 'text' || maxLength === undefined || maxLength >= NARROW) return []
  if (maxLength < SMALLEST_CIPHERTEXT) {
    const found = `${shown} is too short: ${SMALLEST_CIPHERTEXT} characters are the least`
    return [failed(title, found, 'make it text', 'ERR_COLUMN_UNSUITABLE')]
  }
  if (!encrypted) return []
  const bytes = Math.floor(((maxLength - PREFIX) * 3) / 4) - OVERHEAD_BYTES
  return [warning(title, `${shown} holds values of at most ${count(bytes, 'byte')}`, 'make it text')]
}
