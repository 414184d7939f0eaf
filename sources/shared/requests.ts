/** What every source checks alike before it asks its server. */
import type { KeysQuery, PageQuery, SourceCheckpoint, SourceValue, WriteRequest } from '../../src/source.ts'
import { invalid, sourceAborted } from './errors.ts'

/** Bounds what a page, a lookup or a write holds in memory. */
const LARGEST_PAGE = 100_000
const LARGEST_CHECKPOINT_BYTES = 65_536
const SOURCE_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/
const CHECKPOINT_NAME = /^[a-z0-9][a-z0-9:._/-]{0,199}$/

/** The name of a source, if it may be one. Throws ERR_ARGUMENT_INVALID. */
export function checkedName(name: unknown): string {
  if (typeof name === 'string' && SOURCE_NAME.test(name)) return name
  throw invalid('"name" is no name of a source', 'use letters, digits, "_", "." and "-", at most 100')
}

/** Whether the query asks for rows by key. */
export function isKeysQuery(query: PageQuery | KeysQuery): query is KeysQuery {
  return 'keys' in query
}

/** Throws ERR_ARGUMENT_INVALID for a query that cannot be, ERR_ABORTED when it is not wanted any more. */
export function checkQuery(name: string, query: PageQuery | KeysQuery): void {
  assertColumns(query.columns, 0)
  if (isKeysQuery(query)) {
    const isSound = Array.isArray(query.keys) && query.keys.every((key) => typeof key === 'string')
    if (!isSound || query.keys.length > LARGEST_PAGE) {
      throw invalid('"keys" of a read expected keys of rows', `pass those of a page, at most ${LARGEST_PAGE}`)
    }
  } else if (!Number.isSafeInteger(query.limit) || query.limit < 1 || query.limit > LARGEST_PAGE) {
    throw invalid(
      '"limit" of a read is not a number of rows',
      `pass a whole number from 1 to ${LARGEST_PAGE}`,
    )
  }
  assertGoesOn(name, query.signal)
}

/** The same for a write. */
export function checkWrite(name: string, { checkpoint, columns, rows, signal }: WriteRequest): void {
  assertColumns(columns, rows.length === 0 ? 0 : 1)
  if (rows.length > LARGEST_PAGE) throw invalid('too many rows in one write', `pass at most ${LARGEST_PAGE}`)
  for (const { from, to } of rows) {
    if (from.length !== columns.length || to.length !== columns.length) {
      throw invalid('a row has another number of values than there are columns', 'pass one value per column')
    }
    if (to.every(isSound)) continue
    throw invalid('a new value is neither well-formed text nor bytes nor null', 'pass what a source can hold')
  }
  if (checkpoint !== undefined) assertCheckpoint(checkpoint)
  assertGoesOn(name, signal)
}

/** A lone surrogate would become another character on its way. */
const isSound = (value: SourceValue): boolean =>
  typeof value === 'string' ? value.isWellFormed() : value === null || value instanceof Uint8Array

function assertColumns(columns: readonly string[], least: number): void {
  const isSound = columns.every((column) => typeof column === 'string' && column !== '')
  if (isSound && columns.length >= least && new Set(columns).size === columns.length) return
  throw invalid('"columns" expected names of columns', 'name each column once')
}

function assertCheckpoint({ name, text }: SourceCheckpoint): void {
  assertCheckpointName(name)
  const isText = typeof text === 'string' && text.isWellFormed() && !text.includes('\0')
  if (isText && Buffer.byteLength(text) <= LARGEST_CHECKPOINT_BYTES) return
  throw invalid('the text of a checkpoint is none, or too long', 'pass at most 64 KiB of UTF-8')
}

/** Throws ERR_ARGUMENT_INVALID. */
export function assertCheckpointName(name: string): void {
  if (typeof name === 'string' && CHECKPOINT_NAME.test(name)) return
  throw invalid('the name of a checkpoint has a form that is not allowed', 'use [a-z0-9:._/-], at most 200')
}

/** Throws ERR_ARGUMENT_INVALID. */
export function assertParts(parts: number): void {
  if (Number.isSafeInteger(parts) && parts >= 1 && parts <= 10_000) return
  throw invalid('"parts" is not a number of ranges', 'pass a whole number from 1 to 10000')
}

/** Throws ERR_ABORTED. */
export function assertGoesOn(name: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw sourceAborted(name)
}
