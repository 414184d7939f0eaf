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
  const copy = copyObject(record, '', isChosen, slots, 0)
  return { copy: copy as R, slots }
}

function copyObject(
  source: Record<string, unknown>,
  prefix: string,
  isChosen: (path: string) => boolean,
  slots: Slot[],
  depth: number,
): Record<string, unknown> {
  if (depth > MAX_DEPTH) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `the record is nested deeper than ${MAX_DEPTH} levels`, {
      hint: 'does it hold itself?',
    })
  }
  const copy = { ...source }
  for (const name of Object.keys(copy)) {
    const value = copy[name]
    if (value === null || value === undefined) continue
    const path = prefix === '' ? name : `${prefix}.${name}`
    if (isChosen(path)) slots.push({ holder: copy, name, path, value })
    else if (typeof value === 'object') copy[name] = copyInside(value, path, isChosen, slots, depth + 1)
  }
  return copy
}

function copyInside(
  value: object,
  path: string,
  isChosen: (path: string) => boolean,
  slots: Slot[],
  depth: number,
): unknown {
  if (isPlainObject(value)) return copyObject(value, path, isChosen, slots, depth)
  if (!Array.isArray(value)) return value
  return value.map((element) =>
    isPlainObject(element) ? copyObject(element, path, isChosen, slots, depth) : element,
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
