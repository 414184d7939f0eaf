/** Errors that say where they happened. */
import { type ErrorDetails, KeywrightError } from '../../errors.ts'

/** The same error with the place in front of its message; anything that is not ours stays as it is. */
export function located(error: unknown, where: string, details: ErrorDetails = {}): unknown {
  if (!(error instanceof KeywrightError)) return error
  return new KeywrightError(error.code, `${where}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { ...error.details, ...details },
  })
}
