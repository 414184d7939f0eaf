/** Failures of jobs as they go into Redis: a code and our own words, never those of another library. */
import { ERROR_CODES, type ErrorCode, KeywrightError } from '../../errors.ts'

/** The error of a job as BullMQ stores its message. */
export function storable(error: unknown): Error {
  const known = error instanceof KeywrightError
  const text = known ? `${error.code}: ${error.message}` : 'ERR_INTERNAL: unexpected failure'
  const stored = new Error(text)
  stored.stack = text // BullMQ stores it too, with paths of this machine
  return stored
}

/** The code of a stored failure. */
export function codeIn(message: string | undefined): ErrorCode {
  const [code = ''] = (message ?? '').split(':')
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'ERR_INTERNAL'
}

/** No attempt of any worker changes this. */
export const isHopeless = (error: unknown): boolean =>
  error instanceof KeywrightError && error.code === 'ERR_JOB_REFUSED'
