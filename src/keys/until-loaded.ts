/** Loading takes time, and what was loaded may have run out, or a rotation come into force, when it is done. */
import { KeywrightError } from '../errors.ts'

const ATTEMPTS = 4

/** Runs `work` again as long as it fails for a key that is not loaded, a few times. */
export async function untilLoaded<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const isNotLoaded = error instanceof KeywrightError && error.code === 'ERR_KEY_NOT_LOADED'
      if (!isNotLoaded || attempt === ATTEMPTS) throw error
    }
  }
}
