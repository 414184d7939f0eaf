/** Loading takes time, and what was loaded may have run out, or a rotation come into force, when it is done. */
import { type ErrorCode, KeywrightError } from '../errors.ts'

/**
 * How often a failure may come until it is believed. Stale records are read again once: where the store is down, more
 * would not help.
 */
const ATTEMPTS: ReadonlyMap<ErrorCode, number> = new Map([
  ['ERR_KEY_NOT_LOADED', 4],
  ['ERR_KEYRING_STALE', 2],
])

/** Runs `work` again, a few times, as long as it fails for what has run out while it was being loaded. */
export async function untilLoaded<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const attempts = error instanceof KeywrightError ? (ATTEMPTS.get(error.code) ?? 1) : 1
      if (attempt >= attempts) throw error
    }
  }
}
