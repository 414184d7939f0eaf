/** Copying a record while finding the values that are to be replaced. */
import { KeywrightError } from '../errors.ts'

/** One value to replace: `holder[name]` in the copy. Elements of an array share the path of the array. */
export interface Slot {
  readonly holder: Record<string, unknown>
  readonly name: string
  readonly path: string
  readonly value: unknown
}

const MAX_DEPTH = 64

/**
 * A copy of `record` and the slots whose path `isChosen`; what is not on the way to one is shared, not copied.
 * Throws ERR_ARGUMENT_INVALID for anything that is not a plain object, or one nested too deeply (a cycle).
 */
export function replaceValues<R>(record: R, isChosen: (path: string) => boolean): { copy: R; slots: Slot[] } {
  if (!isPlainObject(record)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the record is not a plain object', {
      hint: 'convert instances of classes first: { ...instance }',
    })
  }
  const slots: Slot[] = []
  const copy = copyObject(record, '', { isChosen, slots }, 0)
  return { copy: (copy === record ? { ...record } : copy) as R, slots }
}

interface Search {
  readonly isChosen: (path: string) => boolean
  readonly slots: Slot[]
}

/** The object itself when nothing in it is to be replaced. */
function copyObject(
  source: Record<string, unknown>,
  prefix: string,
  search: Search,
  depth: number,
): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined
  for (const name of Object.keys(source)) {
    const value = source[name]
    if (value === null || value === undefined) continue
    const path = prefix === '' ? name : `${prefix}.${name}`
    if (search.isChosen(path)) {
      copy ??= { ...source }
      search.slots.push({ holder: copy, name, path, value })
      continue
    }
    const inner = copyInside(value, path, search, depth + 1)
    if (inner === value) continue
    copy ??= { ...source }
    copy[name] = inner
  }
  return copy ?? source
}

/** Arrays may hold arrays: what is in them is as sensitive. */
function copyInside(value: unknown, path: string, search: Search, depth: number): unknown {
  const isArray = Array.isArray(value)
  if (!isArray && !isPlainObject(value)) {
    assertNothingChosen(value, path, search)
    return value
  }
  if (depth > MAX_DEPTH) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `the record is nested deeper than ${MAX_DEPTH} levels`, {
      hint: 'does it hold itself?',
    })
  }
  if (!isArray) return copyObject(value, path, search, depth)
  let copy: unknown[] | undefined
  for (const [index, element] of value.entries()) {
    const inner = copyInside(element, path, search, depth + 1)
    if (inner === element) continue
    copy ??= value.slice()
    copy[index] = inner
  }
  return copy ?? value
}

/** An instance or a Map is not taken apart; what is claimed in it must not stay in clear without a word. */
function assertNothingChosen(value: unknown, path: string, search: Search): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  const names =
    value instanceof Map ? [...value.keys()].filter((key) => typeof key === 'string') : Object.keys(value)
  if (!names.some((name) => search.isChosen(`${path}.${name}`))) return
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'a field to encrypt lies in an instance of a class or a Map',
    {
      hint: 'convert it to a plain object first: { ...instance }, Object.fromEntries(map)',
    },
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
