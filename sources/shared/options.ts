/** Numbers among the options of a source. */
import { invalid } from './errors.ts'

const LONGEST_MS = 3_600_000

/** Throws ERR_ARGUMENT_INVALID. */
export function milliseconds(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= LONGEST_MS) return value
  throw invalid(`"${option}" expected milliseconds from 1 to ${LONGEST_MS}`, 'leave it out for the default')
}

/** Throws ERR_ARGUMENT_INVALID. */
export function wholeNumber(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= 1000) return value
  throw invalid(`"${option}" expected a whole number from 1 to 1000`, 'leave it out for the default')
}
